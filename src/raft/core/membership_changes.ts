/** What a leader decides about the membership: one change at a time, each in an entry (M1 to M11). */
import {
  type ChangeRefusal,
  type ChangeResult,
  isNodeId,
  type Member,
  memberOf,
  type Membership,
  type MembershipChange,
  type NodeId,
  quorumOf,
  votersOf,
  withMember,
  withoutMember,
} from "./membership.ts";
import type { NodeState } from "./node_state.ts";
import type { Progress } from "./progress.ts";

/** Rounds after which a learner is too slow (M3). */
const LEARNER_ROUNDS = 10;

/** The part of a leader that changes of membership need. */
export interface Changing {
  readonly peers: ReadonlyMap<NodeId, Progress>;
  /** An entry of this leader's own term is committed (M2). */
  readonly termCommitted: boolean;
  readonly transferring: boolean;
  /** Appends the entry and takes the new membership into effect. */
  changeMembership(membership: Membership): ChangeResult;
}

export class MembershipChanges {
  readonly #state: NodeState;
  readonly #leader: Changing;

  constructor(state: NodeState, leader: Changing) {
    this.#state = state;
    this.#leader = leader;
  }

  /** The membership in effect is not committed yet. */
  get pending(): boolean {
    return this.#state.log.membership.index > this.#state.log.commit;
  }

  request(change: MembershipChange): ChangeResult {
    const wanted = change.kind === "add" ? this.#added(change) : this.#removed(change);
    if (wanted === "unchanged") return { kind: "unchanged" };
    if (typeof wanted === "string") return { kind: "refused", reason: wanted };
    const obstacle = this.#obstacle();
    if (obstacle !== undefined) return { kind: "refused", reason: obstacle };
    return this.#leader.changeMembership(wanted);
  }

  /** Binds founders that were heard, and promotes learners that have caught up. */
  tick(): void {
    if (this.#obstacle() !== undefined) return;
    const bound = this.#bindHeard();
    if (bound !== undefined) {
      this.#leader.changeMembership(bound);
      return;
    }
    for (const peer of this.#leader.peers.values()) {
      if (!this.#mayPromote(peer)) continue;
      const member = { id: peer.id, incarnation: peer.incarnation, voter: true };
      this.#leader.changeMembership(withMember(this.#state.membership, member));
      return;
    }
  }

  /** A learner acknowledged more: the round may be over. */
  caughtUpMore(peer: Progress): void {
    const { now, timeouts, log, outbox } = this.#state;
    if (peer.voter) return;
    const round = peer.learning ??= { count: 1, target: log.lastIndex, startedAt: now };
    if (peer.match < round.target) return;
    if (now - round.startedAt < timeouts.heartbeatTimeout) {
      peer.caughtUp = true;
      return this.tick();
    }
    if (round.count < LEARNER_ROUNDS) {
      peer.learning = { count: round.count + 1, target: log.lastIndex, startedAt: now };
      return;
    }
    outbox.notice({ kind: "learner too slow", peer: peer.id });
    peer.learning = undefined;
    peer.notBefore = now + timeouts.electionTimeout;
  }

  #mayPromote(peer: Progress): boolean {
    const { now, timeouts } = this.#state;
    if (peer.voter || !peer.caughtUp || peer.incarnation === "" || now < peer.notBefore) return false;
    return peer.heard && peer.contact + timeouts.leaseTimeout > now;
  }

  #obstacle(): ChangeRefusal | undefined {
    if (this.#leader.transferring) return "transferring";
    // Otherwise two leaders could each hold a majority of overlapping, uncommitted memberships (M2).
    if (!this.#leader.termCommitted) return "term not committed";
    return this.pending ? "change pending" : undefined;
  }

  #bindHeard(): Membership | undefined {
    const { id, incarnation, membership } = this.#state;
    let changed = false;
    const members = membership.members.map((member): Member => {
      if (member.incarnation !== "") return member;
      const heard = member.id === id ? incarnation : this.#leader.peers.get(member.id)?.heardIncarnation ?? "";
      if (heard === "") return member;
      changed = true;
      return { ...member, incarnation: heard };
    });
    return changed ? { members } : undefined;
  }

  #added(change: { readonly id: NodeId; readonly incarnation: string }): Membership | "unchanged" | ChangeRefusal {
    const { id, incarnation } = change;
    const { membership } = this.#state;
    if (!isNodeId(id)) return "invalid node ID";
    const member = memberOf(membership, id);
    if (member === undefined) return withMember(membership, { id, incarnation, voter: false });
    if (incarnation === "" || incarnation === member.incarnation) return "unchanged";
    if (member.incarnation === "") return withMember(membership, { ...member, incarnation });
    if (id === this.#state.id) return "invalid node ID";
    return withMember(membership, { id, incarnation, voter: false });
  }

  #removed(change: { readonly id: NodeId; readonly force: boolean }): Membership | "unchanged" | ChangeRefusal {
    const { membership } = this.#state;
    const member = memberOf(membership, change.id);
    if (member === undefined) return "unchanged";
    const remaining = withoutMember(membership, change.id);
    const voters = votersOf(remaining);
    if (voters.length === 0) return "last voter";
    if (member.voter && !change.force && this.#live(voters) < quorumOf(voters.length)) return "quorum at risk";
    return remaining;
  }

  /** How many of `voters` were heard lately, and are bound: one that is not may never have been there. */
  #live(voters: readonly NodeId[]): number {
    const { id, now, timeouts, membership } = this.#state;
    return voters.filter((voter) => {
      if (memberOf(membership, voter)?.incarnation === "") return false;
      const peer = this.#leader.peers.get(voter);
      return voter === id || (peer?.heard === true && peer.contact + timeouts.leaseTimeout > now);
    }).length;
  }
}
