/** What monitoring sees of a node, gathered. */
import type { Leader } from "./leader.ts";
import type { NodeState } from "./node_state.ts";
import type { RaftStatus } from "./status.ts";

/** `leader`: this node's role while it leads. */
export function statusOf(state: NodeState, leader: Leader | undefined, applyingBytes: number): RaftStatus {
  const { term, vote, identity, log, now, role } = state;
  const peers = leader === undefined ? [] : [...leader.peers.values()];
  return {
    role: role.name,
    hardState: { term, vote },
    leader: state.leader,
    identity,
    membership: log.membership,
    baseIndex: log.baseIndex,
    lastIndex: log.lastIndex,
    durableIndex: log.durable,
    commit: log.commit,
    applied: log.applied,
    termStart: leader?.termStart ?? 0,
    uncommittedBytes: leader?.uncommittedBytes ?? 0,
    cachedBytes: log.cache.bytes,
    applyingBytes,
    peers: peers.map((peer) => ({
      id: peer.id,
      voter: peer.voter,
      match: peer.match,
      state: peer.state,
      silentTicks: now - peer.contact,
      disk: peer.disk,
      bytesUnderWay: peer.bytesUnderWay,
      messagesUnderWay: peer.messagesUnderWay,
    })),
  };
}
