/** Cutting a channel's newest messages off its slices for good (spec stores, section 3.7). */
import type { Nanos, Sequence } from "../../protocol/units.ts";
import type { FileContext } from "./context.ts";
import type { EntryFinder } from "./entry_finder.ts";
import { SIZE } from "./message_index.ts";
import { HEADER_SIZE, VERSION_SIZE } from "./record.ts";
import { type Extent, OVERHEAD, type Slice } from "./slice.ts";

/**
 * Cuts off what comes after `last`, which is in one of the slices or in a gap after one; all of them must be in their files.
 * Durable when it answers with the slices that are left. Killed before, the newest of what was to go may be gone. Throws FileFailed,
 * StoreFailed `corrupt`.
 */
export function cutSlices(
  slices: readonly Slice[],
  last: Sequence,
  entries: EntryFinder,
  { ports: { files } }: FileContext,
): Slice[] {
  const kept = slices.filter(({ first }) => first <= last);
  const newest = kept.at(-1)!;
  const extent = extentUpTo(newest, last, entries);
  for (const slice of slices.slice(kept.length).reverse()) {
    slice.close();
    slice.created = false;
    // Not for the archive: these were never a part of the channel.
    files.remove(slice.index.path);
    files.remove(slice.data.path);
  }
  newest.flushed = extent;
  newest.rollBack();
  newest.closeWhenIdle = false;
  newest.data.syncNow();
  newest.index.syncNow();
  files.syncDirectory(newest.directory);
  return kept;
}

/** What the slice holds up to `last`, evicted records included. */
function extentUpTo(slice: Slice, last: Sequence, entries: EntryFinder): Extent {
  let records = 0;
  let bytes = 0;
  let end = VERSION_SIZE;
  let latest: Nanos = slice.firstTime;
  let lastTime: Nanos = slice.firstTime;
  let ordered = true;
  let found = 0;
  for (let at = slice.first; at <= last && entries.find(slice, at); at = found + 1) {
    if (entries.sequence > last) break;
    found = entries.sequence;
    const size = entries.words[entries.at + SIZE]!;
    const { time } = entries;
    if (time < lastTime) ordered = false;
    if (time > latest) latest = time;
    lastTime = time;
    records++;
    bytes += size + OVERHEAD;
    end = entries.offset + HEADER_SIZE + size;
  }
  return { last: found, records, bytes, end, latest, lastTime, ordered };
}
