/**
 * The records that all data files are made of, and the version they begin with (spec stores, section 3.2). Little-endian:
 *
 *     file:    | version u32 = 1 | record | record | …
 *     record:  | word u32        | crc u32 | payload |
 *     word:    untyped (server.dat, msgs.N.dat): payload size
 *              typed (clients.dat, subs.dat):    type << 24 | payload size
 *     crc:     of the payload alone
 */
import type { OpenFile } from "../../ports/files.ts";
import type { Offset } from "../../protocol/units.ts";
import type { Checksum } from "./checksum.ts";

/** Bytes of the version that every file begins with. */
export const VERSION_SIZE = 4;
/** Bytes before a record's payload. */
export const HEADER_SIZE = 8;
/** The largest payload a typed record can have. */
export const MAX_TYPED_PAYLOAD = 0xffffff;
/** No payload is larger: what claims to be is damage. Bounds the memory that a damaged size can ask for. */
export const MAX_PAYLOAD = 128 * 1024 * 1024;

/** The first bytes of every file. */
export function versionBytes(): Uint8Array {
  return Uint8Array.of(1, 0, 0, 0);
}

/** What is wrong with a file's version, `undefined` if nothing: the text of the error. */
export function versionProblem(bytes: Uint8Array, length: number): string | undefined {
  if (length < VERSION_SIZE) return `unable to verify file version: ${length === 0 ? "EOF" : "unexpected EOF"}`;
  const version = readU32(bytes, 0);
  return version === 1 ? undefined : `unsupported file version: ${version} (supports [1..1])`;
}

export function readU32(bytes: Uint8Array, at: Offset): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

export function writeU32(into: Uint8Array, at: Offset, value: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}

/** Writes a record's header; the payload of `size` bytes stands behind it already. `type` 0: untyped. */
export function writeHeader(into: Uint8Array, at: Offset, type: number, size: number, checksum: Checksum): void {
  writeU32(into, at, type === 0 ? size : type * 0x1000000 + size);
  writeU32(into, at + 4, checksum.of(into, at + HEADER_SIZE, at + HEADER_SIZE + size));
}

/** A whole record in bytes of its own. `type` 0: untyped. */
export function encodeRecord(type: number, payload: Uint8Array, checksum: Checksum): Uint8Array {
  if (type !== 0 && payload.length > MAX_TYPED_PAYLOAD) throw new RangeError(`record of ${payload.length} bytes`);
  const record = new Uint8Array(HEADER_SIZE + payload.length);
  record.set(payload, HEADER_SIZE);
  writeHeader(record, 0, type, payload.length, checksum);
  return record;
}

/** The error of a record whose checksum is wrong. */
export function crcProblem(stored: number, computed: number): string {
  return `corrupted data, expected crc to be ${hex32(stored)}, got ${hex32(computed)}`;
}

export function hex32(value: number): string {
  return "0x" + value.toString(16).padStart(8, "0");
}

/**
 * What the scanner found at its position.
 * - `record`: one, whole and right.
 * - `end`: the file ends here; `tail` says how many bytes of a header without payload lie behind.
 * - `zeros`: zeros in place of a header.
 * - `torn`: the file ends inside a record.
 * - `crc`: the payload is not what the checksum says.
 * - `oversized`: it claims to be larger than any payload may be.
 */
export type Found = "record" | "end" | "zeros" | "torn" | "crc" | "oversized";

const FIRST_BUFFER = 64 * 1024;

/** Reads a file's records one after the other. After each {@link next} its fields describe what was found. */
export class RecordScanner {
  /** Where the record begins. After `end` and `zeros`: where the whole records end. */
  at: Offset;
  type = 0;
  size = 0;
  crc = 0;
  /** The checksum as computed, after `crc`. */
  computed = 0;
  /** The payload is `bytes[start, start + present)`. Valid until the next call. */
  bytes: Uint8Array;
  start = 0;
  /** Bytes of the payload that there are: less than `size` when torn. */
  present = 0;
  /** Bytes of the header that there are, after `torn` and `end`. */
  headerPresent = 0;

  readonly #file: OpenFile;
  readonly #typed: boolean;
  readonly #checksum: Checksum | undefined;
  readonly #fileSize: Offset;
  /** `bytes[0, #filled)` is the file from `#base` on. */
  #base: Offset;
  #filled = 0;
  #next: Offset;

  /** `checksum` undefined: payloads are not checked. Begins at `from`, by default behind the version. */
  constructor(file: OpenFile, typed: boolean, checksum: Checksum | undefined, from: Offset = VERSION_SIZE) {
    this.#file = file;
    this.#typed = typed;
    this.#checksum = checksum;
    this.#fileSize = file.size();
    this.bytes = new Uint8Array(Math.max(HEADER_SIZE, Math.min(FIRST_BUFFER, this.#fileSize - from)));
    this.#base = this.#next = this.at = from;
  }

  next(): Found {
    this.at = this.#next;
    this.present =
      this.size =
      this.type =
      this.crc =
        0;
    const left = this.#fileSize - this.at;
    this.headerPresent = Math.max(0, Math.min(HEADER_SIZE, left));
    if (left <= 0) return "end";
    this.#load(this.headerPresent);
    this.start = this.at - this.#base + this.headerPresent;
    if (left < HEADER_SIZE) return "torn";
    const found = this.#readHeader(left);
    if (found !== "record") return found;
    if (left < HEADER_SIZE + this.size) return this.#readTorn(left - HEADER_SIZE);
    if (this.size > MAX_PAYLOAD) return "oversized";
    this.#load(HEADER_SIZE + this.size);
    this.start = this.at - this.#base + HEADER_SIZE;
    this.present = this.size;
    if (this.#checksum !== undefined) {
      this.computed = this.#checksum.of(this.bytes, this.start, this.start + this.size);
      if (this.computed !== this.crc) return "crc";
    }
    this.#next = this.at + HEADER_SIZE + this.size;
    return "record";
  }

  /** Where the next record begins. */
  get end(): Offset {
    return this.#next;
  }

  #readHeader(left: number): Found {
    const head = this.at - this.#base;
    const word = readU32(this.bytes, head);
    this.crc = readU32(this.bytes, head + 4);
    if (word === 0 && this.crc === 0) return "zeros";
    this.type = this.#typed ? word >>> 24 : 0;
    this.size = this.#typed ? word & MAX_TYPED_PAYLOAD : word;
    if (left === HEADER_SIZE && this.size > 0) return "end";
    return "record";
  }

  #readTorn(present: number): Found {
    this.present = Math.min(present, FIRST_BUFFER);
    this.#load(HEADER_SIZE + this.present);
    this.start = this.at - this.#base + HEADER_SIZE;
    return "torn";
  }

  /** Makes `count` bytes from the record's beginning available in the buffer. */
  #load(count: number): void {
    const from = this.at - this.#base;
    if (from + count <= this.#filled) return;
    const rest = this.#filled - from;
    if (count > this.bytes.length) {
      const larger = new Uint8Array(Math.min(Math.max(count, FIRST_BUFFER), MAX_PAYLOAD + HEADER_SIZE));
      larger.set(this.bytes.subarray(from, this.#filled));
      this.bytes = larger;
    } else if (rest > 0) this.bytes.copyWithin(0, from, this.#filled);
    this.#base = this.at;
    this.#filled = Math.max(0, rest);
    const read = this.#file.readAt(this.bytes.subarray(this.#filled), this.#base + this.#filled);
    this.#filled += read;
  }
}
