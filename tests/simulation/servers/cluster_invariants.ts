/**
 * What must be true of the cluster's servers at any time, seen from outside: from their disks, their messages, and what
 * they show to monitoring (spec clustering, section 11.10). Each invariant has a name and throws a Violation.
 */
import type { RaftJournalStatus } from "../../../src/raft/raft_status.ts";
import type { Message } from "../../../src/raft/core/mod.ts";
import { crc32c } from "../../../src/raft/wire/mod.ts";
import { Violation } from "../simulation.ts";
import { BoundsAreKept } from "./bounds_invariant.ts";
import type { ClusterBook } from "./cluster_book.ts";
import type { Cluster, ClusterInvariant } from "./cluster_invariant.ts";
import type { Host, Seen } from "./host.ts";
import type { WatchedEntry } from "./log_watch.ts";
import { ListIsTheLastOne, MembershipsOverlap, OneIdentity, OnlyVotersCount } from "./membership_invariants.ts";

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
