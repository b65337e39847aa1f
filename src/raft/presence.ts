/** What a node says of itself when somebody asks who is there. */
import type { Membership } from "./core/mod.ts";
import type { Presence } from "./members/mod.ts";
import type { Parts } from "./parts.ts";
import type { RaftDirectory } from "./raft_directory.ts";

/** What only this process knows. */
export interface ProcessState {
  readonly boot: string;
  readonly bootstrapping: boolean;
  /** Milliseconds since the start. */
  readonly age: number;
  /** Unix milliseconds. */
  readonly wall: number;
  readonly isMember: boolean;
}

/** Of a node that has no state. */
export const NO_MARKS = { roundIndex: 0, roundDigest: 0, index: 0, digest: 0, scheme: 0 };

/** `running`: absent while the node looks around before it begins. */
export function presenceOf(
  directory: RaftDirectory,
  running: Parts | undefined,
  membership: Membership,
  { boot, bootstrapping, age, wall, isMember }: ProcessState,
): Presence {
  const { member, vote, wal } = directory;
  const raft = running?.node.raft;
  const known = member.identity !== "";
  const members = known ? membership.members.map(({ id, incarnation }) => `${id}=${incarnation}`) : [];
  return {
    nodeId: member.nodeId,
    incarnation: member.incarnation,
    boot,
    identity: member.identity,
    term: raft?.term ?? vote.state.term,
    leader: raft?.leader ?? "",
    founders: known ? "" : member.founders.join(","),
    members: members.sort().join(","),
    bootstrapping,
    age,
    wall,
    lastIndex: wal.lastIndex,
    lastTerm: wal.lastTerm,
    distrusted: raft?.mayLackEntries ?? directory.distrusted,
    waiting: member.removedAt > 0 || (known && !isMember),
    ...(running?.digests.marks ?? NO_MARKS),
    toStop: running?.comparing.order ?? "",
  };
}
