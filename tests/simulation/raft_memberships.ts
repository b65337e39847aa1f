/** Counting over memberships, written apart from the code under test. */
import type { Member, Membership } from "../../src/raft/core/mod.ts";

/** Whether more than half of the voters satisfy `holds`. */
export function majorityOf(membership: Membership, holds: (member: Member) => boolean): boolean {
  const voters = membership.members.filter((member) => member.voter);
  return voters.filter(holds).length * 2 > voters.length;
}

/** How many voters differ between two memberships; binding an incarnation to a name is no difference. */
export function voterChanges(before: Membership, after: Membership): number {
  const votersBefore = before.members.filter((member) => member.voter);
  const votersAfter = after.members.filter((member) => member.voter);
  const same =
    votersBefore.filter((member) =>
      votersAfter.some((other) =>
        other.id === member.id && (member.incarnation === "" || member.incarnation === other.incarnation)
      )
    ).length;
  return votersBefore.length + votersAfter.length - 2 * same;
}
