/**
 * The bytes of the write-ahead log. A segment is a file `00000001.wal`: one header, then records back to back. All numbers are
 * little-endian; a record's payload is followed by zeros up to a multiple of 8.
 *
 *     segment header (48 bytes)
 *      0 "STANRAFT"   8 u32 format   12 u32 segment number   16 cluster identity (16; zeros: none yet)
 *     32 u32 chain at the end of the segment before   36 u32 0   40 u32 0   44 u32 CRC-32C of bytes 0 to 44
 *
 *     record (40 bytes and the payload)
 *      0 u8 'R'  1 u8 0xa5  2 u8 version  3 u8 type   4 u32 payload length
 *      8 u64 index            16 u64 term
 *     24 u32 synced: everything before this offset of this segment was on the disk when the record was written
 *     28 u32 CRC-32 (zlib) of the payload; in records of version 1 its CRC-32C
 *     32 u32 CRC-32C of bytes 0 to 32   36 u32 chain: CRC-32C of (previous chain, bytes 32 to 36)
 *
 * An entry whose index is not above the last one's replaces everything from that index on: nothing is ever overwritten.
 * A mark says how far the log is durable (`synced`) and committed (`index`). A base says that the log now begins after
 * (`index`, `term`), which it held: entries up to there are gone. After a restart the log begins there, too, and every
 * entry written before it is gone.
 */
import { crc32c, payloadChecksum } from "../wire/mod.ts";

export const SEGMENT_HEADER = 48;
export const RECORD_HEADER = 40;
export const FORMAT = 1;
/** Type of a mark, of a base, of a restart, and of the first of 16 kinds of entries. */
export const MARK = 1;
export const BASE = 2;
export const RESTART = 3;
export const ENTRY = 16;
/** A record's payload is never longer: 128 MiB. */
export const MAX_PAYLOAD = 128 * 1024 * 1024;

const MAGIC = new TextEncoder().encode("STANRAFT");
const VERSION = 2;

export interface SegmentHeader {
  readonly number: number;
  /** 16 bytes. */
  readonly identity: Uint8Array;
  readonly chain: number;
}

/** A record as read. Its payload stands at `start`, `length` bytes long. */
export interface WalRecord {
  type: number;
  index: number;
  term: number;
  synced: number;
  start: number;
  length: number;
  /** What the next record chains to. */
  chain: number;
}

function putU32(into: Uint8Array, at: number, value: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}

function getU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function putU53(into: Uint8Array, at: number, value: number): void {
  putU32(into, at, value >>> 0);
  putU32(into, at + 4, Math.floor(value / 0x100000000));
}

function getU53(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at + 4) * 0x100000000 + getU32(bytes, at);
}

/** The bytes of a segment header. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER);
  bytes.set(MAGIC, 0);
  putU32(bytes, 8, FORMAT);
  putU32(bytes, 12, header.number);
  bytes.set(header.identity, 16);
  putU32(bytes, 32, header.chain);
  putU32(bytes, 44, crc32c(bytes, 0, 44));
  return bytes;
}

/** Reads a segment header; a text says what is wrong with it. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | string {
  if (bytes.length < SEGMENT_HEADER) return "segment header cut off";
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) return "not a log segment";
  if (getU32(bytes, 8) !== FORMAT) return `log format ${getU32(bytes, 8)}, this server reads ${FORMAT}`;
  if (getU32(bytes, 44) !== crc32c(bytes, 0, 44)) return "segment header damaged";
  return { number: getU32(bytes, 12), identity: bytes.slice(16, 32), chain: getU32(bytes, 32) };
}

/** Bytes a record takes in the log with this payload. */
export function recordSize(payloadLength: number): number {
  return RECORD_HEADER + ((payloadLength + 7) & ~7);
}

/** Writes a record at `at`, chained to `chain`; returns its own chain. `payloadCrc` is the checksum of the payload. */
export function writeRecord(
  into: Uint8Array,
  at: number,
  record: { type: number; index: number; term: number; synced: number },
  payload: Uint8Array,
  payloadCrc: number,
  chain: number,
): number {
  into[at] = 0x52;
  into[at + 1] = 0xa5;
  into[at + 2] = VERSION;
  into[at + 3] = record.type;
  putU32(into, at + 4, payload.length);
  putU53(into, at + 8, record.index);
  putU53(into, at + 16, record.term);
  putU32(into, at + 24, record.synced);
  putU32(into, at + 28, payloadCrc);
  putU32(into, at + 32, crc32c(into, at, at + 32));
  const next = chained(chain, into, at);
  putU32(into, at + 36, next);
  into.set(payload, at + RECORD_HEADER);
  into.fill(0, at + RECORD_HEADER + payload.length, at + recordSize(payload.length));
  return next;
}

const link = new Uint8Array(4);

function chained(chain: number, bytes: Uint8Array, at: number): number {
  putU32(link, 0, chain);
  return crc32c(bytes, at + 32, at + 36, crc32c(link));
}

/**
 * Reads the record at `at` of `bytes` into `into`; `false` when there is no whole and sound record, whatever chain it
 * belongs to. Compare with {@link chainFits} whether it follows the one before.
 */
export function readRecord(bytes: Uint8Array, at: number, end: number, into: WalRecord): boolean {
  if (at + RECORD_HEADER > end) return false;
  const version = bytes[at + 2]!;
  if (bytes[at] !== 0x52 || bytes[at + 1] !== 0xa5 || version < 1 || version > VERSION) return false;
  if (getU32(bytes, at + 32) !== crc32c(bytes, at, at + 32)) return false;
  const length = getU32(bytes, at + 4);
  const start = at + RECORD_HEADER;
  if (length > MAX_PAYLOAD || at + recordSize(length) > end) return false;
  const payload = bytes.subarray(start, start + length);
  if (getU32(bytes, at + 28) !== (version === 1 ? crc32c(payload) : payloadChecksum(payload))) return false;
  into.type = bytes[at + 3]!;
  into.index = getU53(bytes, at + 8);
  into.term = getU53(bytes, at + 16);
  into.synced = getU32(bytes, at + 24);
  into.start = start;
  into.length = length;
  into.chain = getU32(bytes, at + 36);
  return true;
}

/** Whether the record at `at` was written right after one that ended in `chain`. */
export function chainFits(bytes: Uint8Array, at: number, chain: number): boolean {
  return chained(chain, bytes, at) === getU32(bytes, at + 36);
}

const found: WalRecord = { type: 0, index: 0, term: 0, synced: 0, start: 0, length: 0, chain: 0 };

/** Whether `bytes[start, end)` is a sound record of this very entry, and nothing else. */
export function holdsEntry(bytes: Uint8Array, start: number, end: number, index: number, term: number): boolean {
  return readRecord(bytes, start, end, found) && start + recordSize(found.length) === end && found.index === index &&
    found.term === term;
}
