/** Who belongs to the cluster: voters and learners, as it stands in the log (spec clustering, section 11.5). */

/** A node's name for ever. */
export type NodeId = string;

/**
 * One member. `incarnation` is drawn at random when a node's disk is first written: a node whose disk was wiped comes
 * back with another one and is not the old member (M7). Empty while the founders have not met yet; the first leader
 * binds it.
 */
export interface Member {
  readonly id: NodeId;
  readonly incarnation: string;
  /** A learner receives everything and counts for nothing. */
  readonly voter: boolean;
}

/** All members, sorted by id; an id occurs once. */
export interface Membership {
  readonly members: readonly Member[];
}

/** A membership and the log index it took effect at; 0 for the founders' list, which stands in no entry. */
export interface MembershipAt {
  readonly index: number;
  readonly membership: Membership;
}

/** What an operator, a joining node or the leader itself asks for. */
export type MembershipChange =
  /**
   * Adds `id` as a learner; it is promoted to voter when it has caught up (M3). Where `id` is a member under another
   * incarnation, that one is taken out in the same step.
   */
  | { readonly kind: "add"; readonly id: NodeId; readonly incarnation: string }
  /** `force` skips the check that enough live voters remain (M10). */
  | { readonly kind: "remove"; readonly id: NodeId; readonly force: boolean };

/** What became of a request to change the membership. */
export type ChangeResult =
  /** In the log at `index`, in effect, not yet committed. */
  | { readonly kind: "appended"; readonly index: number; readonly term: number }
  /** Nothing to do (M11). */
  | { readonly kind: "unchanged" }
  | { readonly kind: "refused"; readonly reason: ChangeRefusal };

export type ChangeRefusal =
  | "not leader"
  /** Leadership is being handed over. */
  | "transferring"
  /** Another change is not committed yet: retry. */
  | "change pending"
  /** This leader has not committed an entry of its own term yet (M2): retry. */
  | "term not committed"
  /** It would remove the last voter. */
  | "last voter"
  /** Fewer live voters than the new quorum would remain (M10). */
  | "quorum at risk"
  | "invalid node ID";

/** A membership without members: a node that has yet to join. */
export const NO_MEMBERS: Membership = { members: [] };

/** The member of this name, whatever its incarnation. */
export function memberOf(membership: Membership, id: NodeId): Member | undefined {
  for (const member of membership.members) if (member.id === id) return member;
  return undefined;
}

/** Whether the node `id` in this `incarnation` is the member of that name; an unbound member is whoever comes first. */
export function isSameNode(member: Member, incarnation: string): boolean {
  return member.incarnation === "" || member.incarnation === incarnation;
}

/** The ids of all voters, sorted. */
export function votersOf(membership: Membership): NodeId[] {
  const voters: NodeId[] = [];
  for (const member of membership.members) if (member.voter) voters.push(member.id);
  return voters;
}

/** How many of `count` voters make a majority. */
export function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** The largest number that a majority of `values` (one a voter) reaches; `undefined` without voters. Sorts `values`. */
export function majorityValue(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  values.sort((a, b) => b - a);
  return values[quorumOf(values.length) - 1];
}

/** `membership` with `member` added, or put in the place of the one with its id. */
export function withMember(membership: Membership, member: Member): Membership {
  const others = membership.members.filter((each) => each.id !== member.id);
  return { members: [...others, member].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** `membership` without the member `id`. */
export function withoutMember(membership: Membership, id: NodeId): Membership {
  return { members: membership.members.filter((each) => each.id !== id) };
}

/** Whether a name can be a node's: letters, digits, `_`, `-`, and dots between them (spec clustering, section 2). */
export function isNodeId(id: string): boolean {
  return /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(id);
}
