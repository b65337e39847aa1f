/** What the core answers to requests, and what monitoring sees of it. */
import type { MembershipAt, NodeId } from "./membership.ts";
import type { DiskState } from "./messages.ts";
import type { CoreRole, HardState } from "./ready.ts";

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
  /** Sent and not acknowledged. */
  readonly bytesUnderWay: number;
  readonly messagesUnderWay: number;
}

export interface RaftStatus {
  readonly role: CoreRole;
  readonly hardState: HardState;
  readonly leader: NodeId;
  readonly identity: string;
  readonly membership: MembershipAt;
  /** Everything up to here is cut away. */
  readonly baseIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly commit: number;
  readonly applied: number;
  /** The first entry of this leader's term; 0 when this node does not lead. */
  readonly termStart: number;
  /** What this leader took in and nobody agreed on yet, in bytes (L7); 0 when this node does not lead. */
  readonly uncommittedBytes: number;
  /** Entries in memory, and those of them that are being applied, in bytes. */
  readonly cachedBytes: number;
  readonly applyingBytes: number;
  readonly peers: readonly PeerStatus[];
}
