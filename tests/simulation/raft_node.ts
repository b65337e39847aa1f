/** One simulated node: the production core, driven by the simplest driver that obeys its contract. */
import {
  DEFAULT_LIMITS,
  type Entry,
  entryBytes,
  type Fetch,
  type MembershipAt,
  type Message,
  type Notice,
  type Raft,
  type RaftLimits,
  type RaftOptions,
  type RaftTimeouts,
  type Ready,
  type SnapshotMark,
} from "../../src/raft/core/mod.ts";
import { RaftDisk, type SnapshotFile } from "./raft_disk.ts";
import type { RaftWorld } from "./raft_world.ts";

/** Real milliseconds a tick on a clock without drift. */
export const TICK_MS = 10;

export const TIMEOUTS: RaftTimeouts = {
  heartbeatTimeout: 20,
  electionTimeout: 20,
  leaseTimeout: 10,
  heartbeatInterval: 2,
  commitInterval: 1,
};

/** Small, so that limits are met. */
export const LIMITS: RaftLimits = {
  ...DEFAULT_LIMITS,
  appendBytes: 400,
  windowMessages: 4,
  windowBytes: 1_000,
  uncommittedBytes: 1_200,
  applyBytes: 400,
  cacheBytes: 600,
  trailingEntries: 10,
};

/** The most that one entry counts for. */
export const LARGEST_ENTRY = 640;
/** Two of them at once, or ten small ones. */
export const LARGEST_PROPOSAL = 2 * LARGEST_ENTRY;

/** How a node's driver may break its promises, to prove that the simulation sees it. */
export interface DriverBugs {
  /** Messages leave before what they speak for is durable. */
  readonly sendsBeforeStored?: boolean;
  /** Votes and terms are never written. */
  readonly forgetsVotes?: boolean;
}

/** The state machine: a digest of what was applied, and the membership and identity in it. */
interface Machine {
  index: number;
  term: number;
  digest: number;
  membership: MembershipAt;
  identity: string;
}

export class RaftNode {
  readonly id: string;
  disk: RaftDisk;
  readonly founders: readonly string[];
  /** `undefined` while the process is down. */
  raft: Raft | undefined;
  /** Counts the starts of the process, so that what was planned for an earlier one is ignored. */
  boot = 0;
  paused = false;
  /** It said goodbye, and ends soon. */
  leaving = false;
  /** The highest commit index it has told in this life. */
  committed = 0;
  /** Ticks pass at this rate compared with real time. */
  drift = 1;
  machine: Machine;
  /** What it is owed when the process goes on after a pause. */
  #backlog: (() => void)[] = [];
  readonly #world: RaftWorld;
  readonly #held: { readonly message: Message; readonly after: number }[] = [];
  #storedTicket = 0;
  #bootedAt = 0;
  #appliesSlowly = false;

  constructor(world: RaftWorld, id: string, incarnation: string, founders: readonly string[]) {
    this.#world = world;
    this.id = id;
    this.founders = founders;
    this.disk = new RaftDisk(incarnation);
    this.machine = this.#machineFrom(undefined);
  }

  /** The tick that this node's clock shows. */
  get clockTick(): number {
    return Math.floor((this.#world.queue.now - this.#bootedAt) * this.drift / TICK_MS);
  }

  get up(): boolean {
    return this.raft !== undefined;
  }

  /** It would serve clients at this moment. */
  get serves(): boolean {
    const { raft } = this;
    return raft !== undefined && raft.leading && this.clockTick < raft.leaseUntil;
  }

  /** Starts the process, unless it runs. */
  start(): void {
    if (this.up) return;
    const { random } = this.#world;
    this.boot++;
    this.drift = random.between(90, 110) / 100;
    this.#bootedAt = this.#world.queue.now;
    this.#storedTicket = 0;
    this.#held.length = 0;
    this.committed = 0;
    this.#backlog = [];
    this.paused = false;
    this.leaving = false;
    this.#appliesSlowly = random.chance(20);
    this.machine = this.#machineFrom(this.disk.machine ?? this.disk.snapshot);
    this.raft = this.#world.makeCore(this.#options());
    this.#planTick(this.boot);
    this.pump();
  }

  #options(): RaftOptions {
    const { disk, id, founders } = this;
    const { random } = this.#world;
    return {
      id,
      incarnation: disk.incarnation,
      identity: disk.identity,
      newIdentity: random.next().toString(16).padStart(8, "0").repeat(4),
      founders,
      timeouts: TIMEOUTS,
      limits: LIMITS,
      hardState: disk.hardState,
      log: disk.log.summary(disk.snapshot?.mark),
      applied: this.machine.index,
      distrustLog: disk.distrusted,
      random,
      now: 0,
    };
  }

  /** Loses the end of its log with everything else, as where writes are not synced. */
  loseEnd(count: number): void {
    this.crash();
    this.disk.loseEnd(count);
  }

  /** The process ends, and somebody puts an old copy of its disk in the place of the one it had. */
  restore(backup: RaftDisk): void {
    this.crash();
    backup.epoch = this.disk.epoch + 1;
    this.disk = backup;
  }

  crash(): void {
    this.raft = undefined;
    this.boot++;
    this.disk.crash(this.#world.random);
    this.#world.crashed(this);
  }

  /** Runs `input` now, or after the pause; not at all when the process is another by then. */
  enter(input: (raft: Raft) => void): void {
    const { boot } = this;
    const run = () => {
      if (this.boot !== boot || this.raft === undefined) return;
      input(this.raft);
      this.pump();
    };
    if (this.paused) this.#backlog.push(run);
    else run();
  }

  /** Runs `input` after `delay` ms, as {@link enter} does, unless the process ends before. */
  later(delay: number, input: (raft: Raft) => void): void {
    const { boot } = this;
    this.#world.queue.after(delay, () => {
      if (this.boot === boot) this.enter(input);
    });
  }

  resume(): void {
    this.paused = false;
    const backlog = this.#backlog;
    this.#backlog = [];
    this.enter((raft) => raft.tick(this.clockTick));
    for (const run of backlog) run();
  }

  /** Does what the core asks, until it asks for nothing more. */
  pump(): void {
    const { raft } = this;
    if (raft === undefined) return;
    let turns = 0;
    while (this.raft === raft && raft.hasReady) {
      this.#perform(raft.takeReady());
      if (++turns > 1_000) throw new Error(`${this.id} is never satisfied`);
    }
    this.#world.happened(this);
  }

  #planTick(boot: number): void {
    this.#world.queue.after(TICK_MS / this.drift, () => {
      if (this.boot !== boot) return;
      if (!this.paused) this.enter((raft) => raft.tick(this.clockTick));
      this.#planTick(boot);
    });
  }

  #perform(ready: Ready): void {
    this.#write(ready);
    for (const { message, after } of ready.messages) {
      if (after <= this.#storedTicket || this.#world.bugs.sendsBeforeStored) this.#world.send(this, message);
      else this.#held.push({ message, after });
    }
    if (ready.identity !== undefined) this.disk.identity = ready.identity;
    this.#world.observe(this, ready);
    for (const entry of ready.committed) this.#apply(entry);
    if (ready.committed.length > 0) this.#reportApplied(ready.committed.at(-1)!.index);
    if (this.disk.distrusted && !this.raft!.distrustsLog) this.disk.distrusted = false;
    for (const wanted of ready.fetches) this.#readBack(wanted);
    if (ready.install !== undefined) this.#install(ready.install.from, ready.install.snapshot);
    for (const notice of ready.notices) this.#notice(notice);
  }

  #write(ready: Ready): void {
    if (ready.ticket === 0) return;
    const { ticket, restartLogAt, entries, cutThrough, commit } = ready;
    const hardState = this.#world.bugs.forgetsVotes ? undefined : ready.hardState;
    this.disk.write({ ticket, hardState, log: { restartLogAt, entries, cutThrough, commit } });
    this.later(this.#world.diskDelay(), (raft) => {
      this.disk.done(ticket);
      this.#storedTicket = Math.max(this.#storedTicket, ticket);
      raft.stored(ticket);
      while (this.#held.length > 0 && this.#held[0]!.after <= ticket) {
        this.#world.send(this, this.#held.shift()!.message);
      }
    });
  }

  #apply(entry: Entry): void {
    const { machine } = this;
    this.#world.applying(this, entry);
    machine.index = entry.index;
    machine.term = entry.term;
    machine.digest = nextDigest(machine.digest, entry);
    if (entry.kind === "membership") machine.membership = { index: entry.index, membership: entry.membership };
    if (entry.kind === "identity") machine.identity = entry.identity;
    if (machine.identity !== "" && this.#world.random.chance(20)) this.disk.machine = this.#machineFile();
  }

  #machineFile(): SnapshotFile {
    const { index, term, membership, identity, digest } = this.machine;
    return { mark: { index, term, membership, identity }, digest };
  }

  /** Applying takes no time, or some. */
  #reportApplied(index: number): void {
    const { random } = this.#world;
    if (random.chance(this.#appliesSlowly ? 5 : 80)) this.raft!.applied(index);
    else this.later(random.below(20), (raft) => raft.applied(index));
  }

  #readBack(wanted: Fetch): void {
    this.later(this.#world.random.below(3), (raft) => {
      const entries: Entry[] = [];
      let bytes = 0;
      for (let i = wanted.from; i <= wanted.to; i++) {
        const entry = this.disk.log.at(i);
        if (entry === undefined) break;
        bytes += entryBytes(entry);
        if (bytes > wanted.maxBytes && entries.length > 0) break;
        entries.push(entry);
      }
      raft.fetched(wanted, entries);
    });
  }

  /** Keeps a snapshot of what is applied, after the time that writing it takes. */
  snapshot(): void {
    const { mark, digest } = this.#machineFile();
    const { index } = mark;
    if (index <= (this.disk.snapshot?.mark.index ?? 0) || mark.identity === "") return;
    this.later(this.#world.random.below(50), (raft) => {
      if (index <= (this.disk.snapshot?.mark.index ?? 0)) return;
      this.disk.keep({ mark, digest });
      if (index <= raft.status().applied) raft.snapshotTaken(mark);
    });
  }

  /** Fetches a snapshot from whoever has it, then switches; a crash may come between any two steps. */
  #install(from: string, mark: SnapshotMark): void {
    const { random } = this.#world;
    this.later(random.below(100), (raft) => {
      const file = this.#world.findSnapshot(from, mark);
      if (file === undefined || random.chance(10)) return raft.snapshotFailed();
      if (!raft.mayInstall(mark)) return;
      this.#switch(file);
    });
  }

  #switch(file: SnapshotFile): void {
    const { random } = this.#world;
    this.later(random.below(20), () => {
      this.disk.keep(file);
      this.disk.identity ||= file.mark.identity;
      this.later(random.below(20), (raft) => {
        this.machine = this.#machineFrom(file);
        this.#world.switched(this, file);
        raft.snapshotInstalled(file.mark);
      });
    });
  }

  #machineFrom(file: SnapshotFile | undefined): Machine {
    if (file === undefined) {
      const members = this.founders.map((id) => ({ id, incarnation: "", voter: true }));
      return { index: 0, term: 0, digest: 0, membership: { index: 0, membership: { members } }, identity: "" };
    }
    const { index, term, membership, identity } = file.mark;
    return { index, term, digest: file.digest, membership, identity };
  }

  #notice(notice: Notice): void {
    const { random } = this.#world;
    if (notice.kind === "check leader" && !this.#world.isUp(notice.leader)) {
      this.later(random.below(10), (raft) => raft.leaderGone(notice.leader));
    }
    this.#world.noticed(this, notice);
  }
}

/** The digest of a state after `entry`. */
export function nextDigest(digest: number, entry: Entry): number {
  let mixed = Math.imul(digest ^ (entry.index * 2654435761), 40503) ^ entry.term;
  if (entry.kind === "operations" || entry.kind === "facts") mixed ^= entry.payload[0]! * 7919 + entry.payload.length;
  return (Math.imul(mixed, 2246822519) ^ (mixed >>> 15)) >>> 0;
}
