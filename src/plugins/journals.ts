/** Options → agreement: alone, or with the other nodes of a cluster. */
import type { Options } from "../config/mod.ts";
import { checkOptions, openForcing, openRaftJournal, type RaftOptions } from "../raft/mod.ts";
import type { JournalPlugin } from "../registry.ts";
import { SoloJournal } from "../server/solo_journal.ts";
import { messagesOnly } from "../store/mod.ts";

export const soloJournal: JournalPlugin = {
  check() {},
  wrap: (store) => store,
  open({ onFatal }) {
    return new SoloJournal({ firstIndex: 1, onFatal: (failure) => onFatal(failure.message, 1) });
  },
};

export const raftJournal: JournalPlugin = {
  check(options) {
    checkOptions(raftOptions(options, NEW_STORE));
  },
  wrap: messagesOnly,
  open({ options, system, nats, recovered, seal, onFatal }) {
    const { files, clock, random, log } = system;
    const { nodeId = "", clusterIdentity = "" } = recovered?.info ?? {};
    const unknown = recovered !== undefined && recovered.info === undefined;
    const store = { recovered: recovered !== undefined, nodeId, identity: clusterIdentity, unknown };
    const { forceMembers } = options.streaming.cluster;
    if (forceMembers.length > 0) {
      return openForcing({ ...raftOptions(options, store), seal }, forceMembers, { files, clock, random, log });
    }
    return openRaftJournal(
      { ...raftOptions(options, store), seal },
      { openBus: (role) => nats.connect(role), files, clock, random, log, onFatal },
    );
  },
};

/** What is assumed before the store is read. */
const NEW_STORE: RaftOptions["store"] = { recovered: false, nodeId: "" };

function raftOptions({ streaming }: Options, store: RaftOptions["store"]): RaftOptions {
  const { cluster } = streaming;
  return {
    clusterId: streaming.clusterId,
    nodeId: cluster.nodeId,
    store,
    peers: cluster.peers ?? [],
    bootstrap: cluster.bootstrap,
    logPath: cluster.logPath,
    // No channel's name begins with a dot.
    ownLogPath: streaming.dir === "" ? "" : `${streaming.dir}/.raft`,
    logCacheSize: cluster.logCacheSize,
    logSnapshots: cluster.logSnapshots,
    trailingLogs: cluster.trailingLogs,
    sync: cluster.sync ?? true,
    proceedOnRestoreFailure: cluster.proceedOnRestoreFailure,
    raftLogging: cluster.raftLogging,
    secret: cluster.secret,
    allowAddRemoveNode: cluster.allowAddRemoveNode,
    heartbeatTimeout: cluster.raftHeartbeatTimeout,
    electionTimeout: cluster.raftElectionTimeout,
    leaseTimeout: cluster.raftLeaseTimeout,
    commitTimeout: cluster.raftCommitTimeout,
  };
}
