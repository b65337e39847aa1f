/** What monitoring shows of a node's part in its cluster, and what is wrong there. */
import type { Role } from "../ports/journal.ts";
import { type MembershipAt, type PeerStatus, votersOf } from "./core/mod.ts";
import { evenVoters } from "./notices.ts";
import type { Parts } from "./parts.ts";
import type { RaftDirectory } from "./raft_directory.ts";

export interface RaftJournalStatus {
  readonly role: Role;
  readonly nodeId: string;
  readonly term: number;
  /** Empty when unknown. */
  readonly leader: string;
  readonly identity: string;
  readonly members: readonly { readonly id: string; readonly voter: boolean }[];
  readonly lastIndex: number;
  /** Up to here the log is known to be on this node's disk. */
  readonly durableIndex: number;
  readonly commit: number;
  readonly applied: number;
  readonly snapshotIndex: number;
  readonly logBytes: number;
  /** What is held in memory, in bytes: not agreed on yet, of the log, being applied, in messages that are not whole yet. */
  readonly held: {
    readonly uncommitted: number;
    readonly cached: number;
    readonly applying: number;
    readonly unfinished: number;
  };
  /** Of the other members, as this node sees them while it leads. */
  readonly peers: readonly PeerStatus[];
  /** Members whose states were found to differ from this leader's (spec clustering, D8). */
  readonly different: readonly string[];
  /** What somebody should look after, in words. */
  readonly alarms: readonly string[];
}

/** A member is missed by its leader after so many ticks of silence. */
const MISSED_TICKS = 500;

/** `membership`: the one in effect as far as known before anything runs. */
export function statusOf(
  directory: RaftDirectory,
  running: Parts | undefined,
  membership: MembershipAt,
): Omit<RaftJournalStatus, "role" | "nodeId"> {
  const { member, ailment } = directory;
  const wal = ailment === undefined ? directory.wal : undefined;
  const status = running?.node.raft.status();
  const { members } = (status?.membership ?? membership).membership;
  const peers = status?.peers ?? [];
  const different = running?.comparing.different ?? [];
  return {
    term: status?.hardState.term ?? 0,
    leader: status?.leader ?? "",
    identity: member.identity,
    members,
    lastIndex: status?.lastIndex ?? wal?.lastIndex ?? 0,
    durableIndex: status?.durableIndex ?? 0,
    commit: status?.commit ?? 0,
    applied: status?.applied ?? 0,
    snapshotIndex: running?.snapshotting.lastIndex ?? 0,
    logBytes: wal?.bytes ?? 0,
    held: {
      uncommitted: status?.uncommittedBytes ?? 0,
      cached: status?.cachedBytes ?? 0,
      applying: status?.applyingBytes ?? 0,
      unfinished: running?.transport.unfinishedBytes ?? 0,
    },
    peers,
    different,
    alarms: [
      ...(status?.leader === "" ? ["no leader"] : []),
      ...evenVoters(votersOf({ members }).length),
      ...different.map((id) => `the state of node ${JSON.stringify(id)} differs from the leader's`),
      ...peers.flatMap((peer) => peerAlarms(peer)),
      ...(running?.distrusted === true ? ["this node does not vote: its log may lack what it acknowledged"] : []),
    ],
  };
}

function peerAlarms({ id, silentTicks, disk }: PeerStatus): string[] {
  return [
    ...(silentTicks > MISSED_TICKS
      ? [`node ${JSON.stringify(id)} has been silent for ${Math.round(silentTicks / 100)} s`]
      : []),
    ...(disk === "ok" ? [] : [`the disk of node ${JSON.stringify(id)} is ${disk}`]),
  ];
}

/** The status as the monitoring page shows it. */
export function describe(status: RaftJournalStatus): Record<string, unknown> {
  const peerOf = new Map(status.peers.map((peer) => [peer.id, peer]));
  return {
    node_id: status.nodeId,
    role: status.role,
    term: status.term,
    leader: status.leader,
    identity: status.identity,
    members: status.members.map(({ id, voter }) => {
      const peer = peerOf.get(id);
      return { id, voter, ...(peer === undefined ? {} : { match: peer.match, state: peer.state, disk: peer.disk }) };
    }),
    last_index: status.lastIndex,
    commit: status.commit,
    applied: status.applied,
    snapshot_index: status.snapshotIndex,
    log_bytes: status.logBytes,
    alarms: status.alarms,
  };
}
