/**
 * Protobuf varints. Values up to 2^53 are `number`s; readers leave the position behind the value in {@link VarintReader.at},
 * so that reading makes no object.
 */
import type { Offset } from "./units.ts";

/** Bytes that are not what the wire format asks for. `at` is the offset in the decoded buffer. */
export class Malformed extends Error {
  override readonly name = "Malformed";
  constructor(readonly reason: string, readonly at: Offset) {
    super(`${reason} at offset ${at}`);
  }
}

/** How many bytes `value` (0 to 2^53 - 1) takes. */
export function varintLength(value: number): number {
  let length = 1;
  while (value >= 0x80) {
    value = Math.floor(value / 0x80);
    length++;
  }
  return length;
}

/** Writes `value` (0 to 2^53 - 1) and returns the offset behind it. */
export function writeVarint(into: Uint8Array, at: Offset, value: number): Offset {
  while (value > 0x7fffffff) {
    into[at++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  while (value >= 0x80) {
    into[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  into[at++] = value;
  return at;
}

/** How many bytes `value` takes as a two's complement 64-bit varint: 10 when negative. */
export function varint64Length(value: bigint): number {
  let rest = BigInt.asUintN(64, value);
  let length = 1;
  while (rest >= 0x80n) {
    rest >>= 7n;
    length++;
  }
  return length;
}

/** Writes `value` as a two's complement 64-bit varint and returns the offset behind it. */
export function writeVarint64(into: Uint8Array, at: Offset, value: bigint): Offset {
  const unsigned = BigInt.asUintN(64, value);
  let low = Number(unsigned & 0xfffffffn);
  let middle = Number((unsigned >> 28n) & 0xfffffffn);
  const high = Number(unsigned >> 56n);
  let septets = high > 0 ? (high > 0x7f ? 10 : 9) : middle > 0 ? 4 + septetsOf(middle) : septetsOf(low);
  for (let i = 0; septets > 0; i++, septets--) {
    let septet: number;
    if (i < 4) {
      septet = low & 0x7f;
      low >>>= 7;
    } else if (i < 8) {
      septet = middle & 0x7f;
      middle >>>= 7;
    } else septet = i === 8 ? high & 0x7f : high >>> 7;
    into[at++] = septets > 1 ? septet | 0x80 : septet;
  }
  return at;
}

function septetsOf(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
}

const NOTHING = new Uint8Array(0);

/** Reads varints from one buffer. Reuse one and point it elsewhere with {@link reset}. */
export class VarintReader {
  at: Offset = 0;
  #bytes: Uint8Array = NOTHING;
  #end: Offset = 0;

  reset(bytes: Uint8Array, at: Offset, end: Offset): void {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.at >= this.#end;
  }

  /** A value below 2^53; larger ones (negative numbers among them) are Malformed: read those with {@link readInt64}. */
  readNumber(): number {
    const bytes = this.#bytes;
    let at = this.at;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (at >= this.#end) throw new Malformed("varint ends early", at);
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new Malformed("varint above 2^53", this.at);
        this.at = at;
        return value;
      }
      scale *= 0x80;
    }
    throw new Malformed("varint longer than 10 bytes", this.at);
  }

  /** The 64 bits as a signed value. */
  readInt64(): bigint {
    // Septets are gathered in whole numbers: a bigint for each would cost more than the rest of a message.
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.#end) throw new Malformed("varint ends early", this.at);
      const byte = this.#bytes[this.at++]!;
      const septet = byte & 0x7f;
      if (i < 4) low |= septet << (7 * i);
      else if (i < 8) middle |= septet << (7 * (i - 4));
      else high |= septet << (7 * (i - 8));
      if (byte >= 0x80) continue;
      if (i < 4) return BigInt(low);
      if (i < 7) return BigInt(middle * 0x10000000 + low);
      return BigInt.asIntN(64, (BigInt(high) << 56n) | (BigInt(middle) << 28n) | BigInt(low));
    }
    throw new Malformed("varint longer than 10 bytes", this.at);
  }

  /** Passes over a field's value of this wire type. */
  skip(wireType: number): void {
    if (wireType === 0) this.readInt64();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.#advance(this.readNumber());
    else if (wireType === 5) this.#advance(4);
    else throw new Malformed(`unknown wire type ${wireType}`, this.at);
  }

  #advance(count: number): void {
    if (this.at + count > this.#end) throw new Malformed("field ends early", this.at);
    this.at += count;
  }
}
