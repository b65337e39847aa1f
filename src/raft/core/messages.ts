/**
 * What Raft nodes say to one another, and the entries they agree on (spec clustering, sections 11.1 and 11.9). The core
 * neither copies nor parses the bytes of entries; how all this looks on the wire is the transport's affair.
 */
import type { Membership, MembershipAt, NodeId } from "./membership.ts";

/** Opaque entries: batches of operations, and reports of deliveries. */
export type DataKind = "operations" | "facts";

/** What the log holds at one index. Indexes start at 1. */
export type Entry =
  | { readonly kind: DataKind; readonly index: number; readonly term: number; readonly payload: Uint8Array }
  /** A new leader's first entry (E8). */
  | { readonly kind: "no-op"; readonly index: number; readonly term: number }
  | { readonly kind: "membership"; readonly index: number; readonly term: number; readonly membership: Membership }
  /** The cluster's identity, 32 hexadecimal digits; the first leader's first entry (M8). */
  | { readonly kind: "identity"; readonly index: number; readonly term: number; readonly identity: string };

/** The part of a message's header that the core reads (C5); the transport adds version, cluster id, boot ids, checksum. */
export interface Header {
  readonly from: NodeId;
  /** The sender's incarnation. */
  readonly incarnation: string;
  readonly to: NodeId;
  /**
   * The receiver's incarnation as the sender's membership has it, empty while unbound and in answers: what is meant for
   * another incarnation is dropped (M7).
   */
  readonly expected: string;
  /** The sender's current term. */
  readonly term: number;
  /** The cluster's identity as the sender's log has it, committed or (while `founders` is given) not yet (M8); or empty. */
  readonly identity: string;
  /** The sender's sorted initial list, joined with commas; empty for a node that joins, and once the identity is committed (M9). */
  readonly founders: string;
}

/** Asks who would vote for the sender in the term after its own; raises nobody's term (E1). */
export interface PreVote extends Header {
  readonly kind: "pre-vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The sender has reason to think that the leader is gone (E7). */
  readonly hint: boolean;
}

/** Asks for a vote in `term`. */
export interface Vote extends Header {
  readonly kind: "vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly hint: boolean;
  /** The leader asked the sender to take over (E9): that a leader is alive is no reason to refuse. */
  readonly transfer: boolean;
}

export type VoteReason =
  | "granted"
  /** The voter hears a live leader. */
  | "leader known"
  | "log older"
  /** It voted for another in this term, or its term is higher. */
  | "voted"
  /** Other identity or other initial list. */
  | "not same cluster"
  /** The voter's log is not trusted yet (P12). */
  | "distrusted"
  /** The voter cannot tell that it is the member that is asked: it may have been wiped (M7). */
  | "blank";

interface VoteAnswer extends Header {
  readonly reason: VoteReason;
  /** The term that was asked about. */
  readonly forTerm: number;
  /**
   * How many ticks an earlier leader's lease may still run as far as the voter knows: lease × 1.1 less the time since
   * the last contact (E7); 0 when none.
   */
  readonly guardTicks: number;
  /** The leader whose lease that is; empty when `guardTicks` does not end with one node's word. */
  readonly guardLeader: NodeId;
}

export interface PreVoteReply extends VoteAnswer {
  readonly kind: "pre-vote reply";
}

export interface VoteReply extends VoteAnswer {
  readonly kind: "vote reply";
}

/** Entries that follow `prevIndex`, which holds an entry of `prevTerm` (L1). May be empty. */
export interface Append extends Header {
  readonly kind: "append";
  /** Counts the appends of this leader. */
  readonly sequence: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
  /** Echo of the last question that the receiver asked by {@link AppendRefusal.ask}: this was sent after it; 0 for none. */
  readonly answer: number;
  readonly entries: readonly Entry[];
}

/** How the sender's disk does (P6). */
export type DiskState = "ok" | "slow" | "full";

/** Everything up to `match` is durable at the sender and equal to the leader's log. */
export interface AppendReply extends Header {
  readonly kind: "append reply";
  readonly match: number;
  readonly disk: DiskState;
}

/** The sender's log does not hold the append's previous entry (L1). */
export interface AppendRefusal extends Header {
  readonly kind: "append refusal";
  /** Echo of the append's `sequence`; 0 when no append was refused, but one is asked for. */
  readonly sequence: number;
  /** A number drawn by chance, when the sender does not trust its log and wants to be compared (P12); else 0. */
  readonly ask: number;
  /** Echo of the append's `prevIndex`. */
  readonly prevIndex: number;
  /** The term that the sender's log holds at `prevIndex`; 0 when its log ends before. */
  readonly conflictTerm: number;
  /** The first index of `conflictTerm` in the sender's log; last index + 1 when the log ends before `prevIndex`. */
  readonly conflictIndex: number;
  readonly lastIndex: number;
  readonly disk: DiskState;
}

/** The leader lives. Travels on its own subject and connection (L8). */
export interface Heartbeat extends Header {
  readonly kind: "heartbeat";
  /** The leader's commit, at most what the receiver is known to hold. */
  readonly commit: number;
  /** The term of the leader's entry there; 0 when it is not known: then nothing is committed by this message. */
  readonly commitTerm: number;
  /** Counts the leader's rounds of heartbeats in this term: confirms reads (Q1). */
  readonly round: number;
  /** The leader's tick when it was sent, echoed: extends the lease (Q2). */
  readonly sentAt: number;
}

export interface HeartbeatReply extends Header {
  readonly kind: "heartbeat reply";
  readonly round: number;
  readonly sentAt: number;
  readonly applied: number;
  /** The snapshot that the sender installs: what it holds is committed, also where the leader cannot tell yet. 0 for none. */
  readonly installing: number;
  /** The term of the last entry in it. */
  readonly installingTerm: number;
  readonly disk: DiskState;
}

/** The leader asks a caught-up voter to campaign at once (E9). */
export interface TimeoutNow extends Header {
  readonly kind: "timeout now";
}

/** The sender stops, or stops leading, by itself (E7). */
export interface Goodbye extends Header {
  readonly kind: "goodbye";
  /** How many ticks a lease older than the sender's own may still run. */
  readonly guardTicks: number;
}

/** The receiver is no member any more, by the entry at `index` (M6). */
export interface Removed extends Header {
  readonly kind: "removed";
  readonly index: number;
}

/** Where a snapshot stands. Index and term name it; sizes and checksums are between the drivers (S3). */
export interface SnapshotMark {
  readonly index: number;
  readonly term: number;
  readonly membership: MembershipAt;
  /** The cluster's identity. */
  readonly identity: string;
}

/** The receiver is too far behind for the leader's log: it should fetch this snapshot, from the sender or elsewhere. */
export interface SnapshotAnnounce extends Header {
  readonly kind: "snapshot announce";
  readonly snapshot: SnapshotMark;
}

/** An announced snapshot was installed, or was not needed: everything up to `match` is durable here and committed. */
export interface SnapshotReply extends Header {
  readonly kind: "snapshot reply";
  readonly match: number;
  /** The installation failed; the leader announces again later. */
  readonly failed: boolean;
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | AppendRefusal
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | Goodbye
  | Removed
  | SnapshotAnnounce
  | SnapshotReply;

/** Whether only a leader says that. */
export function isFromLeader({ kind }: Message): boolean {
  return kind === "append" || kind === "heartbeat" || kind === "snapshot announce" || kind === "timeout now";
}

/** A message without what every message of one sender has in common. */
export type Body = Message extends infer M ? M extends Message ? Omit<M, keyof Header> : never : never;

/** What an entry without a payload counts for in windows and limits. */
export const ENTRY_OVERHEAD_BYTES = 32;

/** What `entry` counts for in windows and limits, in bytes. */
export function entryBytes(entry: Entry): number {
  return entry.kind === "operations" || entry.kind === "facts"
    ? entry.payload.length + ENTRY_OVERHEAD_BYTES
    : ENTRY_OVERHEAD_BYTES;
}
