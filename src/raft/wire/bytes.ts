/** Writes and reads the small fields of Raft's messages and files: one growing buffer, and a cursor over another. */
import { decodeText, encodeText } from "../../protocol/text.ts";
import { Malformed, VarintReader, writeVarint } from "../../protocol/varint.ts";
import { crc32c } from "./crc32c.ts";

/** A larger buffer is given back. */
const KEPT = 2 * 1024 * 1024;

/** Bytes in hexadecimal digits. */
const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export class ByteWriter {
  #buffer = new Uint8Array(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
    if (this.#buffer.length > KEPT) this.#buffer = new Uint8Array(4096);
  }

  byte(value: number): void {
    this.#need(1);
    this.#buffer[this.#length++] = value;
  }

  u32(value: number): void {
    this.#need(4);
    this.#length += 4;
    this.setU32(this.#length - 4, value);
  }

  setU32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.#buffer[at + i] = value >>> (8 * i);
  }

  /** 0 to 2^53 - 1. */
  number(value: number): void {
    this.#need(10);
    this.#length = writeVarint(this.#buffer, this.#length, value);
  }

  text(value: string): void {
    const most = 3 * value.length;
    this.#need(10 + most);
    // Where the longest possible text has a length of one byte, the text need not be moved once its length is known.
    const at = this.#length + (most < 0x80 ? 1 : 10);
    const length = encodeText(value, this.#buffer, at) - at;
    this.#length = writeVarint(this.#buffer, this.#length, length);
    if (this.#length !== at) this.#buffer.copyWithin(this.#length, at, at + length);
    this.#length += length;
  }

  /** Bytes with their length before them. */
  block(value: Uint8Array): void {
    this.number(value.length);
    this.bytes(value);
  }

  /** The bytes that pairs of hexadecimal digits, in small letters, stand for. */
  hex(digits: string): void {
    for (let i = 0; i < digits.length; i += 2) {
      this.byte((digitOf(digits.charCodeAt(i)) << 4) | digitOf(digits.charCodeAt(i + 1)));
    }
  }

  bytes(value: Uint8Array): void {
    this.#need(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  checksum(start: number, end: number): number {
    return crc32c(this.#buffer, start, end);
  }

  /** A copy of what was written; begins anew. */
  take(): Uint8Array {
    const bytes = this.#buffer.slice(0, this.#length);
    this.clear();
    return bytes;
  }

  /** What was written, as a view that is good until the next write. Begins anew. */
  view(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  #need(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#length + count, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

/** Every reader throws Malformed when the bytes end early. */
export class ByteReader {
  readonly #varint = new VarintReader();
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#varint.reset(bytes, 0, bytes.length);
  }

  get at(): number {
    return this.#varint.at;
  }

  get done(): boolean {
    return this.#varint.done;
  }

  byte(): number {
    return this.#bytes[this.#skip(1)]!;
  }

  u32(): number {
    const at = this.#skip(4);
    const b = this.#bytes;
    return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
  }

  number(): number {
    return this.#varint.readNumber();
  }

  text(): string {
    const length = this.number();
    const at = this.#skip(length);
    return decodeText(this.#bytes, at, at + length);
  }

  /** A view of bytes that have their length before them. */
  block(): Uint8Array {
    const length = this.number();
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  hex(count: number): string {
    const at = this.#skip(count);
    let digits = "";
    for (let i = at; i < at + count; i++) digits += DIGITS[this.#bytes[i]!]!;
    return digits;
  }

  /** What is left, as a view. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#skip(0));
  }

  #skip(count: number): number {
    const at = this.#varint.at;
    if (count < 0 || at + count > this.#bytes.length) throw new Malformed("bytes end early", at);
    this.#varint.at = at + count;
    return at;
  }
}

function digitOf(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}
