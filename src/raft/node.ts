/**
 * The loop around the core: inputs go in as they come; once a turn, what the core owes is written, sent and applied
 * (spec clustering, section 11.1). Knows no operations: entries are bytes here.
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Millis } from "../protocol/units.ts";
import type { Applying } from "./applying.ts";
import {
  type DataKind,
  type DiskState,
  type Entry,
  type Fetch,
  type LogSummary,
  type MembershipAt,
  type Message,
  type NodeId,
  type Notice,
  type Outgoing,
  type ProposalResult,
  Raft,
  type Ready,
  type RoleChange,
  type SnapshotMark,
  type Ticket,
} from "./core/mod.ts";
import type { CheckedOptions } from "./options.ts";
import type { RaftDirectory } from "./raft_directory.ts";
import { Storing } from "./log/mod.ts";
import { entryFrom, type Transport } from "./wire/mod.ts";

/** One tick of the core. */
export const TICK: Millis = 10;
/** Between looks at the clock while all is calm, at most; heartbeats are twice as far apart. */
const LOOK: Millis = 30;
/** And while there is no leader or something was said about one: rivals in an election are a few ticks apart. */
const CLOSE_LOOK: Millis = 10;
/** How long something said about the leader makes for close looks. */
const EXCITEMENT: Millis = 500;
/** So many syncs that take longer than a lease are too many (P7). */
const SLOW_SYNCS = 3;
/** So long after one turn the next one may come before the end of the process's turn. */
const CALM: Millis = 0.5;
/** Every so many looks a file of the log that is no longer needed is removed: not all at once. */
const TIDY = 5;

/** Messages after which an election may come. */
const EXCITING: ReadonlySet<Message["kind"]> = new Set(["pre-vote", "vote", "goodbye", "timeout now"]);

export interface NodeEvents {
  /** Role, term or leader changed. Before anything that follows from it. */
  role(change: RoleChange): void;
  /** After each turn: whether this node leads and has applied its term's first entry. */
  turned(leading: boolean): void;
  membership(membership: MembershipAt): void;
  identity(identity: string): void;
  install(from: NodeId, snapshot: SnapshotMark): void;
  notice(notice: Notice): void;
  failed(error: unknown): void;
}

export interface NodeParts {
  readonly options: CheckedOptions;
  readonly directory: RaftDirectory;
  readonly summary: LogSummary;
  readonly founders: readonly NodeId[];
  /** 32 hexadecimal digits, for the first leader of a new cluster. */
  readonly newIdentity: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: NodeEvents;
}

export class RaftNode {
  readonly raft: Raft;
  readonly #parts: NodeParts;
  readonly #storing: Storing;
  #applying: Applying | undefined;
  /** Messages that wait for a write, in order. */
  #waiting: Outgoing[] = [];
  #scheduled = false;
  #turning = false;
  #turnedAt: Millis = -Infinity;
  #stopped = false;
  #cancelTick: Cancel = () => {};
  /** The newest commit index known; noted in the log now and then (P4). */
  #commit = 0;
  #lastTicket: Ticket = 0;
  /** To be told once what was written up to a ticket is durable. */
  #identity: { readonly identity: string; readonly after: Ticket } | undefined;
  #looks = 0;
  #excitedUntil: Millis = 0;
  /** Syncs in a row that took longer than a lease. */
  #slowSyncs = 0;
  readonly #calmLook: Millis;
  #disks = { log: "ok" as DiskState, store: "ok" as DiskState };
  readonly #reads = new Map<number, (index: number | undefined) => void>();
  /** When the leader was last heard. */
  heardLeader: Millis;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    const { clock, directory, options } = parts;
    this.heardLeader = clock.now();
    this.#calmLook = Math.max(CLOSE_LOOK, Math.min(LOOK, options.heartbeatTimeout / 20));
    this.#storing = new Storing(directory.wal, directory.vote, clock, options.sync, {
      stored: (ticket) => {
        this.raft.stored(ticket);
        this.#tellIdentity();
        this.schedule();
      },
      disk: (state) => {
        if (state === "ok") this.#slowSyncs = 0;
        this.setDisk("log", state);
      },
      slow: (took) => this.#slowSync(took),
      failed: (error) => parts.events.failed(error),
    }, directory.reserve);
    this.raft = new Raft({
      id: directory.member.nodeId,
      incarnation: directory.member.incarnation,
      identity: directory.member.identity,
      newIdentity: parts.newIdentity,
      founders: parts.founders,
      timeouts: ticksOf(options),
      limits: options.limits,
      hardState: directory.vote.state,
      log: parts.summary,
      applied: parts.summary.snapshot?.index ?? 0,
      distrustLog: directory.distrusted,
      random: parts.random,
      now: this.#ticks(),
    });
  }

  /** Begins to live; committed entries go to `applying`. */
  start(applying: Applying): void {
    this.#applying = applying;
    this.#look();
    this.schedule();
  }

  /** A message came in; before {@link start} it is lost, as if this node were not there yet. */
  receive(message: Message): void {
    if (this.#stopped || this.#applying === undefined) return;
    if (message.from === this.raft.leader) this.heardLeader = this.#parts.clock.now();
    if (EXCITING.has(message.kind)) this.#excite();
    this.raft.tick(this.#ticks());
    this.raft.step(message);
    this.schedule();
  }

  propose(kind: DataKind, payloads: readonly Uint8Array[]): ProposalResult {
    const result = this.raft.propose(kind, payloads);
    this.schedule();
    return result;
  }

  applied(entry: Entry): void {
    if (this.#stopped) return;
    this.raft.applied(entry.index);
    this.schedule();
  }

  /** Entry `index` is committed: notes that durably, unless the disk is full (P4). Throws FileFailed. */
  noteCommitted(index: number): void {
    const { wal } = this.#parts.directory;
    wal.mark(Math.min(index, this.#storing.settledThrough));
    wal.syncNow();
  }

  /** Whether this leader may speak for the cluster at this moment (Q3). */
  get mayServe(): boolean {
    return this.raft.leading && this.#parts.clock.now() / TICK < this.raft.leaseUntil;
  }

  /** Confirms leadership with a majority; the index from which on this node's state is fresh, or `undefined` (Q1). */
  read(): Promise<number | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#reads.set(this.raft.read(), resolve);
      this.schedule();
    });
  }

  /** Whether there is no room on the disk of the log or the store. */
  get isDiskFull(): boolean {
    return this.#disks.log === "full" || this.#disks.store === "full";
  }

  /** How the disk below the log or the store does. */
  setDisk(which: "log" | "store", state: DiskState): void {
    this.#disks[which] = state;
    const { log, store } = this.#disks;
    this.raft.setDisk(log === "full" || store === "full" ? "full" : log);
    this.schedule();
  }

  /** A leader whose disk is slower than its lease, again and again, lets somebody lead whose disk is not (P7). */
  #slowSync(took: Millis): void {
    const { log, options } = this.#parts;
    log.warn(`cluster log: the disk took ${Math.round(took)} ms to sync`);
    this.#slowSyncs = took > options.leaseTimeout ? this.#slowSyncs + 1 : 0;
    if (this.#slowSyncs < SLOW_SYNCS || this.raft.role !== "leader") return;
    this.#slowSyncs = 0;
    const better = this.raft.status().peers.some((peer) => peer.voter && peer.disk === "ok");
    if (!better || this.raft.transfer().kind === "refused") return;
    log.warn("the disk of this leader is too slow: it hands over");
    this.schedule();
  }

  /** Has `run` change something in the core, then does what follows. */
  poke<T>(run: (raft: Raft) => T): T {
    this.#excite();
    const result = run(this.raft);
    this.schedule();
    return result;
  }

  /** Once the input of this turn is handled, does what the core owes. */
  schedule(): void {
    if (this.#scheduled || this.#turning || this.#stopped || this.#applying === undefined) return;
    this.#scheduled = true;
    this.#parts.clock.soon(() => this.turn());
  }

  /**
   * What came together has been handed in: does what the core owes, at once where nothing was done a moment ago. Otherwise
   * more may come in this turn, and shares a sync.
   */
  hurry(): void {
    if (this.#scheduled && this.#parts.clock.now() - this.#turnedAt >= CALM) this.turn();
  }

  /** Does now what the core owes. */
  turn(): void {
    this.#scheduled = false;
    if (this.#stopped || this.#turning) return;
    this.#turning = true;
    try {
      for (let rounds = 0; this.raft.hasReady && rounds < 64 && !this.#stopped; rounds++) {
        this.#perform(this.raft.takeReady());
      }
      this.#noteTrust();
    } catch (error) {
      this.#parts.events.failed(error);
      return;
    } finally {
      this.#turning = false;
    }
    this.#turnedAt = this.#parts.clock.now();
    if (this.#stopped) return;
    this.#parts.events.turned(this.raft.leading);
    if (this.raft.hasReady) this.schedule();
  }

  /** Stops at once; what was written is synced. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTick();
    this.#storing.finish();
    this.#answerReads();
  }

  /** Stops without touching the disk again. */
  abandon(): void {
    this.#stopped = true;
    this.#cancelTick();
    this.#storing.abandon();
    this.#answerReads();
  }

  /** A log that is not trusted stays so over a restart (P12). */
  #noteTrust(): void {
    const { directory } = this.#parts;
    const distrusted = this.raft.mayLackEntries;
    if (distrusted !== directory.member.distrusted) directory.updateMember({ distrusted });
  }

  #perform(ready: Ready): void {
    const { events } = this.#parts;
    if (ready.roleChange !== undefined) events.role(ready.roleChange);
    this.#lastTicket = Math.max(this.#lastTicket, ready.ticket);
    if (ready.identity !== undefined) this.#identity = { identity: ready.identity, after: this.#lastTicket };
    const leads = this.raft.role === "leader";
    // Followers write at the same time as their leader (L10); what speaks of a vote waits for that, here as there.
    this.#send(ready.messages);
    if (leads) this.#parts.transport.push();
    this.#storing.write(ready);
    this.#tellIdentity();
    this.#storing.sync(!leads);
    this.#sendDurable();
    // A leader waits for what a follower has to say of this: before anything is applied.
    if (!leads) this.#send(this.raft.takeMessages());
    this.#parts.transport.push();
    if (ready.membership !== undefined) events.membership(ready.membership);
    if (ready.committed.length > 0) this.#applying!.push(ready.committed);
    for (const asked of ready.fetches) this.raft.fetched(asked, this.#read(asked));
    if (ready.install !== undefined) events.install(ready.install.from, ready.install.snapshot);
    for (const read of ready.reads) this.#answerRead(read.read, read.index);
    for (const notice of ready.notices) events.notice(notice);
    this.#commit = ready.commit;
  }

  #send(messages: readonly Outgoing[]): void {
    const durable = this.#storing.durable;
    for (const outgoing of messages) {
      if (outgoing.after > durable) this.#waiting.push(outgoing);
      else this.#parts.transport.send(outgoing.message);
    }
  }

  /** A member that knows its cluster without a log has lost it: the log that tells it is durable first. */
  #tellIdentity(): void {
    if (this.#identity === undefined || this.#identity.after > this.#storing.durable) return;
    const { identity } = this.#identity;
    this.#identity = undefined;
    this.#parts.events.identity(identity);
  }

  #sendDurable(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#send(waiting);
  }

  #read(asked: Fetch): Entry[] {
    const { wal } = this.#parts.directory;
    const to = Math.min(asked.to, wal.lastIndex);
    if (asked.from <= wal.baseIndex || asked.from > to) return [];
    return wal.read(asked.from, to + 1, asked.maxBytes)
      .map((entry) => entryFrom(entry.kind, entry.index, entry.term, entry.payload));
  }

  #answerRead(read: number, index: number | undefined): void {
    this.#reads.get(read)?.(index);
    this.#reads.delete(read);
  }

  #answerReads(): void {
    for (const resolve of this.#reads.values()) resolve(undefined);
    this.#reads.clear();
  }

  #look(): void {
    if (this.#stopped) return;
    const { clock, directory } = this.#parts;
    this.raft.tick(this.#ticks());
    try {
      directory.wal.mark(Math.min(this.#commit, this.#storing.settledThrough));
      if (++this.#looks % TIDY === 0) directory.wal.tidy();
    } catch (error) {
      return this.#parts.events.failed(error);
    }
    this.schedule();
    const now = clock.now();
    const close = now < this.#excitedUntil || this.raft.leader === "";
    this.#cancelTick = clock.wakeAt(now + (close ? CLOSE_LOOK : this.#calmLook), () => this.#look());
  }

  /** Looks closely for a while. */
  #excite(): void {
    const { clock } = this.#parts;
    const calm = clock.now() >= this.#excitedUntil;
    this.#excitedUntil = clock.now() + EXCITEMENT;
    if (!calm || this.#applying === undefined || this.#stopped) return;
    this.#cancelTick();
    this.#cancelTick = clock.wakeAt(clock.now() + CLOSE_LOOK, () => this.#look());
  }

  #ticks(): number {
    return Math.floor(this.#parts.clock.now() / TICK);
  }
}

function ticksOf(options: CheckedOptions) {
  const ticks = (millis: Millis) => Math.max(1, Math.round(millis / TICK));
  const heartbeatTimeout = Math.max(10, ticks(options.heartbeatTimeout));
  return {
    heartbeatTimeout,
    electionTimeout: Math.max(heartbeatTimeout, ticks(options.electionTimeout)),
    leaseTimeout: Math.min(heartbeatTimeout, ticks(options.leaseTimeout)),
    heartbeatInterval: Math.max(1, Math.floor(heartbeatTimeout / 10)),
    commitInterval: ticks(options.commitTimeout),
  };
}
