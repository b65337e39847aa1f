/** One Raft node without I/O: inputs go in, `takeReady` says what the caller owes (spec clustering, section 11.1). */
import type { ChangeResult, MembershipAt, MembershipChange, NodeId } from "./membership.ts";
import type { DataKind, DiskState, Entry, Message, SnapshotMark } from "./messages.ts";
import type { RaftOptions } from "./options.ts";
import type { CoreRole, Fetch, HardState, Ready, Ticket } from "./ready.ts";

/** Why a proposal was not taken; nothing of it is in the log. All but the first pass by themselves. */
export type ProposalRefusal = "not leader" | "transferring" | "too much uncommitted" | "disk full";

/** Where proposed entries stand. They are agreed on when an entry of this term is handed out at that index. */
export type ProposalResult =
  | { readonly kind: "accepted"; readonly term: number; readonly first: number; readonly last: number }
  | { readonly kind: "refused"; readonly reason: ProposalRefusal };

export type TransferResult =
  | { readonly kind: "started"; readonly target: NodeId }
  | { readonly kind: "refused"; readonly reason: "not leader" | "no such voter" | "nobody there" };

/** What monitoring shows of one peer; only the leader knows. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly voter: boolean;
  readonly match: number;
  readonly state: "probe" | "replicate" | "snapshot";
  /** Ticks since it was last heard. */
  readonly silentTicks: number;
  readonly disk: DiskState;
}

export interface RaftStatus {
  readonly role: CoreRole;
  readonly hardState: HardState;
  readonly leader: NodeId;
  readonly identity: string;
  readonly membership: MembershipAt;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly commit: number;
  readonly applied: number;
  /** The first entry of this leader's term; 0 when this node does not lead. */
  readonly termStart: number;
  readonly peers: readonly PeerStatus[];
}

/** After any inputs, call `takeReady` once and do what it says; inputs do not have to wait for that to be done. */
export declare class Raft {
  constructor(options: RaftOptions);

  /** It is tick `now` (never less than before). A jump of more than half a lease counts as a stall (Q4). */
  tick(now: number): void;
  /** A message that passed the transport's checks. */
  step(message: Message): void;
  /** Appends one entry for each payload, in order, all or none; entries travel together with others of the same turn. */
  propose(kind: DataKind, payloads: readonly Uint8Array[]): ProposalResult;
  /** The writes up to `ticket` are durable (C3). */
  stored(ticket: Ticket): void;
  /** The answer to a {@link Fetch}; empty when nothing could be read. */
  fetched(fetch: Fetch, entries: readonly Entry[]): void;
  /** Everything up to `index` is applied. */
  applied(index: number): void;

  /** Asks for the index from which on the state is fresh (Q1); the answer comes as a `ReadResult` with this number. */
  read(): number;
  /** Hands leadership to `target`, or to the voter that is best placed (E9). A new target replaces the previous one. */
  transfer(target?: NodeId): TransferResult;
  /** Asks for a change of membership; only at the leader (M1 to M11). */
  changeMembership(change: MembershipChange): ChangeResult;
  /** Says goodbye to all members and steps down if leading: before this node stops. */
  leave(): void;

  /** A snapshot of this node is durable and verified; older entries become removable (S5). */
  snapshotTaken(snapshot: SnapshotMark): void;
  /**
   * The snapshot asked for in `Ready.install` is here, durable and verified: may it take the place of the state now? If
   * so, nothing is handed out to be applied until `snapshotInstalled` or `snapshotFailed`. If not, it is not needed any more.
   */
  mayInstall(snapshot: SnapshotMark): boolean;
  /** The state is the snapshot's, durably. What becomes of the log is in the next `Ready` (S4). */
  snapshotInstalled(snapshot: SnapshotMark): void;
  /** It could not be had, or is no longer of use. */
  snapshotFailed(): void;

  /** Twice nobody listened where `leader` should (E7). */
  leaderGone(leader: NodeId): void;
  /** The process stood still: the lease counts as lost (Q4). */
  stall(): void;
  /** How this node's disk does; a leader with a full disk hands over (P6). */
  setDisk(disk: DiskState): void;
  /** Whether this node may campaign: not while its stores are behind its log (P8). It may at first. */
  setElectable(electable: boolean): void;
  /** Ends `distrustLog`: whoever decides has compared the logs of all reachable members (P12). */
  trustLog(): void;

  /** Whether `takeReady` has something. */
  readonly hasReady: boolean;
  takeReady(): Ready;

  readonly role: CoreRole;
  readonly term: number;
  /** Empty when unknown. */
  readonly leader: NodeId;
  /** Empty until committed. */
  readonly identity: string;
  /** This node leads and has applied the first entry of its term (E8): it may serve. */
  readonly leading: boolean;
  /**
   * The tick before which this leader may speak for the cluster (Q2, Q3), provided that `leading`; compare with the
   * clock itself, not with the last tick. 0 when there is no lease.
   */
  readonly leaseUntil: number;
  status(): RaftStatus;
}
