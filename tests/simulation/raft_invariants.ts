/**
 * What must be true of any number of Raft nodes at any time (spec clustering, section 11.10). Each invariant watches a
 * world through the hooks that it implements, and throws a Violation.
 */
import {
  type Entry,
  ENTRY_OVERHEAD_BYTES,
  entryBytes,
  type Member,
  type Message,
  type Ready,
} from "../../src/raft/core/mod.ts";
import { majorityOf, voterChanges } from "./raft_memberships.ts";
import { LARGEST_ENTRY, LARGEST_PROPOSAL, LIMITS, type RaftNode } from "./raft_node.ts";
import type { RaftWorld } from "./raft_world.ts";
import { Violation } from "./simulation.ts";

/** Entries' overhead of one more proposal, and the leader's own entries, on top of what is counted when it is taken. */
const UNCOUNTED = 16 * ENTRY_OVERHEAD_BYTES;

export interface Invariant {
  readonly name: string;
  /** `node` took `ready`; its entries stand in `node.disk.written` already. */
  observe?(world: RaftWorld, node: RaftNode, ready: Ready): void;
  /** `node` is about to apply `entry`. */
  applying?(world: RaftWorld, node: RaftNode, entry: Entry): void;
  /** A message leaves `node`. */
  sent?(world: RaftWorld, node: RaftNode, message: Message): void;
  /** Something happened to `node`. */
  happened?(world: RaftWorld, node: RaftNode): void;
  /** `node` answered a read that began when `acknowledged` was the last index known to clients. */
  answered?(node: RaftNode, index: number, acknowledged: number): void;
}

/** I1: at most one leader a term. */
class OneLeaderATerm implements Invariant {
  readonly name = "I1 one leader a term";
  readonly #leaders = new Map<number, string>();

  observe(_world: RaftWorld, node: RaftNode, ready: Ready): void {
    if (ready.roleChange?.role !== "leader") return;
    const { term } = ready.roleChange;
    const self = `${node.id} (boot ${node.boot})`;
    const other = this.#leaders.get(term) ?? self;
    if (other !== self) throw new Violation(this.name, `${other} and ${self} both lead in term ${term}`);
    this.#leaders.set(term, self);
  }
}

/** I2: equal index and term mean equal entries and equal prefixes. */
class LogsMatch implements Invariant {
  readonly name = "I2 log matching";
  readonly #entries = new Map<string, { readonly entry: Entry; readonly previousTerm: number | undefined }>();

  observe(_world: RaftWorld, node: RaftNode, ready: Ready): void {
    for (const entry of ready.entries) {
      const key = `${entry.index}/${entry.term}`;
      const previousTerm = node.disk.written.termAt(entry.index - 1);
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, { entry, previousTerm });
      else if (known.entry !== entry || known.previousTerm !== previousTerm) {
        throw new Violation(this.name, `entry ${key} on ${node.id} differs in content or in what precedes it`);
      }
    }
  }
}

/** I3: what is committed is in the log of every later leader. */
class LeadersAreComplete implements Invariant {
  readonly name = "I3 leader completeness";

  observe(world: RaftWorld, node: RaftNode, ready: Ready): void {
    if (ready.roleChange?.role !== "leader") return;
    const last = world.committed.length - 1;
    const { written } = node.disk;
    const entry = world.committed[last];
    if (entry === undefined || last <= written.baseIndex || entry.term >= ready.roleChange.term) return;
    if (written.at(last) !== entry) {
      throw new Violation(
        this.name,
        `${node.id} leads in term ${ready.roleChange.term} without committed entry ${last}`,
      );
    }
  }
}

/** I4: no two nodes commit or apply different entries at one index; states at one index are equal. */
class StatesAgree implements Invariant {
  readonly name = "I4 state machine safety";
  readonly #digests: number[] = [];

  observe(world: RaftWorld, node: RaftNode, ready: Ready): void {
    for (let i = node.committed + 1; i <= ready.commit; i++) {
      const entry = node.disk.written.at(i);
      const known = world.committed[i];
      if (entry !== undefined && known !== undefined && entry !== known) {
        throw new Violation(this.name, `${node.id} commits another entry at ${i} than others did`);
      }
    }
  }

  applying(world: RaftWorld, node: RaftNode, entry: Entry): void {
    if (entry.index !== node.machine.index + 1) {
      throw new Violation(this.name, `${node.id} applies ${entry.index} after ${node.machine.index}`);
    }
    if (world.committed[entry.index] !== entry) {
      throw new Violation(this.name, `${node.id} applies another entry at ${entry.index} than was committed`);
    }
  }

  happened(_world: RaftWorld, node: RaftNode): void {
    const { index, digest } = node.machine;
    const known = this.#digests[index] ??= digest;
    if (known !== digest) throw new Violation(this.name, `the state of ${node.id} at ${index} differs`);
  }
}

/** I5: commit and term never sink on a running node, nor the term over its crashes. */
class NothingSinks implements Invariant {
  readonly name = "I5 monotonic";
  readonly #spokenTerms = new Map<string, number>();

  observe(_world: RaftWorld, node: RaftNode, ready: Ready): void {
    if (ready.commit < node.committed) {
      throw new Violation(this.name, `${node.id} goes back from commit ${node.committed} to ${ready.commit}`);
    }
  }

  sent(_world: RaftWorld, node: RaftNode, message: Message): void {
    const self = `${node.id}/${node.disk.incarnation}/${node.disk.epoch}`;
    const spoken = this.#spokenTerms.get(self) ?? 0;
    // A message may have waited for the disk while the term went on; only a term that was forgotten is wrong.
    if (message.term < spoken && node.raft!.term < spoken) {
      throw new Violation(this.name, `${node.id} spoke in term ${spoken} and is back in term ${node.raft!.term}`);
    }
    if (message.term > spoken) this.#spokenTerms.set(self, message.term);
  }
}

/** I6: base ≤ applied ≤ commit ≤ last, durable ≤ last. */
class MarksAreOrdered implements Invariant {
  readonly name = "I6 order of marks";

  happened(_world: RaftWorld, node: RaftNode): void {
    const status = node.raft?.status();
    if (status === undefined) return;
    const { baseIndex, applied, commit, lastIndex, durableIndex } = status;
    if (baseIndex > applied || applied > commit || commit > lastIndex || durableIndex > lastIndex) {
      throw new Violation(this.name, `${node.id}: ${JSON.stringify(status)}`);
    }
  }
}

/**
 * I18: windows, what is not agreed on, what is being applied and what is in memory are kept within the limits. All but the
 * memory is counted here, from what the node was seen to send, write and apply.
 */
class BoundsAreKept implements Invariant {
  readonly name = "I18 bounds";

  observe(_world: RaftWorld, node: RaftNode, ready: Ready): void {
    const { cachedBytes, durableIndex } = node.raft!.status();
    if (cachedBytes <= LIMITS.cacheBytes) return;
    const handedOut = ready.committed.at(-1)?.index ?? node.machine.index;
    const needed = bytesIn(node, Math.min(durableIndex, handedOut), node.disk.written.lastIndex);
    if (cachedBytes > LIMITS.cacheBytes + needed) {
      throw new Violation(this.name, `${node.id} has ${cachedBytes} bytes of entries in memory and needs ${needed}`);
    }
  }

  happened(_world: RaftWorld, node: RaftNode): void {
    const status = node.raft?.status();
    if (status === undefined) return;
    for (const { id, bytesUnderWay, messagesUnderWay } of status.peers) {
      if (bytesUnderWay <= LIMITS.windowBytes + LARGEST_ENTRY && messagesUnderWay <= LIMITS.windowMessages) continue;
      throw new Violation(this.name, `${node.id} sent too much to ${id}: ${messagesUnderWay}, ${bytesUnderWay} bytes`);
    }
    const applying = bytesIn(node, status.applied, node.machine.index);
    if (applying > 2 * LIMITS.applyBytes + LARGEST_ENTRY) {
      throw new Violation(this.name, `${node.id} is applying ${applying} bytes at a time`);
    }
    if (status.termStart === 0) return;
    const uncommitted = bytesIn(node, Math.max(status.commit, status.termStart), status.lastIndex);
    if (uncommitted > Math.max(LIMITS.uncommittedBytes, LARGEST_PROPOSAL) + UNCOUNTED) {
      throw new Violation(this.name, `${node.id} has ${uncommitted} bytes that nobody agreed on`);
    }
  }
}

/** What the entries behind `from` up to `to` count for. */
function bytesIn(node: RaftNode, from: number, to: number): number {
  let bytes = 0;
  for (let i = Math.max(from, node.disk.written.baseIndex) + 1; i <= to; i++) {
    const entry = node.disk.written.at(i);
    if (entry !== undefined) bytes += entryBytes(entry);
  }
  return bytes;
}

/** I7: a node in one incarnation votes once a term. */
class OneVoteATerm implements Invariant {
  readonly name = "I7 one vote a term";

  sent(world: RaftWorld, node: RaftNode, message: Message): void {
    const granted = message.kind === "vote reply" && message.reason === "granted";
    if (!granted && message.kind !== "vote") return;
    const candidate = message.kind === "vote" ? node.id : message.to;
    const earlier = world.noteVote(node, message.term, candidate);
    if (earlier !== candidate) {
      throw new Violation(this.name, `${node.id} votes for ${earlier} and ${candidate} in term ${message.term}`);
    }
  }
}

/** I8: nothing is acknowledged that is not durable at that moment. */
class AcknowledgedIsDurable implements Invariant {
  readonly name = "I8 acknowledged is durable";

  sent(world: RaftWorld, node: RaftNode, message: Message): void {
    const { disk } = node;
    const { term, vote } = disk.hardState;
    if (message.kind === "append reply") {
      const leader = world.nodes.get(message.to);
      const mine = disk.log.at(message.match);
      const theirs = leader?.raft?.role === "leader" && leader.raft.term === message.term
        ? leader.disk.written.at(message.match)
        : undefined;
      const covered = disk.snapshot?.mark.index ?? 0;
      const differ = message.match > covered && mine !== undefined && theirs !== undefined && mine !== theirs;
      const held = Math.max(disk.log.lastIndex, covered);
      if (held < message.match || differ) {
        throw new Violation(
          this.name,
          `${node.id} acknowledges ${message.match}, its disk ends at ${held}${differ ? " and differs" : ""}`,
        );
      }
    }
    const candidate = message.kind === "vote" ? node.id : message.to;
    const votes = message.kind === "vote" || (message.kind === "vote reply" && message.reason === "granted");
    if (votes && (term < message.term || (term === message.term && vote !== candidate))) {
      throw new Violation(this.name, `${node.id} speaks of its vote in term ${message.term} before it is on disk`);
    }
  }
}

/** I11: one voter at a time, one change at a time, and none before an entry of the leader's own term is committed. */
class MembershipsOverlap implements Invariant {
  readonly name = "I11 membership changes";
  readonly #seen = new Set<Entry>();

  observe(world: RaftWorld, node: RaftNode, ready: Ready): void {
    for (const entry of ready.entries) {
      if (entry.kind !== "membership" || this.#seen.has(entry)) continue;
      this.#seen.add(entry);
      const before = world.membershipBefore(node, entry.index);
      if (before === undefined) continue;
      if (voterChanges(before.membership, entry.membership) > 1) {
        throw new Violation(this.name, `entry ${entry.index} of ${node.id} changes more than one voter`);
      }
      if (before.index > ready.commit) {
        throw new Violation(this.name, `entry ${entry.index} of ${node.id} comes before ${before.index} is committed`);
      }
      if (node.disk.written.termAt(ready.commit) !== entry.term) {
        throw new Violation(this.name, `entry ${entry.index} of ${node.id} comes before its term committed anything`);
      }
    }
  }
}

/** I12: only voters, in the incarnation that is a member, elect leaders and commit entries. */
class OnlyVotersCount implements Invariant {
  readonly name = "I12 only voters count";
  /** Snapshots that were told of, as index/term: what they hold is committed, whoever counts. */
  readonly #announced = new Set<string>();

  sent(_world: RaftWorld, _node: RaftNode, message: Message): void {
    if (message.kind !== "snapshot announce") return;
    this.#announced.add(`${message.snapshot.index}/${message.snapshot.term}`);
  }

  observe(world: RaftWorld, node: RaftNode, ready: Ready): void {
    if (ready.roleChange?.role === "leader") this.#elected(world, node, ready.roleChange.term);
    if (node.raft?.role === "leader" && ready.commit > node.committed) this.#committed(world, node, ready.commit);
  }

  #elected(world: RaftWorld, node: RaftNode, term: number): void {
    const { membership } = node.raft!.status().membership;
    // The first entries of the term may have changed the membership already; it was elected by the one before.
    const elector = world.membershipBefore(node, node.raft!.status().termStart)?.membership ?? membership;
    const votes = world.votesOf(term, node.id);
    if (!majorityOf(elector, (member) => votes.some((vote) => isVoteOf(vote, member)))) {
      throw new Violation(this.name, `${node.id} leads in term ${term} without a majority of votes`);
    }
  }

  #committed(world: RaftWorld, node: RaftNode, commit: number): void {
    const { written } = node.disk;
    const entry = written.at(commit);
    if (entry === undefined) return;
    const { membership } = node.raft!.status().membership;
    if (entry.term !== node.raft!.term && this.#announced.has(`${commit}/${entry.term}`)) return;
    const holds = (member: Member) => {
      const other = world.nodes.get(member.id);
      if (other === undefined || (member.incarnation !== "" && other.disk.incarnation !== member.incarnation)) {
        return false;
      }
      return other.disk.log.at(commit) === entry || other.disk.log.baseIndex >= commit;
    };
    // A voter whose disk was taken away, or forgot its end, may have held the entry when it said so.
    const held = (member: Member) => holds(member) || world.isWiped(member) || world.lostEnds.has(member.id);
    if (!majorityOf(membership, held)) {
      throw new Violation(this.name, `${node.id} commits ${commit}, which is not on the disks of a majority`);
    }
    if (entry.term !== node.raft!.term) {
      throw new Violation(this.name, `${node.id} commits ${commit} of term ${entry.term} by counting`);
    }
  }
}

function isVoteOf(vote: { readonly id: string; readonly incarnation: string }, member: Member): boolean {
  return vote.id === member.id && (member.incarnation === "" || member.incarnation === vote.incarnation);
}

/** I13: the leases of two leaders never overlap. */
class LeasesDoNotOverlap implements Invariant {
  readonly name = "I13 one lease at a time";

  happened(world: RaftWorld, node: RaftNode): void {
    if (!node.serves) return;
    for (const other of world.nodes.values()) {
      if (other !== node && other.serves) {
        throw new Violation(this.name, `${node.id} and ${other.id} may both serve at ${world.queue.now}`);
      }
    }
  }
}

/** I14: a read sees everything that clients were told before it began. */
class ReadsAreFresh implements Invariant {
  readonly name = "I14 reads are fresh";

  answered(node: RaftNode, index: number, acknowledged: number): void {
    if (index < acknowledged) {
      throw new Violation(this.name, `${node.id} reads at ${index}, but ${acknowledged} had been acknowledged`);
    }
  }
}

/** I15: a log never loses a committed entry, except under a snapshot. */
class CommittedStays implements Invariant {
  readonly name = "I15 committed entries stay";

  observe(_world: RaftWorld, node: RaftNode, ready: Ready): void {
    const first = ready.entries[0];
    if (first !== undefined && first.index <= node.committed) {
      throw new Violation(this.name, `${node.id} overwrites ${first.index}, but ${node.committed} is committed`);
    }
    const cut = ready.cutThrough;
    if (cut > 0 && cut > (node.disk.snapshot?.mark.index ?? 0)) {
      throw new Violation(this.name, `${node.id} cuts its log through ${cut} without a snapshot`);
    }
  }
}

/** I16: there is one identity in the cluster. */
class OneIdentity implements Invariant {
  readonly name = "I16 one identity";
  #identity = "";

  observe(_world: RaftWorld, node: RaftNode, ready: Ready): void {
    if (ready.identity === undefined) return;
    this.#identity ||= ready.identity;
    if (ready.identity !== this.#identity) {
      throw new Violation(this.name, `${node.id} learns identity ${ready.identity}, others have ${this.#identity}`);
    }
  }
}

/** All invariants, new for each world. */
export function raftInvariants(): Invariant[] {
  return [
    new OneLeaderATerm(),
    new LogsMatch(),
    new LeadersAreComplete(),
    new StatesAgree(),
    new NothingSinks(),
    new MarksAreOrdered(),
    new BoundsAreKept(),
    new OneVoteATerm(),
    new AcknowledgedIsDurable(),
    new MembershipsOverlap(),
    new OnlyVotersCount(),
    new LeasesDoNotOverlap(),
    new ReadsAreFresh(),
    new CommittedStays(),
    new OneIdentity(),
  ];
}
