/** What an invariant of the cluster is asked, and what it may know. */
import type { Message, RaftLimits } from "../../../src/raft/core/mod.ts";
import type { Presence } from "../../../src/raft/members/mod.ts";
import type { RaftJournalStatus } from "../../../src/raft/raft_status.ts";
import type { ClusterBook } from "./cluster_book.ts";
import type { Host, Seen } from "./host.ts";
import type { WatchedEntry } from "./log_watch.ts";

/** What the invariants may know. */
export interface Cluster {
  readonly book: ClusterBook;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly clock: { now(): number };
  /** Whether logs are synced before anything is acknowledged. */
  readonly synced: boolean;
  readonly limits: RaftLimits;
}

export interface ClusterInvariant {
  readonly name: string;
  /** `host` is about to write `entry` behind one of `previousTerm`. */
  appended?(
    cluster: Cluster,
    host: Host,
    entry: WatchedEntry,
    previousTerm: number | undefined,
    isNew: boolean,
  ): void;
  /** `host` did something; it was `before` when it was looked at last. */
  looked?(cluster: Cluster, host: Host, status: RaftJournalStatus, before: Seen): void;
  /** Entries of `host` from `index` on are replaced. */
  cut?(cluster: Cluster, host: Host, index: number): void;
  /** Entries of `host` up to `index` are dropped; where its log `restarts`, those that are left behind were never its. */
  dropped?(cluster: Cluster, host: Host, index: number, restarts: boolean): void;
  /** A message leaves `host`. */
  sent?(cluster: Cluster, host: Host, message: Message): void;
  /** `host` says who it is. */
  told?(cluster: Cluster, host: Host, presence: Presence): void;
}
