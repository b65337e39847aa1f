/** Typed records on their way to the end of a file. */
import type { Offset } from "../../protocol/units.ts";
import { varintLength, writeVarint } from "../../protocol/varint.ts";
import type { Checksum } from "./checksum.ts";
import { HEADER_SIZE, writeHeader } from "./record.ts";

const FIRST = 256;
/** A buffer that grew beyond is given back when it is empty. */
const KEPT = 64 * 1024;
const FIELD_1 = 0x08, FIELD_2 = 0x10;

export class RecordBuffer {
  #bytes = new Uint8Array(FIRST);
  length = 0;
  readonly #checksum: Checksum;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  /** The records, as they belong into the file; a view. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  /** Adds a record whose payload `write` puts at an offset of the buffer; `size` is its length. */
  add(type: number, size: number, write: (into: Uint8Array, at: Offset) => void): void {
    this.#reserve(HEADER_SIZE + size);
    write(this.#bytes, this.length + HEADER_SIZE);
    this.#seal(type, size);
  }

  /** Adds a record of two numbers, fields 1 and 2: what notes deliveries and acknowledgements. */
  addPair(type: number, first: number, second: number): void {
    const size = (first > 0 ? 1 + varintLength(first) : 0) + (second > 0 ? 1 + varintLength(second) : 0);
    this.#reserve(HEADER_SIZE + size);
    const bytes = this.#bytes;
    let at = this.length + HEADER_SIZE;
    if (first > 0) {
      bytes[at] = FIELD_1;
      at = writeVarint(bytes, at + 1, first);
    }
    if (second > 0) {
      bytes[at] = FIELD_2;
      writeVarint(bytes, at + 1, second);
    }
    this.#seal(type, size);
  }

  #seal(type: number, size: number): void {
    writeHeader(this.#bytes, this.length, type, size, this.#checksum);
    this.length += HEADER_SIZE + size;
  }

  #reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.bytes);
    this.#bytes = larger;
  }

  clear(): void {
    this.length = 0;
    if (this.#bytes.length > KEPT) this.#bytes = new Uint8Array(FIRST);
  }
}
