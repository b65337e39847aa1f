/** What a channel has lately read from its files, with a read-ahead that grows while reading goes on in sequence. */
import type { Millis, Sequence } from "../../protocol/units.ts";
import type { Checksum } from "./checksum.ts";
import { ENTRY_WORDS } from "./message_index.ts";
import type { ReadCaches } from "./read_caches.ts";
import { type Entries, readEntries, readRun, recordOf } from "./slice_reading.ts";
import type { Slice, SliceBlock } from "./slice.ts";

/** Reading ahead begins with this many bytes. */
const FIRST_AHEAD = 64 * 1024;
/** Readers at this many places in a channel each find their block again. */
const BLOCKS = 4;
/** Entries without their messages (for evictions and times) are read in runs of this many. */
const ENTRY_RUN = 1024;
/** Unused for this long, it is forgotten. */
const IDLE: Millis = 1000;

export class ReadCache {
  readonly #caches: ReadCaches;
  readonly #checksum: Checksum | undefined;
  readonly #limit: number;
  /** Latest use first. */
  #blocks: SliceBlock[] = [];
  #ahead = FIRST_AHEAD;
  #used = false;
  #idleSince: Millis = 0;
  #entries: Entries | undefined;
  #entriesOf: Slice | undefined;
  /** What {@link findEntry} found. */
  words: Uint32Array = new Uint32Array(0);
  at = 0;

  /** @param limit bytes read ahead at most  @param checksum undefined: what is read is not checked */
  constructor(caches: ReadCaches, limit: number, checksum: Checksum | undefined) {
    this.#caches = caches;
    this.#limit = limit;
    this.#checksum = checksum;
  }

  /**
   * The run of messages that begins at `sequence`, or at the next one there is in the slice's files; `undefined` if there is none.
   * The first message of what it answers is `sequence` or later. Throws StoreFailed `corrupt` if that one cannot be read.
   */
  find(slice: Slice, sequence: Sequence, to: Sequence, room: number): SliceBlock | undefined {
    this.#used = true;
    const index = this.#blocks.findIndex((block) =>
      block.slice === slice && block.first <= sequence && block.last >= sequence
    );
    if (index >= 0) {
      const block = this.#blocks[index]!;
      if (index > 0) {
        this.#blocks.splice(index, 1);
        this.#blocks.unshift(block);
      }
      return block;
    }
    const record = recordOf(slice, sequence, this.#checksum);
    if (record >= slice.flushed.records) return undefined;
    return this.#load(slice, record, sequence, to, room);
  }

  #load(slice: Slice, record: number, sequence: Sequence, to: Sequence, room: number): SliceBlock {
    const goesOn = this.#blocks.some((block) => block.last === sequence - 1);
    this.#ahead = goesOn ? Math.min(this.#ahead * 2, this.#limit) : Math.min(FIRST_AHEAD, this.#limit);
    const average = Math.max(1, slice.bytes / slice.records);
    const wanted = this.#limit === 0
      ? to - sequence + 1
      : Math.ceil(Math.max(this.#ahead, Math.min(room, this.#limit)) / average);
    const entries = readEntries(slice, record, Math.max(1, Math.min(wanted, 65536)), this.#checksum);
    const block = readRun(
      slice,
      entries,
      this.#limit === 0 ? room : Math.max(this.#ahead, Math.min(room, this.#limit)),
      this.#checksum,
    );
    this.#keep(block);
    return block;
  }

  #keep(block: SliceBlock): void {
    this.#blocks.unshift(block);
    this.#caches.bytes += block.data.length;
    this.#caches.all.add(this);
    if (this.#blocks.length > BLOCKS) this.#caches.bytes -= this.#blocks.pop()!.data.length;
    this.#caches.squeeze(this);
  }

  /**
   * Looks up the entry of the first record at or above `sequence` in a slice's files: it is left in {@link words} at word
   * {@link at}. `false` if there is none. Throws StoreFailed `corrupt`.
   */
  findEntry(slice: Slice, sequence: Sequence): boolean {
    const record = recordOf(slice, sequence, this.#checksum);
    if (record >= slice.flushed.records) return false;
    let entries = this.#entries;
    if (
      entries === undefined || this.#entriesOf !== slice || record < entries.record ||
      record >= entries.record + entries.count
    ) {
      entries = readEntries(slice, record, ENTRY_RUN, this.#checksum);
      this.#entries = entries;
      this.#entriesOf = slice;
      this.#caches.all.add(this);
    }
    this.#used = true;
    this.words = entries.words;
    this.at = (record - entries.record) * ENTRY_WORDS;
    return true;
  }

  /** Forgets what it has of a slice, or everything. */
  clear(slice?: Slice): void {
    if (slice === undefined || this.#entriesOf === slice) this.#entries = this.#entriesOf = undefined;
    for (const block of this.#blocks) {
      if (slice === undefined || block.slice === slice) this.#caches.bytes -= block.data.length;
    }
    this.#blocks = slice === undefined ? [] : this.#blocks.filter((block) => block.slice !== slice);
    if (this.#blocks.length === 0 && this.#entries === undefined) this.#caches.all.delete(this);
  }

  maintain(now: Millis): void {
    if (this.#used) this.#idleSince = now;
    else if (now - this.#idleSince >= IDLE) this.clear();
    this.#used = false;
  }
}
