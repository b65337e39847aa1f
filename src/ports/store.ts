/**
 * What survives a restart: server identity, clients, and per channel the messages and the subscriptions (spec stores,
 * section 1).
 *
 * Appending is synchronous and may be buffered; `flush` is the one step that makes it durable and may take time. The
 * store starts no timers: the server calls `maintain`. It serialises calls itself: after a flush that answers later, the
 * caller may go on appending.
 */
import type { Awaitable, Millis, Nanos, Sequence } from "../protocol/units.ts";
import type { ChannelLimits } from "../protocol/limits.ts";
import type { ClientInfo, ServerInfo, SubscriptionState } from "../protocol/stored_records.ts";

export type { ChannelLimits } from "../protocol/limits.ts";

/**
 * The store could not do what was asked.
 * - `full`: no room; nothing that was appended since the last flush is in the store any more; try again later.
 * - `io`: the disk failed; the store takes no more writes.
 * - `corrupt`: what is stored cannot be read; the message names file and offset.
 * - `refused`: a limit or a precondition, e.g. `too many channels`, `already exists`; the message is the wire text.
 */
export class StoreFailed extends Error {
  override readonly name = "StoreFailed";
  constructor(readonly code: "full" | "io" | "corrupt" | "refused", message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** Called for each message found, ascending. `buffer[start, end)` is its stored form (a MsgProto), valid during the call only. Return `false` to stop. */
export type MessageVisitor = (sequence: Sequence, buffer: Uint8Array, start: number, end: number) => boolean;

/** The messages of one channel. `first` and `last` are 0 when nothing was ever stored; `first` is `last + 1` when all are gone. */
export interface MessageLog {
  readonly first: Sequence;
  readonly last: Sequence;
  readonly count: number;
  /** Accounting size (spec stores, section 2.4): file stores count 40 bytes more per message. */
  readonly bytes: number;
  /** Time of the newest message ever stored, 0 when unknown. */
  readonly lastTimestamp: Nanos;

  /**
   * Appends a message. `fields[start, end)` is the encoded MsgProto fields 2 to 4 (subject, reply, data), in ascending
   * order; the log adds sequence and timestamp around them, so that the caller's bytes need no second form. A sequence
   * not above `last` is ignored. A file log fills a gap with empty messages (spec stores, section 3.6). Applies the limits
   * on count and bytes. Throws StoreFailed; then nothing of this message is in the log.
   */
  append(sequence: Sequence, timestamp: Nanos, fields: Uint8Array, start: number, end: number): void;

  /** Makes every append durable, to a process kill, and to a power loss when syncing is on. Throws or rejects with StoreFailed. */
  flush(): Awaitable<void>;

  /**
   * Hands the messages from `from` to `to` that exist to `visit`, unflushed ones included; holes are skipped. Stops
   * before the message that would bring the bytes above `maxBytes`, but visits at least one. Answers the sequence to go
   * on from (`to + 1` when done). Throws StoreFailed `corrupt` when the message at hand cannot be read.
   */
  read(from: Sequence, to: Sequence, maxBytes: number, visit: MessageVisitor): Awaitable<Sequence>;

  /** As `GetSequenceFromTimestamp` (spec stores, section 1.2): the lowest sequence whose time is not below `timestamp`. */
  sequenceAt(timestamp: Nanos): Awaitable<Sequence>;

  /** Other limits than those it was opened with, from the next append on. */
  setLimits(limits: ChannelLimits): void;

  /** Forgets every message below `sequence`; it may be `last + 1`. */
  evictBefore(sequence: Sequence): void;

  /** Forgets every message above `sequence`, durably where messages are; what is appended next follows on what is left. */
  forgetAfter(sequence: Sequence): Awaitable<void>;

  /** Nothing is under the sequences from `last + 1` up to `sequence`, which comes next: they are lost. What is there stays. */
  skipTo(sequence: Sequence): void;

  /** Forgets everything, the numbering too: `first` and `last` become 0, unless `restartAt` says which sequence comes next. */
  empty(restartAt?: Sequence): Awaitable<void>;
}

/** The subscriptions of one channel. Records are buffered until `flush`; unknown ids are fine everywhere. */
export interface SubscriptionLog {
  /** Stores a new subscription under `state.id`, which the caller chose. Throws StoreFailed. */
  create(state: SubscriptionState): void;
  /** Replaces all fields and keeps what is pending. */
  update(state: SubscriptionState): void;
  delete(id: number): void;
  /** Notes deliveries; raises lastSent. */
  addPending(id: number, sequence: Sequence): void;
  acknowledge(id: number, sequence: Sequence): void;
  flush(): Awaitable<void>;
}

export interface ChannelStore {
  readonly name: string;
  readonly messages: MessageLog;
  readonly subscriptions: SubscriptionLog;
}

export interface RecoveredSubscription {
  readonly state: SubscriptionState;
  /** Delivered and not acknowledged, ascending. Not filtered by what the message log holds. */
  readonly pending: readonly Sequence[];
}

export interface RecoveredChannel {
  readonly store: ChannelStore;
  readonly subscriptions: readonly RecoveredSubscription[];
  /** The highest subscription id ever used here, deleted ones included. */
  readonly highestSubscriptionId: number;
}

/** Something stored that cannot be used, or is missing. A store says so, instead of refusing, only where other nodes hold the same. */
export interface Damage {
  /** What it is: channel, file and offset. */
  readonly text: string;
  /** Why the store cannot be used where nobody else holds the same; `undefined`: it can be, as it is. */
  readonly refusal: StoreFailed | undefined;
  /** Whether nothing is lost with it, wherever else it may be: a node that is alone sets it aside, too. */
  readonly harmless?: boolean;
  /**
   * Moves what cannot be used out of the way, durably; the channel then ends where it is sound. Before anything is written.
   * Answers what was done, for the operator. Throws StoreFailed.
   */
  setAside(): string;
}

export interface RecoveredState {
  /** `undefined` where it is among the damages: a cluster's log knows it. `init` makes it anew, and keeps what can be of the former one. */
  readonly info: ServerInfo | undefined;
  readonly clients: readonly ClientInfo[];
  readonly channels: ReadonlyMap<string, RecoveredChannel>;
  /** Nothing may be stored before it is decided what is to be done about these. */
  readonly damages?: readonly Damage[];
}

export interface Store {
  /** `MEMORY`, `FILE`, `SQL`; a wrapper may prefix it (`RAFT_FILE`). */
  readonly name: string;

  /** Takes the exclusive lock that keeps other processes out; `false`: held elsewhere, try later. `true` again when held. */
  tryLock(): Awaitable<boolean>;

  /** A short text beside the lock that says whose the store is, empty when there is none; absent where stores are not shared. */
  readOwner?(): string;
  /** Replaces that text; it survives a crash when this returns. Only for the holder of the lock. Throws StoreFailed. */
  writeOwner?(text: string): void;

  /**
   * Reads everything back. `undefined` when nothing was ever stored. Throws StoreFailed `corrupt`; and `refused` with
   * `no server state recovered but channels present`, upon which the server calls `init` and recovers again.
   */
  recover(): Awaitable<RecoveredState | undefined>;

  /** Writes, or replaces, the server's identity; durable when it returns. */
  init(info: ServerInfo): Awaitable<void>;

  /** The resolved limits of a channel name, from the limits the store was opened with. */
  limitsOf(channel: string): ChannelLimits;

  /** Throws StoreFailed `refused`: `already exists`, `too many channels` (in this order). */
  createChannel(name: string): Awaitable<ChannelStore>;

  /** After it returns the channel does not come back on restart. Throws StoreFailed `refused`: `not found`. */
  deleteChannel(name: string): Awaitable<void>;

  /** The same id again replaces it. */
  addClient(client: ClientInfo): Awaitable<void>;
  deleteClient(id: string): Awaitable<void>;

  /** Work that time asks for (automatic sync, idle files, caches, compaction). Called about once a second. */
  maintain(now: Millis): Awaitable<void>;

  /** Makes everything appended so far durable, a power loss included, whatever syncing is set to. Absent where nothing is. */
  settle?(): Awaitable<void>;

  /** Flushes and syncs what is open, releases the lock. Idempotent. Rejects with the first error met. */
  close(): Awaitable<void>;
}
