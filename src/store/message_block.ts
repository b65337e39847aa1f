/**
 * A run of messages with consecutive sequences, held in memory: their bytes as they stand in a data file, and their index
 * entries. What was just appended, what was just read, and everything that a memory store keeps is in such blocks.
 */
import type { MsgStamp } from "./message_stamp.ts";
import { varintLength, writeVarint } from "../protocol/varint.ts";
import type { Offset, Sequence } from "../protocol/units.ts";

/** Words of an entry: sequence (2), offset (2), time (2), size, checksum; the layout of an index file (spec stores, section 3.7). */
export const WORDS = 8;

/** A block is not grown beyond this many bytes, unless one message alone is larger. */
export const BLOCK_SIZE = 256 * 1024;
const FIRST_DATA = 1024;
const FIRST_ENTRIES = 8;
/** Copies below this length are faster byte by byte. */
const SHORT_COPY = 24;
const HIGH = 0x1_0000_0000;

export class MessageBlock {
  /** `data[0, end)` is in use. */
  data: Uint8Array;
  end = 0;
  /** Entry of message `i` at word `i * WORDS`; `count` of them. */
  entries: Uint32Array;
  count = 0;

  /** @param first the first message's sequence  @param base what offsets in entries count from: the place of `data[0]` in its file */
  constructor(readonly first: Sequence, readonly base: Offset, data?: Uint8Array, entries?: Uint32Array) {
    this.data = data ?? new Uint8Array(FIRST_DATA);
    this.entries = entries ?? new Uint32Array(FIRST_ENTRIES * WORDS);
  }

  /** The last message's sequence; `first - 1` when empty. */
  get last(): Sequence {
    return this.first + this.count - 1;
  }

  /** The word of `sequence`'s entry; it must be in the block. */
  entryAt(sequence: Sequence): number {
    return (sequence - this.first) * WORDS;
  }

  /** Where the payload of the entry at word `at` begins in `data`, `header` bytes being before it. */
  payloadStart(at: number, header: number): Offset {
    return this.entries[at + 2]! + this.entries[at + 3]! * HIGH - this.base + header;
  }

  payloadSize(at: number): number {
    return this.entries[at + 6]!;
  }

  /** Makes room for `size` more bytes and one more entry; `false` if the block is full and the message belongs in a new one. */
  reserve(size: number): boolean {
    const needed = this.end + size;
    if (needed > this.data.length) {
      if (this.count > 0 && needed > BLOCK_SIZE) return false;
      let length = this.data.length;
      while (length < needed) length *= 2;
      const larger = new Uint8Array(this.count === 0 && needed > BLOCK_SIZE ? needed : length);
      larger.set(this.data.subarray(0, this.end));
      this.data = larger;
    }
    if ((this.count + 1) * WORDS > this.entries.length) {
      const larger = new Uint32Array(this.entries.length * 2);
      larger.set(this.entries);
      this.entries = larger;
    }
    return true;
  }

  /**
   * Appends a message of the next sequence as a MsgProto, leaving `header` bytes before it for the caller to fill, and its
   * entry except for the checksum. Returns the payload's size. Room must have been reserved.
   */
  append(header: number, stamp: MsgStamp, fields: Uint8Array, start: Offset, end: Offset): number {
    const sequence = this.first + this.count;
    const data = this.data;
    const record = this.end;
    let at = record + header;
    data[at++] = 0x08;
    at = writeVarint(data, at, sequence);
    const length = end - start;
    if (length < SHORT_COPY) {
      for (let i = start; i < end; i++) data[at++] = fields[i]!;
    } else {
      data.set(fields.subarray(start, end), at);
      at += length;
    }
    const stampLength = stamp.length;
    for (let i = 0; i < stampLength; i++) data[at++] = stamp.bytes[i]!;
    this.end = at;
    const size = at - record - header;
    this.#note(sequence, record, stamp, size);
    return size;
  }

  #note(sequence: Sequence, record: Offset, stamp: MsgStamp, size: number): void {
    const entries = this.entries;
    const entry = this.count * WORDS;
    const offset = this.base + record;
    entries[entry] = sequence;
    entries[entry + 1] = sequence / HIGH;
    entries[entry + 2] = offset;
    entries[entry + 3] = offset / HIGH;
    entries[entry + 4] = stamp.low;
    entries[entry + 5] = stamp.high;
    entries[entry + 6] = size;
    this.count++;
  }

  /** Forgets the messages above `last`. */
  cut(last: Sequence, header: number): void {
    if (last >= this.last) return;
    const at = this.entryAt(last + 1);
    this.end = this.payloadStart(at, header) - header;
    this.count = last + 1 - this.first;
  }
}

/** How many bytes a message's stored form takes. */
export function storedSize(sequence: Sequence, stamp: MsgStamp, fieldsLength: number): number {
  return 1 + varintLength(sequence) + fieldsLength + stamp.length;
}

/** The block that holds `sequence`, by binary search over blocks in ascending order; -1 if none does. */
export function findBlock(blocks: readonly MessageBlock[], sequence: Sequence): number {
  const index = firstBlockFrom(blocks, sequence);
  return index < blocks.length && blocks[index]!.first <= sequence ? index : -1;
}

/** The first block with messages at or above `sequence`; `blocks.length` if there is none. */
export function firstBlockFrom(blocks: readonly MessageBlock[], sequence: Sequence): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (blocks[middle]!.last < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
