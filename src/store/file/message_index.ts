/**
 * The entries of a message index file, 32 bytes each, all little-endian (spec stores, section 3.7):
 *
 *     |0 sequence u64 |8 offset of the record in the data file u64 |16 timestamp i64 |24 payload size u32 |28 crc u32 of bytes 0-27|
 *
 * In memory an entry is eight 32-bit words of a Uint32Array, which has the same bytes.
 */
import type { Offset, Sequence } from "../../protocol/units.ts";
import type { Checksum } from "./checksum.ts";

/** Bytes of an entry in the file. */
export const ENTRY_SIZE = 32;
/** Words of an entry in memory. */
export const ENTRY_WORDS = 8;
/** The words of an entry by name. */
export const SEQUENCE = 0, OFFSET = 2, TIME_LOW = 4, TIME_HIGH = 5, SIZE = 6, CRC = 7;

const HIGH = 0x1_0000_0000;

export function entrySequence(words: Uint32Array, at: number): Sequence {
  return words[at]! + words[at + 1]! * HIGH;
}

export function entryOffset(words: Uint32Array, at: number): Offset {
  return words[at + OFFSET]! + words[at + OFFSET + 1]! * HIGH;
}

/** Whether all of an entry's bytes are zero: an index ends there. */
export function isZeroEntry(words: Uint32Array, at: number): boolean {
  for (let i = at; i < at + ENTRY_WORDS; i++) if (words[i] !== 0) return false;
  return true;
}

/** Sets the checksum of an entry whose other words are there. */
export function sealEntry(words: Uint32Array, at: number, checksum: Checksum): void {
  words[at + CRC] = checksum.ofEntry(words, at);
}

/** The bytes of `count` entries from word `at`, as they stand in the file; a view. */
export function entryBytes(words: Uint32Array, at: number, count: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + at * 4, count * ENTRY_SIZE);
}
