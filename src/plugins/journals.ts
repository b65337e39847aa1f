/** Options → agreement: alone, or with the other nodes of a cluster. */
import type { Options } from "../config/mod.ts";
import { checkRaftOptions, openRaftJournal, type RaftOptions } from "../raft/mod.ts";
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
    checkRaftOptions(raftOptions(options));
  },
  wrap: messagesOnly,
  open({ options, system, nats, recovered, nuid, onFatal }) {
    const { files, clock, random, log } = system;
    return openRaftJournal(
      { ...raftOptions(options), recoveredNodeId: recovered?.info.nodeId ?? "", newNodeId: () => nuid.next() },
      { openBus: (role) => nats.connect(role), files, clock, random, log, onFatal },
    );
  },
};

function raftOptions({ streaming }: Options): RaftOptions {
  const { cluster } = streaming;
  return {
    clusterId: streaming.clusterId,
    nodeId: cluster.nodeId,
    peers: cluster.peers ?? [],
    bootstrap: cluster.bootstrap,
    logPath: cluster.logPath,
    storeDirectory: streaming.dir,
    logCacheSize: cluster.logCacheSize,
    logSnapshots: cluster.logSnapshots,
    trailingLogs: cluster.trailingLogs,
    sync: cluster.sync ?? true,
    raftLogging: cluster.raftLogging,
    allowAddRemoveNode: cluster.allowAddRemoveNode,
    heartbeatTimeout: cluster.raftHeartbeatTimeout,
    electionTimeout: cluster.raftElectionTimeout,
    leaseTimeout: cluster.raftLeaseTimeout,
    commitTimeout: cluster.raftCommitTimeout,
  };
}
