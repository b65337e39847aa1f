/**
 * What must be true of the cluster's servers at any time, seen from outside: from their disks, their messages, and what
 * they show to monitoring (spec clustering, section 11.10). Each invariant has a name and throws a Violation.
 */
import type { Presence } from "../../../src/raft/members/mod.ts";
import type { RaftJournalStatus } from "../../../src/raft/raft_status.ts";
import type { Member, Membership, Message, RaftLimits } from "../../../src/raft/core/mod.ts";
import { crc32c } from "../../../src/raft/wire/mod.ts";
import { majorityOf, voterChanges } from "../raft_memberships.ts";
import { Violation } from "../simulation.ts";
import type { ClusterBook } from "./cluster_book.ts";
import { MEMBERSHIP } from "./cluster_book.ts";
import type { Host, Seen } from "./host.ts";
import type { WatchedEntry } from "./log_watch.ts";

/** What the invariants may know. */
export interface Cluster {
  readonly book: ClusterBook;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly clock: { now(): number };
  /** Whether logs are synced before anything is acknowledged. */
  readonly synced: boolean;
  readonly limits: RaftLimits;
}

export interface ClusterInvariant {
  readonly name: string;
  /** `host` is about to write `entry` behind one of `previousTerm`. */
  appended?(
    cluster: Cluster,
    host: Host,
    entry: WatchedEntry,
    previousTerm: number | undefined,
    isNew: boolean,
  ): void;
  /** `host` did something; it was `before` when it was looked at last. */
  looked?(cluster: Cluster, host: Host, status: RaftJournalStatus, before: Seen): void;
  /** Entries of `host` from `index` on are replaced. */
  cut?(cluster: Cluster, host: Host, index: number): void;
  /** Entries of `host` up to `index` are dropped; where its log `restarts`, those that are left behind were never its. */
  dropped?(cluster: Cluster, host: Host, index: number, restarts: boolean): void;
  /** A message leaves `host`. */
  sent?(cluster: Cluster, host: Host, message: Message): void;
  /** `host` says who it is. */
  told?(cluster: Cluster, host: Host, presence: Presence): void;
}

class OneLeaderATerm implements ClusterInvariant {
  readonly name = "I1 one leader a term";
  readonly #leaders = new Map<number, string>();

  looked(_cluster: Cluster, host: Host, { role, term }: RaftJournalStatus): void {
    if (role !== "Leader") return;
    const self = `${host.name} (boot ${host.boot})`;
    const other = this.#leaders.get(term) ?? self;
    if (other !== self) throw new Violation(this.name, `${other} and ${self} both lead in term ${term}`);
    this.#leaders.set(term, self);
  }
}

class LogsMatch implements ClusterInvariant {
  readonly name = "I2 log matching";

  appended({ book }: Cluster, host: Host, entry: WatchedEntry, previousTerm: number | undefined): void {
    const known = book.entry(entry.index, entry.term);
    if (known === undefined) return;
    const precedes = previousTerm === undefined || known.previousTerm === undefined || previousTerm === 0 ||
      previousTerm === known.previousTerm;
    if (known.checksum === entry.checksum && known.kind === entry.kind && precedes) return;
    throw new Violation(this.name, `entry ${entry.index}/${entry.term} of ${host.name} differs, or what precedes it`);
  }
}

class LeadersAreComplete implements ClusterInvariant {
  readonly name = "I3 leader completeness";

  looked({ book }: Cluster, host: Host, { role, term }: RaftJournalStatus, before: Seen): void {
    if (role !== "Leader" || (before.role === "Leader" && before.term === term)) return;
    const last = book.lastCommitted;
    const entry = book.committed[last];
    if (entry === undefined || last <= host.log.baseIndex || entry.term >= term) return;
    if (host.log.termAt(last) === entry.term) return;
    throw new Violation(this.name, `${host.name} leads in term ${term} without committed entry ${last}/${entry.term}`);
  }
}

class StatesAgree implements ClusterInvariant {
  readonly name = "I4 state machine safety";

  looked({ book }: Cluster, host: Host, { commit }: RaftJournalStatus, before: Seen): void {
    this.#compare(book, host, before.commit, commit);
  }

  /** What is committed and dropped in one instant has to be looked at before it is gone. */
  dropped({ book }: Cluster, host: Host, index: number, restarts: boolean): void {
    if (!restarts) this.#compare(book, host, host.seen.commit, index);
  }

  #compare(book: ClusterBook, host: Host, before: number, commit: number): void {
    for (let i = Math.max(before, host.log.baseIndex) + 1; i <= commit; i++) {
      const entry = host.log.at(i);
      if (entry === undefined) continue;
      const known = book.committed[i];
      // What stands on a full disk is not what its server goes by.
      if (known !== undefined && host.lagging) continue;
      if (known !== undefined && (known.term !== entry.term || known.checksum !== entry.checksum)) {
        throw new Violation(this.name, `${host.name} commits ${i}/${entry.term}, others ${i}/${known.term}`);
      }
      book.commit(i, entry);
    }
  }
}

/** While a snapshot is put in place, on whatever slow disk, the state is ahead of its index: what differs for longer is wrong. */
const INSTALLING = 3_000;

class DigestsAgree implements ClusterInvariant {
  readonly name = "I4 state machine safety";
  /** By index: what the state hashed to where it was seen first, and where that was. */
  readonly #digests = new Map<number, { readonly digest: number; readonly host: string }>();
  /** Since when the state of a process differs. */
  readonly #differs = new Map<string, number>();
  #cuts = 0;

  looked({ clock, book }: Cluster, host: Host, { applied }: RaftJournalStatus, before: Seen): void {
    const self = `${host.name}/${host.boot}`;
    if (applied === before.applied && !this.#differs.has(self)) return;
    const { digest } = host.node!.server!.machine.state;
    // Unknown, or nothing is restored yet; a store that is full for one channel is ahead with others.
    if (digest <= 1 || host.lagging) return;
    for (; this.#cuts < book.cuts.length; this.#cuts++) this.#forget(book.cuts[this.#cuts]!);
    const known = this.#digests.get(applied);
    if (known === undefined) {
      if (!this.#differs.has(self)) this.#digests.set(applied, { digest, host: host.name });
    } else if (known.digest === digest) this.#differs.delete(self);
    else {
      const since = this.#differs.get(self) ?? clock.now();
      this.#differs.set(self, since);
      if (clock.now() - since < INSTALLING) return;
      throw new Violation(
        this.name,
        `the state of ${host.name} at ${applied} hashes otherwise than that of ${known.host}`,
      );
    }
  }

  #forget(from: number): void {
    for (const index of this.#digests.keys()) if (index >= from) this.#digests.delete(index);
  }
}

class NothingSinks implements ClusterInvariant {
  readonly name = "I5 monotonic";
  readonly #terms = new Map<string, number>();

  looked(_cluster: Cluster, host: Host, status: RaftJournalStatus, before: Seen): void {
    for (const mark of ["term", "commit", "applied", "snapshotIndex"] as const) {
      if (status[mark] >= before[mark]) continue;
      throw new Violation(this.name, `${mark} of ${host.name} goes back from ${before[mark]} to ${status[mark]}`);
    }
  }

  /** A term that was spoken of is never forgotten, over all crashes. */
  sent(_cluster: Cluster, host: Host, message: Message): void {
    const self = `${host.name}/${message.incarnation}/${host.epoch}`;
    const spoken = this.#terms.get(self) ?? 0;
    if (message.term > spoken) this.#terms.set(self, message.term);
    if (message.term >= spoken) return;
    const now = host.node?.journal?.status().term ?? message.term;
    if (now < spoken) throw new Violation(this.name, `${host.name} spoke in term ${spoken} and is back in term ${now}`);
  }
}

class MarksAreOrdered implements ClusterInvariant {
  readonly name = "I6 order of marks";

  looked(_cluster: Cluster, host: Host, status: RaftJournalStatus): void {
    const { snapshotIndex, applied, commit, lastIndex } = status;
    if (snapshotIndex <= applied && applied <= commit && commit <= lastIndex) return;
    const marks = JSON.stringify({ snapshotIndex, applied, commit, lastIndex });
    throw new Violation(this.name, `${host.name}: ${marks}`);
  }
}

class OneVoteATerm implements ClusterInvariant {
  readonly name = "I7 one vote a term";

  sent({ book }: Cluster, host: Host, message: Message): void {
    const candidate = candidateOf(message);
    if (candidate === undefined) return;
    const earlier = book.vote(message.term, host.name, message.incarnation, host.epoch, candidate);
    if (earlier === candidate) return;
    throw new Violation(this.name, `${host.name} votes for ${earlier} and ${candidate} in term ${message.term}`);
  }
}

/** Whom the sender of this message votes for; `undefined` when it does not. */
function candidateOf(message: Message): string | undefined {
  if (message.kind === "vote") return message.from;
  return message.kind === "vote reply" && message.reason === "granted" ? message.to : undefined;
}

class AcknowledgedIsDurable implements ClusterInvariant {
  readonly name = "I8 acknowledged is durable";

  sent(cluster: Cluster, host: Host, message: Message): void {
    if (message.kind === "append reply") this.#append(cluster, host, message);
    const candidate = candidateOf(message);
    // What a lying disk has nobody knows.
    if (candidate === undefined || host.files.lies) return;
    const { term, vote } = savedVote(host.files.durableBytes("/raft/sim/vote"));
    if (term > message.term || (term === message.term && vote === candidate)) return;
    throw new Violation(this.name, `${host.name} speaks of its vote in term ${message.term} before it is on disk`);
  }

  #append({ book, synced }: Cluster, host: Host, { match, term }: { match: number; term: number }): void {
    const { log } = host;
    const snapshot = host.node!.journal!.status().snapshotIndex;
    if (!synced || match <= snapshot || match <= log.baseIndex) return;
    if (log.durableIndex < match) {
      throw new Violation(this.name, `${host.name} acknowledges ${match}, its disk holds ${log.durableIndex}`);
    }
    const committed = book.committed[match];
    // To a leader whose time is over a follower may well acknowledge what others have overruled.
    if (committed !== undefined && committed.term <= term && committed.term !== log.termAt(match)) {
      throw new Violation(this.name, `${host.name} acknowledges ${match}, but holds another entry there`);
    }
  }
}

/** Reads the record of term and vote; its two copies stand at 0 and 4096. */
function savedVote(bytes: Uint8Array): { readonly term: number; readonly vote: string } {
  let newest = { counter: -1, term: 0, vote: "" };
  for (const at of [0, 4096]) {
    if (bytes.length < at + 256) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 256);
    if (view.getUint32(0, true) !== crc32c(bytes, at + 4, at + 256)) continue;
    const counter = Number(view.getBigUint64(8, true));
    if (counter <= newest.counter) continue;
    const length = view.getUint16(24, true);
    const vote = new TextDecoder().decode(bytes.subarray(at + 26, at + 26 + length));
    newest = { counter, term: Number(view.getBigUint64(16, true)), vote };
  }
  return newest;
}

class MembershipsOverlap implements ClusterInvariant {
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

class OnlyVotersCount implements ClusterInvariant {
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

class CommittedStays implements ClusterInvariant {
  readonly name = "I15 committed entries stay";

  /** What is on the disk at a start counts. Later the log may be ahead of its disk. */
  looked(_cluster: Cluster, host: Host, { lastIndex }: RaftJournalStatus, before: Seen): void {
    if (before.term > 0 || lastIndex >= host.log.lastIndex) return;
    throw new Violation(this.name, `${host.name} goes by ${lastIndex}, its log ends at ${host.log.lastIndex}`);
  }

  cut({ book }: Cluster, host: Host, index: number): void {
    const committed = book.committed[index];
    if (committed === undefined || host.log.termAt(index) !== committed.term) return;
    throw new Violation(this.name, `${host.name} overwrites ${index}, which is committed`);
  }

  dropped(_cluster: Cluster, host: Host, index: number): void {
    if (index === 0) return;
    const covered = host.files.tree("/raft/sim/snapshots").some(({ path }) => {
      const match = /\/\d+-(\d+)\.snapshot$/.exec(path);
      return match !== null && Number(match[1]) >= index &&
        (host.files.lies || host.files.durableBytes(path).length > 0);
    });
    if (!covered) throw new Violation(this.name, `${host.name} drops its log up to ${index} without a snapshot`);
  }
}

class OneIdentity implements ClusterInvariant {
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
class ListIsTheLastOne implements ClusterInvariant {
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

/** What is around the entries of a message. */
const HEAD = 1024;

/** Windows (L5), what is not agreed on (L7), what is being applied, what is in memory, and messages in pieces. */
class BoundsAreKept implements ClusterInvariant {
  readonly name = "I18 bounds";
  /** By host: what it writes at once; and the most that any did. */
  readonly #writes = new Map<Host, { write: number; bytes: number }>();
  #largestWrite = 0;

  appended({ book }: Cluster, host: Host, { write, index }: WatchedEntry): void {
    const before = this.#writes.get(host);
    const bytes = (before?.write === write ? before.bytes : 0) + book.sizes[index]!;
    this.#writes.set(host, { write, bytes });
    this.#largestWrite = Math.max(this.#largestWrite, bytes);
  }

  looked({ limits, book, hosts }: Cluster, host: Host, status: RaftJournalStatus): void {
    const { peers, held, applied, durableIndex, lastIndex } = status;
    // What is not written yet nobody knows the size of.
    if (lastIndex > host.log.lastIndex) return;
    const { largest } = book;
    const { appendBytes, windowMessages, windowBytes, uncommittedBytes, applyBytes, cacheBytes } = limits;
    const append = Math.max(appendBytes, largest);
    for (const peer of peers) {
      if (peer.messagesUnderWay <= windowMessages && peer.bytesUnderWay <= windowBytes + append) continue;
      throw new Violation(this.name, `${host.name} sent too much to ${peer.id}: ${JSON.stringify(peer)}`);
    }
    // One proposal, written at once, is taken whatever its size; the leader's own entries and reports are not counted before.
    const uncommitted = Math.max(uncommittedBytes, this.#largestWrite) + largest;
    const applying = applyBytes + Math.max(applyBytes, largest);
    // In memory stays what is not on this disk or not applied yet; entries of others come on top.
    const needed = this.#bytesBehind(book, Math.min(applied, durableIndex), lastIndex);
    const cached = cacheBytes + needed + append;
    // One message of each sender.
    const unfinished = hosts.size * (append + HEAD);
    const most = { uncommitted, applying, cached, unfinished };
    for (const what of ["uncommitted", "applying", "cached", "unfinished"] as const) {
      if (held[what] <= most[what]) continue;
      throw new Violation(
        this.name,
        `${host.name} holds ${held[what]} bytes of what is ${what}: ${most[what]} at most`,
      );
    }
  }

  #bytesBehind(book: ClusterBook, from: number, to: number): number {
    let bytes = 0;
    for (let i = from + 1; i <= to; i++) bytes += book.sizes[i] ?? 0;
    return bytes;
  }
}

/** All of them, new for each world. */
export function clusterInvariants(): ClusterInvariant[] {
  return [
    new OneLeaderATerm(),
    new LogsMatch(),
    new LeadersAreComplete(),
    new StatesAgree(),
    new DigestsAgree(),
    new NothingSinks(),
    new MarksAreOrdered(),
    new OneVoteATerm(),
    new AcknowledgedIsDurable(),
    new MembershipsOverlap(),
    new OnlyVotersCount(),
    new CommittedStays(),
    new OneIdentity(),
    new ListIsTheLastOne(),
    new BoundsAreKept(),
  ];
}
