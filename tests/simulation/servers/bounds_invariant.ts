/** Nothing that a node sends or keeps grows beyond its bound: I18. */
import type { RaftJournalStatus } from "../../../src/raft/raft_status.ts";
import { Violation } from "../simulation.ts";
import type { ClusterBook } from "./cluster_book.ts";
import type { Cluster, ClusterInvariant } from "./cluster_invariant.ts";
import type { Host } from "./host.ts";
import type { WatchedEntry } from "./log_watch.ts";

/** What is around the entries of a message. */
const HEAD = 1024;

/** Windows (L5), what is not agreed on (L7), what is being applied, what is in memory, and messages in pieces. */
export class BoundsAreKept implements ClusterInvariant {
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
