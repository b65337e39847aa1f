/** What a Raft core is made from: who it is, how patient, and what its disk remembers. */
import type { Membership, MembershipAt, NodeId } from "./membership.ts";
import type { SnapshotMark } from "./messages.ts";
import type { HardState } from "./ready.ts";

/** The only chance in the core. */
export interface Chance {
  /** A whole number from 0 up to, not including, `bound`. */
  below(bound: number): number;
}

/** Waits, in ticks of the caller's choice (10 ms is a good one); the same on all nodes. */
export interface RaftTimeouts {
  /** A follower's silence before an election is this to twice this (E4): option `raft_heartbeat_timeout`. At least 10. */
  readonly heartbeatTimeout: number;
  /** A candidate's wait before it tries again: option `raft_election_timeout`, not below `heartbeatTimeout`. */
  readonly electionTimeout: number;
  /** A leader without a majority for so long steps down (E2): option `raft_lease_timeout`, not above `heartbeatTimeout`. */
  readonly leaseTimeout: number;
  /** Between heartbeats: at most `heartbeatTimeout / 10` (L8). */
  readonly heartbeatInterval: number;
  /** An idle leader tells followers of a new commit after this: option `raft_commit_timeout`. */
  readonly commitInterval: number;
}

/** Bounds on everything that grows. */
export interface RaftLimits {
  /** Entries in one append message, in bytes; one larger entry travels alone. */
  readonly appendBytes: number;
  /** Window to one follower: messages under way (256) and bytes under way (4 MiB) (L5). */
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** Proposals are refused beyond this (64 MiB) (L7). */
  readonly uncommittedBytes: number;
  /** Entries handed out to be applied and not yet reported as applied. */
  readonly applyBytes: number;
  /** Recent entries kept in memory for followers; those not durable or not applied are kept in any case. */
  readonly cacheBytes: number;
  /** Entries kept behind a snapshot for followers that are a little late: option `trailing_logs`. */
  readonly trailingEntries: number;
}

/** Consecutive entries of one term. */
export interface TermRun {
  readonly from: number;
  readonly term: number;
}

/**
 * What the write-ahead log holds after recovery; entries themselves are fetched when needed. A log that does not hold
 * the newest snapshot's last entry is to be emptied first, so that it starts at the snapshot (S3, S4).
 */
export interface LogSummary {
  /** Everything up to here is covered by the snapshot or cut off; 0 and 0 for a log from the beginning. */
  readonly baseIndex: number;
  readonly baseTerm: number;
  readonly lastIndex: number;
  /** The terms of `baseIndex + 1` to `lastIndex`: ascending, the first run starts at `baseIndex + 1`. */
  readonly runs: readonly TermRun[];
  /** The memberships of the entries above `baseIndex`, ascending. */
  readonly memberships: readonly MembershipAt[];
  /** The newest durable snapshot; its index is at least `baseIndex`. */
  readonly snapshot: SnapshotMark | undefined;
  /** The index of the identity entry, when it is in this log above `baseIndex`; else 0. */
  readonly identityIndex: number;
  /** The identity in that entry; else empty. */
  readonly identityInLog: string;
  /** The highest commit index that was noted on disk. */
  readonly commit: number;
}

export interface RaftOptions {
  readonly id: NodeId;
  readonly incarnation: string;
  /** The committed cluster identity from the disk; empty when there was none. */
  readonly identity: string;
  /** 32 hexadecimal digits to become the cluster's identity if this node is its first leader. */
  readonly newIdentity: string;
  /** The initial voters (this node among them) of a cluster that is to be formed; empty for a node that joins. */
  readonly founders: readonly NodeId[];
  readonly timeouts: RaftTimeouts;
  readonly limits: RaftLimits;
  /** Its term may be below the log's last, when a crash cut a write short. */
  readonly hardState: HardState;
  readonly log: LogSummary;
  /** How far the state machine is: entries above are applied again. At least the snapshot's index, at most the log's last. */
  readonly applied: number;
  /**
   * The log may lack entries that were acknowledged (spec clustering, P12): this node neither votes nor campaigns until
   * a leader has brought it to that leader's commit.
   */
  readonly distrustLog: boolean;
  readonly random: Chance;
  /** The tick at which this core starts to live. */
  readonly now: number;
}

/** The limits of the specification. */
export const DEFAULT_LIMITS: RaftLimits = {
  appendBytes: 512 * 1024,
  windowMessages: 256,
  windowBytes: 4 * 1024 * 1024,
  uncommittedBytes: 64 * 1024 * 1024,
  applyBytes: 8 * 1024 * 1024,
  cacheBytes: 16 * 1024 * 1024,
  trailingEntries: 10_240,
};

/** The summary of a log that holds nothing. */
export const EMPTY_LOG: LogSummary = {
  baseIndex: 0,
  baseTerm: 0,
  lastIndex: 0,
  runs: [],
  memberships: [],
  snapshot: undefined,
  identityIndex: 0,
  identityInLog: "",
  commit: 0,
};

/** The membership of founders who have not met yet. */
export function foundersMembership(founders: readonly NodeId[]): Membership {
  const ids = [...new Set(founders)].sort();
  return { members: ids.map((id) => ({ id, incarnation: "", voter: true })) };
}
