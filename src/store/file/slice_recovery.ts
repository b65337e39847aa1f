/** Recovering one slice: its index is believed if its last entry is right, else rebuilt from the data (spec stores, section 3.10). */
import type { OpenFile } from "../../ports/files.ts";
import { Malformed, VarintReader } from "../../protocol/varint.ts";
import type { Offset, Sequence } from "../../protocol/units.ts";
import { entryTime } from "../entry_time.ts";
import type { Checksum } from "./checksum.ts";
import type { FileContext } from "./context.ts";
import {
  CRC,
  ENTRY_SIZE,
  ENTRY_WORDS,
  entryBytes,
  entryOffset,
  entrySequence,
  isZeroEntry,
  sealEntry,
  SIZE,
  TIME_HIGH,
  TIME_LOW,
} from "./message_index.ts";
import { crcProblem, HEADER_SIZE, RecordScanner, VERSION_SIZE } from "./record.ts";
import { replayRecords, Unreadable } from "./record_recovery.ts";
import { OVERHEAD, type Slice } from "./slice.ts";
import { cutUnsynced } from "./unsynced_tail.ts";

/** Entries read at a time. */
const CHUNK = 8192;
const HIGH = 0x1_0000_0000;

/** Finds out what a slice holds. `hadIndex`: its index was there before. `newest`: it is the one that was written to. Throws Unreadable; then the index is removed, so that the next start rebuilds it. */
export function recoverSlice(slice: Slice, hadIndex: boolean, newest: boolean, context: FileContext): void {
  const index = slice.index.file;
  const crashed = newest && context.unclean;
  try {
    const problem = hadIndex ? readIndex(slice, index, context, crashed) : undefined;
    if (problem !== undefined) {
      context.ports.log.error(
        `Error with index file "${index.path}": ${problem}. Truncating and recovering from data file`,
      );
      index.truncate(VERSION_SIZE);
      slice.forget();
    }
    if (slice.records === 0) rebuild(slice, context);
  } catch (error) {
    if (error instanceof Unreadable) {
      slice.index.close();
      context.ports.files.remove(slice.index.path);
    }
    throw error;
  }
  slice.physicalEnd = slice.data.file.size();
  slice.recovered();
  slice.data.unsynced = slice.index.unsynced = context.unclean;
}

/** Reads the index. Answers what is wrong with it. */
function readIndex(slice: Slice, index: OpenFile, context: FileContext, crashed: boolean): string | undefined {
  const checksum = context.options.crc ? context.checksum : undefined;
  const size = index.size();
  const words = new Uint32Array(Math.min(CHUNK, Math.ceil((size - VERSION_SIZE) / ENTRY_SIZE)) * ENTRY_WORDS);
  const bytes = new Uint8Array(words.buffer);
  const summary = new Summary();
  let wasCut = false;
  for (let at = VERSION_SIZE; at < size;) {
    const read = index.readAt(bytes, at);
    const whole = Math.floor(read / ENTRY_SIZE);
    const good = checksum?.firstWrongEntry(words, whole) ?? firstZero(words, whole);
    const taken = summary.add(words, good);
    if (taken < good) return `sequence ${entrySequence(words, taken * ENTRY_WORDS)} follows ${summary.last}`;
    if (good < whole) {
      const word = good * ENTRY_WORDS;
      const from = at + good * ENTRY_SIZE;
      if (isZeroEntry(words, word)) index.truncate(from);
      else if (crashed && summary.records > 0 && !entryFollows(index, from, checksum!)) wasCut = cut(index, from);
      else return crcProblem(words[word + CRC]!, checksum!.ofEntry(words, word));
      break;
    }
    if (whole * ENTRY_SIZE !== read) {
      if (!crashed || summary.records === 0) return "unexpected EOF";
      wasCut = cut(index, at + whole * ENTRY_SIZE);
      break;
    }
    if (read === 0) break;
    at += read;
  }
  summary.settle(slice);
  if (wasCut && extend(slice, index, context)) return readIndex(slice, index, context, crashed);
  if (crashed && slice.records > 0) {
    slice.flushed = slice.extent;
    if (cutUnsynced(slice, context)) return readIndex(slice, index, context, crashed);
  }
  return verifyLast(slice, summary, context);
}

/** Cuts entries off for good: they must not come back in the place of those written from now on. */
function cut(index: OpenFile, at: Offset): true {
  index.truncate(at);
  index.syncNow();
  return true;
}

/** Adds entries for the messages that follow the last listed one in the data file; `false` if there are none. */
function extend(slice: Slice, index: OpenFile, context: FileContext): boolean {
  const scanner = new RecordScanner(slice.data.file, false, context.checksum, slice.end);
  const words = new Uint32Array(ENTRY_WORDS);
  const message = new MessageHead();
  let records = slice.records;
  while (scanner.next() === "record") {
    try {
      message.read(scanner.bytes, scanner.start, scanner.start + scanner.size);
    } catch {
      break;
    }
    if (message.sequence !== slice.last + 1 + records - slice.records) break;
    message.describe(words, 0, scanner.at, scanner.size);
    sealEntry(words, 0, context.checksum);
    index.writeAt(entryBytes(words, 0, 1), VERSION_SIZE + records++ * ENTRY_SIZE);
  }
  if (records === slice.records) return false;
  index.syncNow();
  return true;
}

/** Whether a right entry comes after a wrong one at `at`: then that one was damaged, and not just never synced. */
function entryFollows(index: OpenFile, at: Offset, checksum: Checksum): boolean {
  const words = new Uint32Array(CHUNK * ENTRY_WORDS);
  const bytes = new Uint8Array(words.buffer);
  for (let read = index.readAt(bytes, at += ENTRY_SIZE); read >= ENTRY_SIZE; read = index.readAt(bytes, at += read)) {
    for (let i = 0; i < Math.floor(read / ENTRY_SIZE); i++) {
      if (checksum.ofEntry(words, i * ENTRY_WORDS) === words[i * ENTRY_WORDS + CRC]) return true;
    }
  }
  return false;
}

/** The number of the first of `count` entries that is all zeros; `count` if there is none. */
function firstZero(words: Uint32Array, count: number): number {
  for (let i = 0; i < count; i++) if (isZeroEntry(words, i * ENTRY_WORDS)) return i;
  return count;
}

/** Gathers what the entries of a slice say together, without making a BigInt for each. */
class Summary {
  records = 0;
  bytes = 0;
  first: Sequence = 0;
  last: Sequence = 0;
  lastOffset: Offset = 0;
  lastSize = 0;
  ordered = true;
  // Times in halves: the first record's, the last one's, the greatest.
  #firstLow = 0;
  #firstHigh = 0;
  #low = 0;
  #high = 0;
  #latestLow = 0;
  #latestHigh = 0;

  /** Takes `count` entries; answers how many have ascending sequences. Everything is local to the loop, which runs once for every message there is. */
  add(words: Uint32Array, count: number): number {
    if (count === 0) return 0;
    if (this.records === 0) this.#begin(words);
    let { last, bytes, ordered } = this;
    let low = this.#low;
    let high = this.#high;
    let latestLow = this.#latestLow;
    let latestHigh = this.#latestHigh;
    let i = 0;
    for (let at = 0; i < count; i++, at += ENTRY_WORDS) {
      const sequence = words[at]! + words[at + 1]! * HIGH;
      if (sequence <= last) break;
      last = sequence;
      bytes += words[at + SIZE]! + OVERHEAD;
      const nextLow = words[at + TIME_LOW]!;
      const nextHigh = words[at + TIME_HIGH]! | 0;
      if (nextHigh < high || (nextHigh === high && nextLow < low)) ordered = false;
      else if (nextHigh > latestHigh || (nextHigh === latestHigh && nextLow > latestLow)) {
        latestLow = nextLow;
        latestHigh = nextHigh;
      }
      low = nextLow;
      high = nextHigh;
    }
    Object.assign(this, { last, bytes, ordered });
    this.#low = low;
    this.#high = high;
    this.#latestLow = latestLow;
    this.#latestHigh = latestHigh;
    this.records += i;
    if (i > 0) this.#end(words, (i - 1) * ENTRY_WORDS);
    return i;
  }

  #begin(words: Uint32Array): void {
    this.first = entrySequence(words, 0);
    this.#firstLow = this.#low = this.#latestLow = words[TIME_LOW]!;
    this.#firstHigh = this.#high = this.#latestHigh = words[TIME_HIGH]! | 0;
  }

  #end(words: Uint32Array, at: number): void {
    this.lastOffset = entryOffset(words, at);
    this.lastSize = words[at + SIZE]!;
  }

  settle(slice: Slice): void {
    slice.first = this.first;
    slice.last = this.last;
    slice.records = this.records;
    slice.bytes = this.bytes;
    slice.firstTime = time(this.#firstLow, this.#firstHigh);
    slice.lastTime = time(this.#low, this.#high);
    slice.latest = time(this.#latestLow, this.#latestHigh);
    slice.ordered = this.ordered;
    slice.end = this.records === 0 ? VERSION_SIZE : this.lastOffset + HEADER_SIZE + this.lastSize;
  }
}

function time(low: number, high: number): bigint {
  return entryTime(Uint32Array.of(0, 0, 0, 0, low, high), 0);
}

/** Checks that the last entry's message is there. Messages before it are checked when they are read. */
function verifyLast(slice: Slice, summary: Summary, context: FileContext): string | undefined {
  if (summary.records === 0) return undefined;
  const problem = lastProblem(slice, summary, context);
  if (problem === undefined) return undefined;
  const text = `Verification of last message for file "${slice.data.path}" failed: ${problem}`;
  context.ports.log.error(text);
  return text;
}

function lastProblem(slice: Slice, summary: Summary, context: FileContext): string | undefined {
  const file = slice.data.file;
  if (summary.lastOffset >= file.size()) return "unable to read last record: EOF";
  const scanner = new RecordScanner(file, false, context.checksum, summary.lastOffset);
  const found = scanner.next();
  if (found === "end") return "unable to read last record: EOF";
  if (found === "crc") return `unable to read last record: ${crcProblem(scanner.crc, scanner.computed)}`;
  if (found !== "record") return "unable to read last record: unexpected EOF";
  if (scanner.size !== summary.lastSize) {
    return `last record size expected to be ${summary.lastSize}, got ${scanner.size}`;
  }
  try {
    const message = new MessageHead();
    message.read(scanner.bytes, scanner.start, scanner.start + scanner.size);
    if (message.sequence !== summary.last) {
      return `last message sequence expected to be ${summary.last}, got ${message.sequence}`;
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return `unable to decode last record: ${error.message}`;
  }
  return undefined;
}

/**
 * Writes the index anew from the data file. A record whose sequence was there before takes the place of that one and of all
 * between: those were written, but not indexed, by a process that was killed. Throws Unreadable.
 */
function rebuild(slice: Slice, context: FileContext): void {
  const message = new MessageHead();
  let words = new Uint32Array(64 * ENTRY_WORDS);
  let count = 0;
  replayRecords(slice.data.file, false, context, (_type, bytes, start, end, offset) => {
    message.read(bytes, start, end);
    while (count > 0 && entrySequence(words, (count - 1) * ENTRY_WORDS) >= message.sequence) count--;
    if ((count + 1) * ENTRY_WORDS > words.length) {
      const larger = new Uint32Array(words.length * 2);
      larger.set(words);
      words = larger;
    }
    message.describe(words, count * ENTRY_WORDS, offset, end - start);
    sealEntry(words, count * ENTRY_WORDS, context.checksum);
    count++;
  });
  const summary = new Summary();
  if (summary.add(words, count) < count) throw new Unreadable("message without a sequence");
  summary.settle(slice);
  if (count === 0) return;
  slice.index.file.writeAt(entryBytes(words, 0, count), VERSION_SIZE);
  slice.index.syncNow();
}

/** What an index entry needs of a message. */
class MessageHead {
  sequence: Sequence = 0;
  #time = 0n;
  readonly #reader = new VarintReader();

  /** Throws Malformed. */
  read(bytes: Uint8Array, start: Offset, end: Offset): void {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    this.sequence = 0;
    this.#time = 0n;
    while (!reader.done) {
      const tag = reader.readNumber();
      if (tag < 8) throw new Malformed("field number 0", reader.at);
      if (tag === 0x08) this.sequence = reader.readNumber();
      else if (tag === 0x28) this.#time = reader.readInt64();
      else if (tag >> 3 <= 5 && (tag & 7) !== 2) {
        throw new Malformed(`wire type ${tag & 7} for field ${tag >> 3}`, reader.at);
      } else reader.skip(tag & 7);
    }
  }

  /** Fills an entry, but for its checksum. */
  describe(words: Uint32Array, at: number, offset: Offset, size: number): void {
    words[at] = this.sequence;
    words[at + 1] = this.sequence / HIGH;
    words[at + 2] = offset;
    words[at + 3] = offset / HIGH;
    words[at + TIME_LOW] = Number(BigInt.asUintN(32, this.#time));
    words[at + TIME_HIGH] = Number(BigInt.asUintN(32, this.#time >> 32n));
    words[at + SIZE] = size;
  }
}
