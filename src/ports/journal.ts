/**
 * Agreement. A journal takes operations that were admitted, gets them agreed, and hands them to the replica on every
 * node in one order. Alone, it agrees with itself; in a cluster it waits for a quorum.
 */
import type { DeliveryFact, Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import type { Awaitable, Sequence } from "../protocol/units.ts";
import { type Damage, type MessageVisitor, StoreFailed } from "./store.ts";

/**
 * An operation was not agreed upon, or nobody knows. `message` is the text for the client.
 * - `not-leader`: not stored, this node does not lead.
 * - `unknown`: leadership was lost while waiting; it may be stored (spec clustering, row 1.6).
 * - `store`: the store refused (full); not stored.
 * - `stopped`: this server is shutting down, and there is no other.
 */
export class NotAgreed extends Error {
  override readonly name = "NotAgreed";
  constructor(
    readonly code: "not-leader" | "unknown" | "store" | "stopped",
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Whether whoever leads next may carry out what was not agreed upon here, or has been agreed upon without this node's knowing. */
export function mayYetBeDone({ code }: NotAgreed): boolean {
  return code === "not-leader" || code === "unknown";
}

/**
 * The store was full for some of the operations given to {@link Replica.apply}: their outcomes are refusals and nothing of
 * them took effect; the others did. Alone, that is an answer; in a cluster, where others stored all, the same operations
 * are given again under the same index until there is room, and those that took effect are not applied twice.
 */
export class PartlyStored extends StoreFailed {
  constructor(readonly outcomes: readonly Outcome[], failure: StoreFailed) {
    super(failure.code, failure.message, { cause: failure });
  }
}

export type Role = "Leader" | "Follower" | "Candidate" | "Shutdown";

/** Messages `from` to `to` that are missing at the end of a channel. */
export interface Lack {
  readonly channel: string;
  readonly from: Sequence;
  readonly to: Sequence;
}

/** What a journal is plugged into: the state that follows the agreed operations. */
export interface Replica {
  /**
   * Records and applies operations that were agreed upon at `index`, in order; one outcome each. Several agreements that
   * hold nothing but publishes may come in one call, under the index of the last. Called again only after
   * it has answered. Rejects with StoreFailed, or PartlyStored, and the journal decides (alone: refuse the clients; in a
   * cluster: stop the node).
   */
  apply(operations: readonly Operation[], index: number): Awaitable<readonly Outcome[]>;

  /**
   * A hash over everything applied and what became of it: equal on all nodes that applied the same. 0 when unknown,
   * absent where it is not counted (spec clustering, section 4.5, D8).
   */
  readonly digest?: number;
  /** How the digest is counted: those of different releases may not be comparable. */
  readonly digestScheme?: number;

  /** Forgets everything stored: the state went its own way, and comes anew from the others. Before anything is applied. */
  empty?(): Awaitable<void>;

  /** Takes in what the leader reported. Never called with this node's own reports. */
  learn(facts: readonly DeliveryFact[]): void;

  /** This node leads from now on; everything agreed so far is applied. Resolves when clients are being served. */
  lead(): Awaitable<void>;

  /** This node does not lead (any more): falls silent before it returns. */
  follow(): void;

  /**
   * The whole state as of the last applied operation, without messages (spec clustering, section 6.2). May take its time
   * for a large state, while more is applied: the answer is the state as of the call.
   */
  snapshot(): Awaitable<Uint8Array>;

  /**
   * Makes every message applied so far durable, whatever the store's syncing is set to: asked before a log is cut that
   * still holds them. A replica that lacks it has a store that syncs with each batch.
   */
  settle?(): Awaitable<void>;

  /**
   * Replaces the state by a snapshot's. Messages that the snapshot names and the store lacks are read from `source`;
   * answers when the store holds them durably. May be called again after a failure and then goes on where it stopped.
   */
  restore(snapshot: Uint8Array, source: MessageSource): Awaitable<void>;

  /** What the store found damaged or missing; set aside, or a reason not to start, before anything is applied. */
  readonly damages?: readonly Damage[];

  /** Messages that the snapshot names as the last ones of their channels, and the store lacks. */
  lacks?(snapshot: Uint8Array): readonly Lack[];

  /**
   * The store may hold messages that are none of this cluster's: from now on what it holds of channels that the state does
   * not know is not handed out, and kept only where a snapshot names the channel and `MessageSource.agrees`. A
   * channel that is created is filled from its first message on.
   */
  doubt?(): void;

  /** Drops what the store holds of channels that the state does not know, and ends {@link doubt}. */
  endDoubt?(): Awaitable<void>;

  /** The cluster that the messages are of, 32 hexadecimal digits: the store keeps it. */
  belongTo?(identity: string): Awaitable<void>;

  /** Whether the state, or the one that is being restored, has this incarnation of the channel. */
  knows?(channel: string, incarnation: number): boolean;

  /** What this node's store holds of a channel; `undefined` when it has no such incarnation. */
  holding(channel: string, incarnation: number): { readonly first: Sequence; readonly last: Sequence } | undefined;

  /** Hands stored messages to `visit`, as MessageLog.read does: what another node's {@link MessageSource} is fed from. */
  readMessages(
    channel: string,
    from: Sequence,
    to: Sequence,
    maxBytes: number,
    visit: MessageVisitor,
  ): Awaitable<Sequence>;
}

/** Where messages of other nodes go. */
export interface MessageSink {
  take(...message: Parameters<MessageVisitor>): void;
  /** All messages before this one have expired for all; it, or a later one, comes next. */
  expired(before: Sequence): void;
}

/** Messages that other nodes hold. */
export interface MessageSource {
  /**
   * Hands the messages from `from` to `to` that any node still holds to `into`, ascending, in stored form (MsgProto). What was not
   * handed out in the end, and has not expired, is lost.
   */
  fetch(channel: string, incarnation: number, from: Sequence, to: Sequence, into: MessageSink): Promise<void>;

  /**
   * Whether the messages `first` to `last` that this node's store holds of a channel are what other nodes hold under this
   * incarnation. Waits for a node that can tell.
   */
  agrees(channel: string, incarnation: number, first: Sequence, last: Sequence): Promise<boolean>;
}

export interface Journal {
  /** Brings this node up: recovers the log, joins the others, and from then on calls the replica. Rejects with a StartFailed text. */
  start(replica: Replica): Promise<void>;

  /**
   * Gets operations agreed together and in this order, after all earlier ones. Answers with what applying them gave here,
   * or rejects (or throws) with NotAgreed. May answer at once, when there is nobody to wait for.
   */
  commit(operations: readonly Operation[]): Awaitable<readonly Outcome[]>;

  /** How many commits may usefully be under way at a time; while they are, callers gather larger batches. */
  readonly commitsAtOnce: number;

  /** Tells followers later, in the order of the calls. Does nothing alone. */
  report(fact: DeliveryFact): void;

  /** Tells followers all that this new leader knows of deliveries, ahead of anything it reports later. Does nothing alone. */
  restate(facts: readonly DeliveryFact[]): void;

  /** Sends pending reports now; they precede whatever is committed next. */
  flushReports(): void;

  /** Whether this node may speak for the cluster at this moment: it leads and its lease has not run out. Always true alone. */
  readonly mayServe: boolean;

  /**
   * Whether the wall clocks of most nodes agree with this one's within a minute. Absent alone, where there is nobody to
   * ask (spec clustering, T4).
   */
  readonly clocksAgree?: boolean;

  /** Confirms that this node leads and has applied everything that was agreed before the call. Absent alone. */
  confirm?(): Promise<boolean>;

  /** What monitoring shows of the cluster, keys as they are shown. Absent alone. */
  describe?(): Record<string, unknown>;

  readonly role: Role;
  /** This node's name in the cluster; empty alone. */
  readonly nodeId: string;

  /** The folder that holds this node's log. Absent alone. */
  readonly logPath?: string;

  /** Hands leadership over where there is somebody to take it (at most 2 s), then leaves. Idempotent. */
  stop(): Promise<void>;
}
