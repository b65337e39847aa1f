/** Reading a range of messages of a channel, from memory or from its files, whichever has them. */
import { FileFailed } from "../../ports/files.ts";
import { StoreFailed } from "../../ports/store.ts";
import type { Sequence } from "../../protocol/units.ts";
import { type Reading, visitBlock } from "../block_reading.ts";
import type { ReadCache } from "./read_cache.ts";
import { HEADER_SIZE } from "./record.ts";
import type { Slice, SliceBlock } from "./slice.ts";
import type { Tail } from "./tail.ts";

/**
 * Goes on with `reading` until it is done. A message that cannot be read ends it before that message; if it is the first one,
 * StoreFailed `corrupt` is thrown.
 */
export function readMessages(
  reading: Reading,
  slices: readonly Slice[],
  tail: Tail,
  cache: ReadCache,
): void {
  while (!reading.done) {
    if (reading.next >= tail.first) {
      tail.visit(reading);
      continue;
    }
    const slice = slices[firstFrom(slices, reading.next)];
    if (slice === undefined || slice.first >= tail.first) {
      reading.next = tail.first;
      continue;
    }
    reading.next = Math.max(reading.next, slice.first);
    let block: SliceBlock | undefined;
    try {
      block = cache.find(slice, reading.next, reading.to, reading.room);
    } catch (error) {
      if (reading.visited === 0 || !(error instanceof StoreFailed || error instanceof FileFailed)) {
        throw unreadable(error);
      }
      reading.stopped = true;
      return;
    }
    if (block === undefined) reading.next = Math.min(slice.last + 1, tail.first);
    else visitBlock(block, HEADER_SIZE, reading);
  }
}

/** What the disk does not give back cannot be read, whatever the reason; writing may still be possible. */
function unreadable(error: unknown): unknown {
  return error instanceof FileFailed ? new StoreFailed("corrupt", error.message, { cause: error }) : error;
}

/** The index of the first slice that has messages at or above `sequence`. */
function firstFrom(slices: readonly Slice[], sequence: Sequence): number {
  let low = 0;
  let high = slices.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slices[middle]!.last < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
