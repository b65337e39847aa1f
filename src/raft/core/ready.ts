/** What the caller of the core owes it: what to store, send, apply, and what to tell the rest of the server (C2). */
import type { MembershipAt, NodeId } from "./membership.ts";
import type { Entry, Message, SnapshotMark } from "./messages.ts";

/** Roles (C4); a learner is a follower. */
export type CoreRole = "follower" | "pre-candidate" | "candidate" | "leader";

/** What must survive a crash besides the log: one atomic record, always fsynced (E3). */
export interface HardState {
  readonly term: number;
  /** Whom this node voted for in `term`; empty for nobody. */
  readonly vote: NodeId;
}

/** Counts storage writes from 1 in the life of one `Raft`; 0 means "nothing to wait for". */
export type Ticket = number;

/** A message and the write that must be durable before it leaves; most need none. */
export interface Outgoing {
  readonly message: Message;
  /** Send only when `stored(ticket)` could be said for this ticket or a later one; 0: at once. */
  readonly after: Ticket;
}

/** Entries that the core needs back from disk. Answered by `fetched`, with as many as were found, from `from` on. */
export interface Fetch {
  /** A member to send them to, or empty: to be applied. */
  readonly purpose: NodeId;
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  /** Stop after this many bytes of payload, but give at least one entry. */
  readonly maxBytes: number;
}

/**
 * A change of role, term or known leader. Only the last of one turn is told: whoever led in an earlier term has lost
 * leadership in between, also when it leads again.
 */
export interface RoleChange {
  readonly role: CoreRole;
  readonly term: number;
  /** Whom this node follows, itself when it leads; empty when unknown. */
  readonly leader: NodeId;
}

/**
 * The answer to a read (Q1): the state is fresh enough once `index` is applied; `undefined` when this node lost
 * leadership and the read has to be asked elsewhere, or when ten thousand wait already.
 */
export interface ReadResult {
  readonly read: number;
  readonly index: number | undefined;
}

/** Things that somebody should log, or act on. */
export type Notice =
  /** A message of another cluster under the same name was dropped (M8); said once a peer and identity. */
  | { readonly kind: "other identity"; readonly peer: NodeId; readonly theirs: string; readonly ours: string }
  /** The initial lists differ (M9); said once a peer. */
  | { readonly kind: "other founders"; readonly peer: NodeId; readonly theirs: string; readonly ours: string }
  /** A member's name is used by another incarnation (M7): it lost its disk and has to join. Leader only. */
  | { readonly kind: "other incarnation"; readonly peer: NodeId; readonly incarnation: string }
  /** This node is no member any more, by the entry at `index` (M6). */
  | { readonly kind: "removed"; readonly index: number }
  /** A peer pre-votes because it thinks the leader is gone: check, and call `leaderGone` if so (E7). */
  | { readonly kind: "check leader"; readonly leader: NodeId }
  | { readonly kind: "transfer aborted"; readonly target: NodeId }
  /** A learner did not catch up within ten rounds; it is tried again (M3). */
  | { readonly kind: "learner too slow"; readonly peer: NodeId }
  /** A peer (or this node, when `peer` is its own id) holds less than it had acknowledged: its disk went back in time. */
  | { readonly kind: "log lost"; readonly peer: NodeId; readonly last: number; readonly acknowledged: number };

/**
 * What is owed, all of it, in this order:
 * 1. write `hardState`, `restartLogAt`, `entries` and `cutThrough`; when they are durable say `stored(ticket)`. Writes are made in
 *    the order of tickets, several may be under way, and `stored` covers all earlier ones;
 * 2. send `messages` in order, each not before its `after` is durable; meanwhile other messages may overtake it;
 * 3. apply `committed` in order, then say `applied(index)` of the last;
 * 4. the rest, at leisure.
 */
export interface Ready {
  /** Names the write that `hardState`, `restartLogAt`, `entries` and `cutThrough` make together; 0 when there is nothing to write. */
  readonly ticket: Ticket;
  readonly hardState: HardState | undefined;
  /** After an installed snapshot: all entries on disk go, and the log starts afresh behind this one. Before `entries`. */
  readonly restartLogAt: { readonly index: number; readonly term: number } | undefined;
  /** Ascending without gap. Where the log on disk already reaches `entries[0].index`, it is cut before it first (L4). */
  readonly entries: readonly Entry[];
  /** Entries up to this index may be removed from disk: a durable snapshot covers them (S5). 0: none. */
  readonly cutThrough: number;
  /** The highest index known to be committed: to be noted on disk now and then (P4). */
  readonly commit: number;
  readonly messages: readonly Outgoing[];
  readonly committed: readonly Entry[];
  readonly fetches: readonly Fetch[];
  /** To be fetched; then `mayInstall`, the switch, `snapshotInstalled`; or `snapshotFailed`. At most one at a time (S3). */
  readonly install: { readonly from: NodeId; readonly snapshot: SnapshotMark } | undefined;
  readonly roleChange: RoleChange | undefined;
  readonly reads: readonly ReadResult[];
  /** The membership in effect when it changed (committed or not, also when a change was taken back). */
  readonly membership: MembershipAt | undefined;
  /** The cluster's identity when it became known: to be stored with the log and the stream state (M8). */
  readonly identity: string | undefined;
  readonly notices: readonly Notice[];
}
