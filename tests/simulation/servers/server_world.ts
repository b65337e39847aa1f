/**
 * Whole servers (Raft, file store, streaming) with clients in one world made from one seed: a time of faults, then one of
 * healing after which everything acknowledged has to be there, in order, once, on every node, and delivered. Invariants
 * watch after everything that happens.
 */
import { Malformed } from "../../../src/protocol/varint.ts";
import { Ack } from "../../../src/protocol/client_messages.ts";
import type { RaftOptions } from "../../../src/raft/options.ts";
import { DEFAULT_LIMITS as DEFAULT_RAFT_LIMITS, type RaftLimits } from "../../../src/raft/core/mod.ts";
import { Presence } from "../../../src/raft/members/mod.ts";
import { decodeMessage } from "../../../src/raft/wire/wire_format.ts";
import type { ServerSettings } from "../../../src/server/mod.ts";
import { DEFAULT_LIMITS, type ResolvedLimits } from "../../../src/protocol/limits.ts";
import { type MemoryBus, MemoryNet } from "../../support/memory_bus.ts";
import { randomSurvival } from "../../support/memory_files.ts";
import type { Survival } from "../../support/memory_disk.ts";
import { inMacrotask } from "../../support/microtasks.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";
import { type Simulation, type SimulationResult, Violation } from "../simulation.ts";
import { ClusterBook } from "./cluster_book.ts";
import type { Cluster, ClusterInvariant } from "./cluster_invariant.ts";
import { clusterInvariants } from "./cluster_invariants.ts";
import { Host } from "./host.ts";
import { IDLE, IdleChannel } from "./idle_channel.ts";
import type { WatchedEntry } from "./log_watch.ts";
import { MessageHistory } from "./message_history.ts";
import { NetworkTrouble } from "./network_trouble.ts";
import { Operator } from "./operator.ts";
import { CHANNELS, Population } from "./population.ts";
import { firstLost, forgetMessages, longestLog } from "./power_loss.ts";
import { Recovery } from "./recovery.ts";
import { type FaultName, ServerFaults } from "./server_faults.ts";
import { ServiceInvariants } from "./service_invariants.ts";
import type { HeldSubscription } from "./simulated_client.ts";
import { CLUSTER, type ServerCode } from "./simulated_node.ts";

/** So that they are met. */
const SMALL_LIMITS = {
  ...{ appendBytes: 2_000, windowMessages: 4, windowBytes: 6_000 },
  ...{ uncommittedBytes: 2_000, applyBytes: 3_000, cacheBytes: 3_000 },
};
const TROUBLE_MS = [500, 800, 1_200, 1_800] as const;
/** Everything has to be well again so long after the last fault: a hundred election timeouts, for what waits longest. */
const HEALING_MS = 25_000;
/** How often it is looked whether all is well. */
const SETTLED_EVERY = 40;
const ELECTION_MS = 250;
/** Messages between nodes whose kind is looked at: votes, answers to votes and to appends. */
const WATCHED_KINDS: ReadonlySet<number> = new Set([2, 3, 5, 12]);
const RAFT = `_STAN.raft.${CLUSTER}.n.`;
const WHO = `_STAN.raft.${CLUSTER}.who`;
const WHO_ANSWERS = "_INBOX.raft.";
/** The checksum before a presence. */
const PRESENCE = 4;
const CLIENTS = "_INBOX.c.";
const CONNECTS = `_STAN.discover.${CLUSTER}`;

export interface ServerWorldOptions {
  readonly seed: number;
  readonly trace?: boolean;
  readonly troubleMs?: number;
  /** What the nodes run; a test of the simulator plants bugs here. */
  readonly code?: ServerCode;
  /** Faults that happen more often than others; drawn from the seed when absent. */
  readonly favourites?: readonly FaultName[];
  /** Whether logs are synced; drawn from the seed when absent. */
  readonly synced?: boolean;
  /** Whether somebody gives a founder another list of peers than the others; drawn from the seed when absent. */
  readonly mistaken?: boolean;
}

export class ServerWorld implements Cluster {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly random: SeededRandom;
  readonly hosts = new Map<string, Host>();
  readonly book = new ClusterBook();
  readonly history = new MessageHistory();
  readonly idle = new IdleChannel(this.clock, this.history.attempted);
  readonly trouble: NetworkTrouble;
  readonly operator: Operator;
  readonly service: ServiceInvariants;
  readonly trace: string[] = [];
  readonly synced: boolean;
  /** Heartbeats to clients are so close together that those who do not answer are taken for dead. */
  readonly evicts: boolean;
  healedAt: number | undefined;
  /** After so many ms without use a channel is deleted; 0: there is none of that kind. */
  readonly idleAfter: number;
  /** Faults happen. */
  troubled = true;
  /** Publishers that repeat themselves go on doing so. */
  retrying = true;
  population!: Population;
  /** How often power failed everywhere. */
  losses = 0;
  events = 0;
  #digest = 0;
  #failure: unknown;
  readonly #options: ServerWorldOptions;
  readonly #faults: ServerFaults;
  readonly #payloads = new Map<string, string>();
  readonly #invariants: readonly ClusterInvariant[] = clusterInvariants();
  readonly #recovery = new Recovery(this);
  readonly #raft: Partial<RaftOptions>;
  readonly limits: RaftLimits;
  readonly settings: Partial<ServerSettings>;

  constructor(options: ServerWorldOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    const { random } = this;
    this.trouble = new NetworkTrouble(this.clock, this.net, random.fork());
    this.net.onSend = (from, subject, payload) => this.#guarded(() => this.#sent(from, subject, payload));
    this.net.onArrival = (to, subject, payload) => this.#guarded(() => this.#arrived(to, subject, payload));
    const synced = random.chance(0.85);
    this.synced = options.synced ?? synced;
    this.evicts = random.chance(0.25);
    this.idleAfter = random.pick([0, 0, 0, 80, 200]);
    this.operator = new Operator(this);
    this.service = new ServiceInvariants(this, this.history, this.idle, this.#payloads);
    this.#raft = {
      heartbeatTimeout: ELECTION_MS,
      electionTimeout: ELECTION_MS,
      leaseTimeout: 200,
      commitTimeout: 50,
      sync: this.synced,
      allowAddRemoveNode: true,
      logCacheSize: random.pick([0, 4, 512]),
      ...(random.chance(0.5) ? { segmentBytes: random.pick([300, 2_000, 20_000]) } : {}),
      ...(random.chance(0.4) ? { limits: SMALL_LIMITS } : {}),
    };
    this.limits = { ...DEFAULT_RAFT_LIMITS, ...this.#raft.limits };
    const maxMessages = random.pick([0, 0, 0, 30]);
    const limits = { maxChannels: 10, channels: this.limitRows(maxMessages, this.idleAfter) };
    this.settings = { limits, allowShortAckWait: true, ...this.#heartbeats(), batchMessages: random.pick([4, 64]) };
    this.#faults = new ServerFaults(this, options.favourites);
    const count = random.pick([3, 3, 3, 3, 4, 5]);
    for (const name of ["a", "b", "c", "d", "e"].slice(0, count)) this.hosts.set(name, new Host(this, name));
    this.book.founders = [...this.hosts.keys()];
    const mistaken = random.chance(0.05);
    if (options.mistaken ?? mistaken) mistakePeers(this);
  }

  #heartbeats(): Pick<ServerSettings, "heartbeatInterval" | "heartbeatTimeout" | "heartbeatFailCount"> {
    const usual = { heartbeatTimeout: 1_000, heartbeatFailCount: 3, heartbeatInterval: 60_000 };
    return this.evicts ? { heartbeatTimeout: 60, heartbeatFailCount: 2, heartbeatInterval: 100 } : usual;
  }

  /** Limits of channels; `idleAfter`: of the one that may be deleted, in ms. */
  limitRows(maxMessages: number, idleAfter: number): ResolvedLimits["channels"] {
    if (maxMessages > 0) this.history.isLimited = true;
    const usual = { ...DEFAULT_LIMITS.channels[0]!, maxMessages };
    if (this.idleAfter === 0) return [usual];
    return [usual, { ...usual, pattern: IDLE, maxInactivity: BigInt(idleAfter) * 1_000_000n }];
  }

  run(): void {
    for (const host of this.hosts.values()) host.start();
    this.population = new Population(this);
    this.#faults.plan();
    this.operator.watch();
    const end = this.#options.troubleMs ?? this.random.pick(TROUBLE_MS);
    while (this.clock.now() < end) this.#step(end);
    this.#heal();
    this.#settleDown();
    this.#recovery.compare();
    this.note(`${this.service.acks} acks, ${CHANNELS.map((name) => this.history.last(name))} messages`);
  }

  /** Everything stops at once. */
  end(): void {
    for (const host of this.hosts.values()) if (host.up) host.node!.kill();
  }

  note(text: string): void {
    this.events++;
    const line = `${this.clock.now().toFixed(1).padStart(8)}  ${text}`;
    for (let i = 0; i < line.length; i++) this.#digest = Math.imul(this.#digest ^ line.charCodeAt(i), 0x01000193) >>> 0;
    if (this.#options.trace) this.trace.push(line);
  }

  get digest(): number {
    return this.#digest;
  }

  leader(): Host | undefined {
    let leader: Host | undefined;
    for (const host of this.hosts.values()) {
      if (host.running && host.seen.role === "Leader" && host.seen.term > (leader?.seen.term ?? -1)) leader = host;
    }
    return leader;
  }

  /** What a power loss leaves of unsynced changes, drawn anew. */
  survival(): Survival {
    return this.random.pick([randomSurvival(this.random), () => 0, () => Infinity]);
  }

  /** What `host` is started with; limits of log and snapshots differ from start to start. */
  startOptions({ peers, clusterId, machineBoot }: Host): {
    settings: Partial<ServerSettings>;
    raft: Partial<RaftOptions>;
    peers: readonly string[];
    clusterId: string;
    code: ServerCode | undefined;
  } {
    const { random, book } = this;
    const logs = { snapshotEntries: random.pick([8, 20, 60]), trailingLogs: random.pick([0, 5, 20]) };
    const raft = { ...this.#raft, ...logs, logSnapshots: random.pick([1, 2]), machineBoot: `boot ${machineBoot}` };
    return { settings: this.settings, raft, peers: peers ?? book.founders, clusterId, code: this.#options.code };
  }

  attempted(guid: string, channel: string, payload: string): void {
    this.#payloads.set(guid, payload);
    this.history.guids.set(payload, guid);
    this.history.attempted.set(payload, channel);
  }

  /** Power fails on all machines, which sync nothing: only what is beyond the longest log that is left may be lost. */
  losePowerEverywhere(): void {
    for (const host of this.hosts.values()) {
      this.operator.forget(host);
      host.logsBefore.length = 0;
    }
    const longest = longestLog(this.hosts.values());
    const lost = firstLost(longest, this.book);
    const left = forgetMessages(this.history, this.book, lost);
    this.book.forget(lost);
    this.service.forget(lost);
    this.population.forget(left);
    this.losses++;
    this.note(`${longest.host.name} has the longest log: entries from ${lost} on are lost`);
  }

  subscribed(held: HeldSubscription): void {
    this.note(`${held.inbox} subscribed to ${held.channel}`);
    this.service.subscribed(held);
  }

  /** Every connection to NATS that there is, of servers and clients. */
  buses(): MemoryBus[] {
    const servers = [...this.hosts.values()].flatMap((host) => host.up ? host.node!.buses : []);
    return [...servers, ...this.population.clients.map((client) => client.bus)];
  }

  later(after: number, run: () => void): void {
    this.clock.wakeAt(this.clock.now() + after, run);
  }

  appended(host: Host, entry: WatchedEntry, previousTerm: number | undefined, payload: Uint8Array): void {
    this.#guarded(() => {
      const isNew = this.book.entry(entry.index, entry.term) === undefined;
      if (isNew) this.book.note(entry, previousTerm, payload);
      for (const each of this.#invariants) each.appended?.(this, host, entry, previousTerm, isNew);
    });
  }

  cut(host: Host, index: number): void {
    this.#guarded(() => {
      for (const each of this.#invariants) each.cut?.(this, host, index);
    });
  }

  dropped(host: Host, index: number, restarts: boolean): void {
    this.#guarded(() => {
      for (const each of this.#invariants) each.dropped?.(this, host, index, restarts);
    });
  }

  /** Asks `host` for a consistent read. I14. */
  read(host: Host): void {
    const { acknowledged } = this.service;
    const { node, boot } = host;
    node?.journal?.confirm().then((confirmed) => {
      if (!confirmed || host.boot !== boot || !host.up) return;
      this.#guarded(() => this.service.read(host, node.journal!.status().applied, acknowledged));
    });
  }

  /** What is found wrong must end the world, also where it is found inside a promise. */
  #guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  /** To the next instant at which something happens, at most until `limit`. */
  #step(limit: number): void {
    this.#live(limit);
    this.events++;
    if (this.#failure !== undefined) throw this.#failure;
    for (const host of this.hosts.values()) {
      // It may end outside of what it does by its own clock: when a sync fails.
      if (!host.touched && host.node?.fatal === undefined) continue;
      host.touched = false;
      if (host.running) this.#look(host);
      this.operator.supervise(host);
    }
    this.service.happened();
  }

  /** What a process does that was killed in the middle of something fails, and concerns nobody. */
  #live(limit: number): void {
    try {
      this.clock.step(limit);
    } catch (error) {
      if (!isGhostly(error)) throw error;
    }
  }

  #look(host: Host): void {
    const { node } = host;
    if (node!.server === undefined) return;
    const before = host.seen;
    const status = node!.journal!.status();
    // Before it has a core it has nothing to say.
    if (status.term === 0) return;
    if (before.term === 0) this.operator.begun(host);
    if (before.role !== status.role || before.term !== status.term) {
      this.note(`${host.name} ${status.role} in term ${status.term}`);
    }
    for (const each of this.#invariants) each.looked?.(this, host, status, before);
    const { role, term, commit, applied, snapshotIndex } = status;
    host.seen = { role, term, commit, applied, snapshotIndex };
    this.history.compare(host);
    this.service.looked(host);
    if (this.idleAfter > 0 && this.idle.looked(host)) this.note(`${host.name} deleted ${IDLE}`);
  }

  #hostOf(bus: string): Host | undefined {
    return this.hosts.get(bus.slice(0, bus.indexOf("-")));
  }

  #sent(from: string, subject: string, payload: Uint8Array): void {
    if (subject.startsWith(RAFT)) {
      const isMessage = payload.length > 10 && payload[7] !== 0xff && WATCHED_KINDS.has(payload[9]!) &&
        !subject.endsWith(".s");
      const host = isMessage ? this.#hostOf(from) : undefined;
      if (host?.node?.journal === undefined) return;
      const { message } = decodeMessage(payload, CLUSTER);
      for (const each of this.#invariants) each.sent?.(this, host, message);
    } else if (subject === WHO || subject.startsWith(WHO_ANSWERS)) {
      const host = this.#hostOf(from);
      if (host === undefined) return;
      const presence = Presence.decode(payload, PRESENCE, payload.length);
      for (const each of this.#invariants) each.told?.(this, host, presence);
    } else if (subject.startsWith(CLIENTS)) {
      const host = this.#hostOf(from);
      if (host !== undefined) this.service.sent(host, subject, payload, this.clock.now());
    } else if (subject === CONNECTS) this.service.connecting(from, this.clock.now());
  }

  #arrived(to: string, subject: string, payload: Uint8Array): void {
    if (!subject.startsWith("_INBOX.") || subject.startsWith(CLIENTS)) return;
    const host = this.#hostOf(to);
    if (host === undefined) return;
    try {
      this.service.arrived(host, subject, () => Ack.decode(payload).sequence);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }

  #heal(): void {
    this.note("everything heals");
    this.troubled = false;
    this.healedAt = this.clock.now();
    for (const client of this.population.clients) client.deaf = false;
    this.trouble.heal();
    this.operator.heal();
  }

  /** Until every node holds the same and every subscriber has everything (I19). */
  #settleDown(): void {
    const end = this.clock.now() + HEALING_MS;
    const leaderBy = this.clock.now() + 10 * 2 * ELECTION_MS;
    let hasLed = false;
    let lookAgain = this.clock.now();
    for (;;) {
      hasLed ||= this.leader()?.serving === true;
      if (this.clock.now() >= lookAgain) {
        if (this.#recovery.isSettled) return;
        lookAgain = this.clock.now() + SETTLED_EVERY;
      }
      if (this.clock.now() >= (hasLed ? end : Math.max(leaderBy, this.operator.busyUntil + leaderBy))) {
        throw new Violation("I19 recovery", `${hasLed ? "not settled" : "no leader"}: ${this.#recovery.lack}`);
      }
      this.#step(lookAgain);
    }
  }
}

/** Somebody gives one of the founders another list of peers than the others. */
function mistakePeers({ hosts, book, random }: ServerWorld): void {
  const host = random.pick([...hosts.values()]);
  const { founders } = book;
  host.peers = random.chance(0.5) ? [...founders, "stranger"] : founders.filter((name) => name !== host.name).slice(1);
}

/** The failure of a process that is gone. */
function isGhostly(error: unknown): boolean {
  return error instanceof Error && error.message.includes("its process is gone");
}

/** Lives through the world that `options` make. */
export async function liveServerWorld(options: ServerWorldOptions): Promise<SimulationResult> {
  const world = new ServerWorld(options);
  let failure: Error | undefined;
  try {
    await inMacrotask(() => world.run(), (error) => !isGhostly(error));
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  world.end();
  for (const host of options.trace ? world.hosts.values() : []) {
    world.trace.push(...(host.node?.log.lines ?? []).map((line) => `${host.name}: ${line}`));
  }
  const { events, digest, trace } = world;
  return { seed: options.seed, events, digest, failure, trace };
}

export const serverSimulation: Simulation = {
  name: "servers",
  run: (seed, { trace }) => liveServerWorld({ seed, trace }),
};
