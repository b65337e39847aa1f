/**
 * Messages larger than what NATS takes, in pieces (spec clustering, section 11.9).
 *
 *     0 u32 CRC-32C of the rest   4 u32 0xffffffff (no message's head is so long: tells a piece from a message)
 *     8 8 bytes boot id of the sender   16 text from   varint number of the message   varint piece   varint pieces   bytes
 *
 * The pieces of a message arrive in order or the message is lost; nothing is asked for again here.
 */
import { Malformed } from "../../protocol/varint.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { crc32c } from "./crc32c.ts";

const MARK = 0xffffffff;
/** More than what a piece needs besides its bytes. */
const OVERHEAD = 512;
/** An unfinished message holds no more: what a NATS server takes at most (`max_pending`, 64 MiB), and what it is wrapped in. */
const MAX_MESSAGE = 65 * 1024 * 1024;

/** Whether these bytes are a piece and not a message. */
export function isChunk(bytes: Uint8Array, start = 0): boolean {
  return bytes.length >= start + 8 && bytes[start + 4] === 0xff && bytes[start + 5] === 0xff &&
    bytes[start + 6] === 0xff && bytes[start + 7] === 0xff;
}

/** Cuts `message` into pieces of at most `limit` bytes. */
export function cutIntoChunks(
  message: Uint8Array,
  from: string,
  boot: string,
  number: number,
  limit: number,
): Uint8Array[] {
  const size = Math.max(limit - OVERHEAD, 1024);
  const count = Math.ceil(message.length / size);
  const writer = new ByteWriter();
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    writer.u32(0);
    writer.u32(MARK);
    writer.hex(boot);
    writer.text(from);
    writer.number(number);
    writer.number(i);
    writer.number(count);
    writer.bytes(message.subarray(i * size, Math.min(message.length, (i + 1) * size)));
    writer.setU32(0, writer.checksum(4, writer.length));
    pieces.push(writer.take());
  }
  return pieces;
}

interface Unfinished {
  readonly boot: string;
  readonly number: number;
  readonly count: number;
  readonly pieces: Uint8Array[];
  bytes: number;
}

/** Puts messages together again, one at a time for each sender. */
export class Reassembly {
  readonly #bySender = new Map<string, Unfinished>();
  readonly #limit: number;
  /** Messages given up because a piece was missing, or too large. */
  lost = 0;

  /** Gives up a message of more than `limit` bytes. */
  constructor(limit = MAX_MESSAGE) {
    this.#limit = limit;
  }

  /** How many senders have an unfinished message here. */
  get senders(): number {
    return this.#bySender.size;
  }

  /** What the unfinished messages hold. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#bySender.values()) sum += bytes;
    return sum;
  }

  /** Takes a piece (its bytes are kept); the message when it is whole. Throws Malformed. */
  take(bytes: Uint8Array): Uint8Array | undefined {
    const reader = new ByteReader(bytes);
    if (reader.u32() !== crc32c(bytes, 4)) throw new Malformed("checksum of a piece", 0);
    reader.u32();
    const boot = reader.hex(8);
    const from = reader.text();
    const number = reader.number();
    const piece = reader.number();
    const count = reader.number();
    if (piece >= count) throw new Malformed(`piece ${piece} of ${count}`, reader.at);
    const unfinished = this.#unfinished(from, boot, number, piece, count);
    if (unfinished === undefined) return undefined;
    const data = reader.rest();
    unfinished.pieces.push(data);
    unfinished.bytes += data.length;
    if (unfinished.bytes > this.#limit) return this.#giveUp(from);
    if (unfinished.pieces.length < count) return undefined;
    this.#bySender.delete(from);
    return joined(unfinished);
  }

  /** Drops what is unfinished: the connection was lost. */
  clear(): void {
    this.#bySender.clear();
  }

  #unfinished(from: string, boot: string, number: number, piece: number, count: number): Unfinished | undefined {
    const known = this.#bySender.get(from);
    const fits = known !== undefined && known.boot === boot && known.number === number && known.count === count &&
      known.pieces.length === piece;
    if (fits) return known;
    if (known !== undefined) this.#giveUp(from);
    if (piece > 0) return undefined;
    const fresh = { boot, number, count, pieces: [], bytes: 0 };
    this.#bySender.set(from, fresh);
    if (this.#bySender.size > 64) this.#giveUp(this.#bySender.keys().next().value!);
    return fresh;
  }

  #giveUp(from: string): undefined {
    this.lost++;
    this.#bySender.delete(from);
    return undefined;
  }
}

function joined(unfinished: Unfinished): Uint8Array {
  const whole = new Uint8Array(unfinished.bytes);
  let at = 0;
  for (const piece of unfinished.pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
