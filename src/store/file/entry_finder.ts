/** Finding a channel's index entries, by sequence and by time, wherever they are: in memory or in a slice's index. */
import type { MessageLog } from "../../ports/store.ts";
import type { Nanos, Offset, Sequence } from "../../protocol/units.ts";
import { entryTime } from "../entry_time.ts";
import { entryOffset, entrySequence } from "./message_index.ts";
import type { ReadCache } from "./read_cache.ts";
import type { Slice } from "./slice.ts";
import type { Tail } from "./tail.ts";

export class EntryFinder {
  /** What {@link find} found: the entry is at word `at` of `words`. */
  words: Uint32Array = new Uint32Array(0);
  at = 0;
  readonly #tail: Tail;
  readonly #cache: ReadCache;

  constructor(tail: Tail, cache: ReadCache) {
    this.#tail = tail;
    this.#cache = cache;
  }

  /** Looks for the first entry of the slice at or above `sequence`; `false` if there is none. Throws StoreFailed `corrupt`. */
  find(slice: Slice, sequence: Sequence): boolean {
    const inMemory = this.#tail.first;
    if (sequence < inMemory && this.#cache.findEntry(slice, sequence)) {
      this.words = this.#cache.words;
      this.at = this.#cache.at;
      return true;
    }
    const wanted = Math.max(sequence, inMemory);
    const block = this.#tail.blockOf(wanted);
    if (block === undefined || block.slice !== slice) return false;
    this.words = block.entries;
    this.at = block.entryAt(wanted);
    return true;
  }

  get sequence(): Sequence {
    return entrySequence(this.words, this.at);
  }

  get time(): Nanos {
    return entryTime(this.words, this.at);
  }

  /** Where its record begins in the data file. */
  get offset(): Offset {
    return entryOffset(this.words, this.at);
  }

  /** As `MessageLog.sequenceAt`, of a log with these slices. */
  sequenceAt(
    { first, last, count, lastTimestamp }: Pick<MessageLog, "first" | "last" | "count" | "lastTimestamp">,
    slices: readonly Slice[],
    timestamp: Nanos,
  ): Sequence {
    if (last === 0) return 0;
    if (count === 0) return last + 1;
    if (this.find(slices[0]!, first) && timestamp <= this.time) return first;
    if (timestamp === lastTimestamp) return last;
    if (timestamp > lastTimestamp) return last + 1;
    return this.firstAfter(slices, first, timestamp - 1n) ?? last + 1;
  }

  /** The lowest sequence from `first` on whose time is above `time`; `undefined` if there is none. */
  firstAfter(slices: readonly Slice[], first: Sequence, time: Nanos): Sequence | undefined {
    for (const slice of slices) {
      if (slice.latest <= time || slice.liveCount === 0) continue;
      const from = Math.max(slice.first, first);
      const found = slice.ordered && slice.contiguous
        ? this.#searchOrdered(slice, from, time)
        : this.#searchAll(slice, from, time);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #searchOrdered(slice: Slice, from: Sequence, time: Nanos): Sequence {
    let low = from;
    let high = slice.last;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.find(slice, middle) && this.time > time) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #searchAll(slice: Slice, from: Sequence, time: Nanos): Sequence | undefined {
    for (let sequence = from; this.find(slice, sequence);) {
      const found = this.sequence;
      if (this.time > time) return found;
      sequence = found + 1;
    }
    return undefined;
  }
}
