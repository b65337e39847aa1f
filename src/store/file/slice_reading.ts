/** Reading messages back from a slice's files, every byte checked (spec stores, sections 3.7 and 3.10). */
import { StoreFailed } from "../../ports/store.ts";
import type { Offset, Sequence } from "../../protocol/units.ts";
import { WORDS } from "../message_block.ts";
import type { Checksum } from "./checksum.ts";
import { CRC, ENTRY_SIZE, ENTRY_WORDS, entryOffset, entrySequence, SIZE } from "./message_index.ts";
import { crcProblem, HEADER_SIZE, MAX_PAYLOAD, readU32, VERSION_SIZE } from "./record.ts";
import { type Slice, SliceBlock } from "./slice.ts";

/** Index entries as read: entry `i` is that of record `record + i`. */
export interface Entries {
  readonly words: Uint32Array;
  readonly count: number;
  readonly record: number;
}

/** Reads the entries of up to `max` records in the index file from `record` on; at least one. Throws StoreFailed `corrupt`. */
export function readEntries(slice: Slice, record: number, max: number, checksum: Checksum | undefined): Entries {
  const count = Math.min(max, slice.flushed.records - record);
  const words = new Uint32Array(count * ENTRY_WORDS);
  const at = VERSION_SIZE + record * ENTRY_SIZE;
  const read = slice.index.file.readAt(new Uint8Array(words.buffer), at);
  if (read < count * ENTRY_SIZE) throw corrupt(read === 0 ? "EOF" : "unexpected EOF", slice.index.path, at + read);
  for (let i = 0; checksum !== undefined && i < count; i++) {
    const computed = checksum.ofEntry(words, i * ENTRY_WORDS);
    const stored = words[i * ENTRY_WORDS + CRC]!;
    if (computed !== stored) throw corrupt(crcProblem(stored, computed), slice.index.path, at + i * ENTRY_SIZE);
  }
  return { words, count, record };
}

/** The number of the first record at or above `sequence`; `slice.flushed.records` if there is none. */
export function recordOf(slice: Slice, sequence: Sequence, checksum: Checksum | undefined): number {
  if (sequence <= slice.first) return 0;
  if (slice.contiguous) return Math.min(sequence - slice.first, slice.flushed.records);
  let low = 0;
  let high = slice.flushed.records;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entrySequence(readEntries(slice, middle, 1, checksum).words, 0) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Reads a run of messages that begins with the entry of record `entries.record`, as many as are adjacent in sequence and in
 * place and fit in `room` bytes, but at least one. Ends early before a damaged one; throws StoreFailed `corrupt` if that is the first.
 */
export function readRun(slice: Slice, entries: Entries, room: number, checksum: Checksum | undefined): SliceBlock {
  const { words } = entries;
  const base = entryOffset(words, 0);
  const fileSize = slice.data.file.size();
  const count = runLength(entries, base, room);
  const end = Math.min(entryEnd(words, (count - 1) * ENTRY_WORDS), fileSize);
  checkBounds(slice, words, fileSize);
  const data = new Uint8Array(end - base);
  const read = slice.data.file.readAt(data, base);
  let good = 0;
  for (; good < count; good++) {
    const problem = recordProblem(data, read, base, words, good * ENTRY_WORDS, checksum);
    if (problem === undefined) continue;
    if (good === 0) throw corrupt(problem, slice.data.path, base);
    break;
  }
  const block = new SliceBlock(slice, entries.record, entrySequence(words, 0), base, data, words);
  block.count = block.writtenEntries = good;
  block.end = block.writtenData = entryEnd(words, (good - 1) * WORDS) - base;
  return block;
}

function checkBounds(slice: Slice, words: Uint32Array, fileSize: Offset): void {
  const offset = entryOffset(words, 0);
  if (words[SIZE]! > MAX_PAYLOAD) throw corrupt(`record of ${words[SIZE]} bytes`, slice.index.path, offset);
  if (offset >= fileSize) throw corrupt("EOF", slice.data.path, offset);
  if (entryEnd(words, 0) > fileSize) throw corrupt("unexpected EOF", slice.data.path, offset);
}

function entryEnd(words: Uint32Array, at: number): Offset {
  return entryOffset(words, at) + HEADER_SIZE + words[at + SIZE]!;
}

function runLength(entries: Entries, base: Offset, room: number): number {
  const { words } = entries;
  const first = entrySequence(words, 0);
  let end = entryEnd(words, 0);
  let count = 1;
  for (; count < entries.count; count++) {
    const at = count * ENTRY_WORDS;
    const next = entryEnd(words, at);
    if (entrySequence(words, at) !== first + count || entryOffset(words, at) < end || next - base > room) break;
    end = next;
  }
  return count;
}

/** What is wrong with the record of the entry at word `at`; `bytes[0, length)` is the data file from `base` on. */
function recordProblem(
  bytes: Uint8Array,
  length: number,
  base: Offset,
  words: Uint32Array,
  at: number,
  checksum: Checksum | undefined,
): string | undefined {
  const start = entryOffset(words, at) - base;
  const size = words[at + SIZE]!;
  if (start + HEADER_SIZE > length) return start >= length ? "EOF" : "unexpected EOF";
  const stored = readU32(bytes, start);
  if (stored !== size) return `expected size to be ${size}, got ${stored}`;
  if (start + HEADER_SIZE + size > length) return "unexpected EOF";
  if (checksum === undefined) return undefined;
  const expected = readU32(bytes, start + 4);
  const computed = checksum.of(bytes, start + HEADER_SIZE, start + HEADER_SIZE + size);
  return expected === computed ? undefined : crcProblem(expected, computed);
}

/** What is stored cannot be read; the reference's text comes first. */
export function corrupt(problem: string, path: string, offset: Offset): StoreFailed {
  return new StoreFailed("corrupt", `${problem} (file "${path}", offset ${offset})`);
}
