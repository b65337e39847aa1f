/**
 * Power fails on all machines at once where nothing is synced: what the longest log that is left holds has to stay, and only
 * what is beyond its end may be lost (spec clustering, P12).
 */
import type { Host } from "./host.ts";
import type { MessageHistory } from "./message_history.ts";
import type { ClusterBook } from "./cluster_book.ts";

/** What is left of a log: entries up to `covered` are in a snapshot. */
interface Left {
  readonly host: Host;
  readonly covered: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/** The host whose log goes furthest after the power loss. */
export function longestLog(hosts: Iterable<Host>): Left {
  return [...hosts].map(leftOf).reduce((one, other) => isShorter(one, other) ? other : one);
}

function isShorter(one: Left, other: Left): boolean {
  return one.lastTerm < other.lastTerm || (one.lastTerm === other.lastTerm && one.lastIndex < other.lastIndex);
}

function leftOf(host: Host): Left {
  const { log } = host;
  let newest = { index: 0, term: 0 };
  for (const { path } of host.files.tree("/raft/sim/snapshots")) {
    const match = /\/(\d+)-(\d+)\.snapshot$/.exec(path);
    if (match !== null && Number(match[2]) > newest.index) newest = { index: Number(match[2]), term: Number(match[1]) };
  }
  const { index: covered, term } = newest;
  // A log that does not reach its snapshot begins anew behind it.
  if (log.termAt(covered) !== term && covered >= log.baseIndex) {
    return { host, covered, lastIndex: covered, lastTerm: term };
  }
  return {
    host,
    covered,
    lastIndex: log.lastIndex,
    lastTerm: log.lastIndex > log.baseIndex ? log.termAt(log.lastIndex)! : term,
  };
}

/** The first index whose committed entry is lost. */
export function firstLost({ host, covered }: Left, { committed }: ClusterBook): number {
  let index = covered + 1;
  while (index < committed.length && committed[index]?.term === host.log.termAt(index)) index++;
  return index;
}

/** Forgets what entries from `lost` on had brought; answers by channel the last message that has to stay. */
export function forgetMessages(history: MessageHistory, book: ClusterBook, lost: number): ReadonlyMap<string, number> {
  const stays = (guid: string | undefined) =>
    guid === undefined || book.placesOf(guid).some((place) => place.index < lost && book.isCommitted(place));
  return history.forget(stays);
}
