/** Rows of streaming clustering (spec clustering, section 2). */
import type { OptionRow } from "./option_row.ts";

const CLUSTER = { group: "streaming.cluster", section: "Streaming Server Clustering Options" } as const;
const KEY_ONLY = { group: "streaming.cluster" } as const;

const memberRows: readonly OptionRow[] = [
  {
    section: "Streaming Server Clustering Options",
    field: "streaming.cluster.clustered",
    kind: "bool",
    flags: ["clustered"],
    help: "Replicate to other nodes; needs a FILE or SQL store",
    more:
      "The presence of a `cluster` group in the streaming part switches it on, even an empty one; `-clustered=false` off again.",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.nodeId",
    kind: "string",
    flags: ["cluster_node_id"],
    keys: ["node_id"],
    help: "Name of this node; used when the store has none yet",
    defaultText: "a random id",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.bootstrap",
    kind: "bool",
    flags: ["cluster_bootstrap"],
    keys: ["bootstrap"],
    help: "Begin a new cluster of this node alone when there is no state",
    more: "Only ever on one node. With peers, these win.",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.peers",
    kind: "strings",
    flags: ["cluster_peers"],
    keys: ["peers"],
    help: "Names of the nodes that begin the cluster together",
    more: "May hold the own name. The list of the file wins over the flag.",
    defaultText: "none",
  },
  {
    field: "streaming.cluster.forceMembers",
    kind: "strings",
    flags: ["cluster_force_members"],
    help: "Names of the nodes that are left of a cluster; sets it up anew on this node's disk and ends",
    more:
      "For a cluster that lost its majority for ever, see [the README](../README.md#when-a-majority-is-lost-for-ever).",
    defaultText: "none",
  },
];

const logRows: readonly OptionRow[] = [
  {
    ...CLUSTER,
    field: "streaming.cluster.logPath",
    kind: "string",
    flags: ["cluster_log_path"],
    keys: ["log_path"],
    help: "Folder of the replication log",
    more:
      "A node that has a log in `<cluster id>/<node id>` below the current folder, where the reference keeps it, goes on with that one.",
    defaultText: "`.raft` in the store's folder",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.logCacheSize",
    kind: "int",
    flags: ["cluster_log_cache_size"],
    keys: ["log_cache_size"],
    help: "Log entries kept in memory",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.logSnapshots",
    kind: "int",
    flags: ["cluster_log_snapshots"],
    keys: ["log_snapshots"],
    help: "Snapshots kept",
    check: (value: number) => value < 1 ? "must retain at least one snapshot" : undefined,
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.trailingLogs",
    kind: "int",
    flags: ["cluster_trailing_logs"],
    keys: ["trailing_logs"],
    help: "Log entries left behind a snapshot",
    check: (value: number) => value < 0 ? `trailing logs value must not be negative (${value})` : undefined,
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.sync",
    kind: "bool",
    flags: ["cluster_sync"],
    keys: ["sync"],
    help: "Sync the replication log and the messages to the disk before they count as stored",
    more: "On unless switched off. In a cluster it stands for `file_options.sync` as well.",
    defaultText: "true",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.raftLogging",
    kind: "bool",
    flags: ["cluster_raft_logging"],
    keys: ["raft_logging"],
    help: "Log what the replication does",
  },
  {
    ...CLUSTER,
    field: "streaming.cluster.allowAddRemoveNode",
    kind: "bool",
    flags: ["cluster_allow_add_remove_node"],
    keys: ["allow_add_remove_node"],
    help: "Let NATS requests to the leader add and remove nodes",
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.secret",
    kind: "string",
    keys: ["secret"],
    help: "Nodes sign their messages to one another with it and drop what is not signed",
    more: "The same on all nodes, 16 characters or more; `secret: $NAME` takes it from the environment.",
    defaultText: "none",
    check: (value: string) =>
      value !== "" && value.length < 16
        ? `cluster secret is too short (${value.length} characters): give at least 16`
        : undefined,
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.proceedOnRestoreFailure",
    kind: "bool",
    flags: ["cluster_proceed_on_restore_failure"],
    keys: ["proceed_on_restore_failure"],
    help: "Start although messages of a snapshot could not be fetched; dangerous",
  },
];

const timingRows: readonly OptionRow[] = [
  {
    ...KEY_ONLY,
    field: "streaming.cluster.raftHeartbeatTimeout",
    kind: "duration",
    keys: ["raft_heartbeat_timeout"],
    help: "Time without a leader after which a node stands for election",
    defaultText: "1s",
    check: (value: number) => value !== 0 && value < 5 ? "HeartbeatTimeout is too low" : undefined,
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.raftElectionTimeout",
    kind: "duration",
    keys: ["raft_election_timeout"],
    help: "Time after which an election without result is repeated",
    more: "At least the heartbeat timeout.",
    defaultText: "1s, at least the heartbeat timeout",
    check: (value: number) => value !== 0 && value < 5 ? "ElectionTimeout is too low" : undefined,
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.raftLeaseTimeout",
    kind: "duration",
    keys: ["raft_lease_timeout"],
    help: "Time without contact to a majority after which the leader steps down",
    more: "At most the heartbeat timeout.",
    defaultText: "800ms, at most the heartbeat timeout",
    check: (value: number) => value !== 0 && value < 5 ? "LeaderLeaseTimeout is too low" : undefined,
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.raftCommitTimeout",
    kind: "duration",
    keys: ["raft_commit_timeout"],
    help: "Idle time after which followers are told what is agreed",
    defaultText: "100ms",
    check: (value: number) => value !== 0 && value < 1 ? "CommitTimeout is too low" : undefined,
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.nodesConnections",
    kind: "bool",
    keys: ["nodes_connections"],
    help: "One NATS connection for each other node instead of one for all",
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.boltFreeListSync",
    kind: "bool",
    keys: ["bolt_free_list_sync"],
    help: "Accepted and ignored",
  },
  {
    ...KEY_ONLY,
    field: "streaming.cluster.boltFreeListMap",
    kind: "bool",
    keys: ["bolt_free_list_map"],
    help: "Accepted and ignored",
  },
];

export const clusterRows: readonly OptionRow[] = [...memberRows, ...logRows, ...timingRows];
