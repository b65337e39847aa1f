/** CRC-32 with any polynomial, as every file of the store carries it (spec stores, section 3.3). */
import { crc32 } from "node:zlib";
import type { Offset } from "../../protocol/units.ts";

/** The IEEE polynomial in reversed form: the default of the option `file_crc_poly`. */
export const IEEE = 0xedb88320;

/** Below this many bytes the tables are faster than the call into zlib. */
const SHORT = 64;

/** Computes checksums for one polynomial. Results are unsigned 32-bit numbers. */
export class Checksum {
  readonly #ieee: boolean;
  /** Eight tables of 256 entries: `tables[k * 256 + b]` is the checksum of byte `b` followed by `k` zero bytes. */
  readonly #tables: Uint32Array;

  /** `polynomial`: 1 to 0xffffffff, reversed form. */
  constructor(polynomial: number = IEEE) {
    this.#ieee = polynomial === IEEE;
    this.#tables = makeTables(polynomial);
  }

  /** The checksum of `bytes[start, end)`. */
  of(bytes: Uint8Array, start: Offset, end: Offset): number {
    if (this.#ieee && end - start >= SHORT) return crc32(bytes.subarray(start, end)) >>> 0;
    return this.#byTables(bytes, start, end);
  }

  /** The checksum of seven little-endian 32-bit words from `at`: what an index entry carries. */
  ofEntry(words: Uint32Array, at: number): number {
    return entryChecksum(this.#tables, words, at);
  }

  /** The number of the first of `count` index entries whose last word is not its checksum; `count` if there is none. */
  firstWrongEntry(words: Uint32Array, count: number): number {
    const tables = this.#tables;
    for (let i = 0, at = 0; i < count; i++, at += 8) {
      if (entryChecksum(tables, words, at) !== words[at + 7]) return i;
    }
    return count;
  }

  #byTables(bytes: Uint8Array, start: Offset, end: Offset): number {
    const t = this.#tables;
    let crc = -1;
    let at = start;
    for (; at + 8 <= end; at += 8) {
      crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      crc = t[1792 + (crc & 0xff)]! ^ t[1536 + ((crc >>> 8) & 0xff)]! ^ t[1280 + ((crc >>> 16) & 0xff)]! ^
        t[1024 + (crc >>> 24)]! ^ t[768 + bytes[at + 4]!]! ^ t[512 + bytes[at + 5]!]! ^ t[256 + bytes[at + 6]!]! ^
        t[bytes[at + 7]!]!;
    }
    for (; at < end; at++) crc = t[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
    return ~crc >>> 0;
  }
}

function entryChecksum(t: Uint32Array, words: Uint32Array, at: number): number {
  let crc = twoWords(t, words[at]! ^ -1, words[at + 1]!);
  crc = twoWords(t, crc ^ words[at + 2]!, words[at + 3]!);
  crc = twoWords(t, crc ^ words[at + 4]!, words[at + 5]!);
  crc ^= words[at + 6]!;
  crc = t[768 + (crc & 0xff)]! ^ t[512 + ((crc >>> 8) & 0xff)]! ^ t[256 + ((crc >>> 16) & 0xff)]! ^ t[crc >>> 24]!;
  return ~crc >>> 0;
}

/** Two words a step: the eight lookups do not wait for one another. */
function twoWords(t: Uint32Array, crc: number, next: number): number {
  return t[1792 + (crc & 0xff)]! ^ t[1536 + ((crc >>> 8) & 0xff)]! ^ t[1280 + ((crc >>> 16) & 0xff)]! ^
    t[1024 + (crc >>> 24)]! ^ t[768 + (next & 0xff)]! ^ t[512 + ((next >>> 8) & 0xff)]! ^
    t[256 + ((next >>> 16) & 0xff)]! ^ t[next >>> 24]!;
}

function makeTables(polynomial: number): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    tables[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[byte]!;
    for (let k = 1; k < 8; k++) {
      crc = tables[crc & 0xff]! ^ (crc >>> 8);
      tables[k * 256 + byte] = crc;
    }
  }
  return tables;
}
