/** Who belongs to the cluster, who counts, and which cluster it is: I11, I12, I16. */
import type { Member, Membership, Message } from "../../../src/raft/core/mod.ts";
import type { Presence } from "../../../src/raft/members/mod.ts";
import type { RaftJournalStatus } from "../../../src/raft/raft_status.ts";
import { majorityOf, voterChanges } from "../raft_memberships.ts";
import { Violation } from "../simulation.ts";
import { MEMBERSHIP } from "./cluster_book.ts";
import type { Cluster, ClusterInvariant } from "./cluster_invariant.ts";
import type { Host, Seen } from "./host.ts";
import type { WatchedEntry } from "./log_watch.ts";

export class MembershipsOverlap implements ClusterInvariant {
  readonly name = "I11 membership changes";

  appended(
    { book }: Cluster,
    host: Host,
    entry: WatchedEntry,
    _previousTerm: number | undefined,
    isNew: boolean,
  ): void {
    if (entry.kind !== MEMBERSHIP || !isNew) return;
    const after = book.entry(entry.index, entry.term)!.membership!;
    const before = book.membershipBefore(host, entry.index);
    if (voterChanges(before.membership, after) > 1) {
      throw new Violation(this.name, `entry ${entry.index} of ${host.name} changes more than one voter`);
    }
    const { role, term, commit } = host.node!.journal!.status();
    if (role !== "Leader" || term !== entry.term) return;
    if (before.index > commit) {
      throw new Violation(this.name, `entry ${entry.index} of ${host.name} comes before ${before.index} is committed`);
    }
    if ((host.log.termAt(commit) ?? term) !== term) {
      throw new Violation(this.name, `entry ${entry.index} of ${host.name} comes before its term committed anything`);
    }
  }
}

export class OnlyVotersCount implements ClusterInvariant {
  readonly name = "I12 only voters count";
  /** Snapshots that were told of, as index/term: what they hold is committed, whoever counts. */
  readonly #announced = new Set<string>();

  sent(_cluster: Cluster, _host: Host, message: Message): void {
    if (message.kind !== "snapshot announce") return;
    this.#announced.add(`${message.snapshot.index}/${message.snapshot.term}`);
  }

  looked(cluster: Cluster, host: Host, status: RaftJournalStatus, before: Seen): void {
    if (status.role !== "Leader") return;
    const led = before.role === "Leader" && before.term === status.term;
    if (!led) this.#elected(cluster, host, status.term);
    else if (status.commit > before.commit) this.#committed(cluster, host, status);
  }

  #elected({ book }: Cluster, host: Host, term: number): void {
    let first = host.log.lastIndex + 1;
    while (first - 1 > host.log.baseIndex && host.log.termAt(first - 1) === term) first--;
    const { membership } = book.membershipBefore(host, first);
    const votes = book.votesFor(term, host.name);
    // A voter alone needs not ask anybody.
    votes.push({ id: host.name, incarnation: host.incarnation });
    if (majorityOf(membership, (member) => votes.some((vote) => isVoteOf(vote, member)))) return;
    throw new Violation(this.name, `${host.name} leads in term ${term} without a majority of votes`);
  }

  #committed({ book, hosts, synced }: Cluster, host: Host, { commit, term, members }: RaftJournalStatus): void {
    const own = host.log.termAt(commit);
    if (own === undefined || commit <= host.log.baseIndex) return;
    if (own !== term) {
      if (this.#announced.has(`${commit}/${own}`)) return;
      throw new Violation(this.name, `${host.name} commits ${commit} of term ${own} by counting in term ${term}`);
    }
    const { membership } = book.membershipBefore(host, host.log.lastIndex + 1);
    const earlier = book.membershipBefore(host, commit + 1).membership;
    const held = (member: Member) => {
      const other = hosts.get(member.id);
      if (other === undefined) return false;
      if (book.lost.has(`${member.id}/${member.incarnation}`)) return true;
      const incarnation = other.incarnation || other.readIncarnation();
      if (member.incarnation !== "" && incarnation !== member.incarnation) return false;
      return other.vouchesFor(commit, own, synced);
    };
    // The membership may have changed in the very instant in which the count was complete, and while a leader's disk is full
    // the entry that changed it is not on it.
    if ([membership, earlier, { members }].some((each) => majorityOf(each as Membership, held))) return;
    const who = membership.members.map((member) => {
      const { incarnation, log } = hosts.get(member.id)!;
      return `${member.id} ${member.incarnation}: ${incarnation} ${log.baseIndex}..${log.durableIndex}`;
    });
    throw new Violation(
      this.name,
      `${host.name} commits ${commit}/${own}, which is not on the disks of a majority: ${who.join(", ")}`,
    );
  }
}

function isVoteOf(vote: { readonly id: string; readonly incarnation: string }, member: Member): boolean {
  return vote.id === member.id && (member.incarnation === "" || member.incarnation === vote.incarnation);
}

export class OneIdentity implements ClusterInvariant {
  readonly name = "I16 one identity";
  #identity = "";

  looked(_cluster: Cluster, host: Host, { identity }: RaftJournalStatus): void {
    if (identity === "") return;
    this.#identity ||= identity;
    if (identity === this.#identity) return;
    throw new Violation(this.name, `${host.name} has identity ${identity}, others have ${this.#identity}`);
  }
}

/** A founder that knows no cluster yet goes by the list of peers that it was given this time, and tells no other. */
export class ListIsTheLastOne implements ClusterInvariant {
  readonly name = "I16 one identity";

  sent(_cluster: Cluster, host: Host, { founders }: Message): void {
    this.#look(host, founders);
  }

  told(_cluster: Cluster, host: Host, { founders }: Presence): void {
    this.#look(host, founders);
  }

  #look(host: Host, told: string): void {
    if (told === "" || host.founders === "" || host.hadLog || told === host.founders) return;
    throw new Violation(this.name, `${host.name} tells the list of peers ${told}, it was given ${host.founders}`);
  }
}
