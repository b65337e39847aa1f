/**
 * Reads a log's segments back. A record that is not sound is a torn tail, and cut, unless something after it proves that
 * it was on the disk once: a later record or mark whose `synced` lies behind it, or a later segment. Then the log is
 * damaged: nothing is cut, and the caller must not vote with it (spec clustering, section 11.7, P3).
 */
import type { Files } from "../../ports/files.ts";
import { WalIndex } from "./wal_index.ts";
import {
  BASE,
  chainFits,
  decodeSegmentHeader,
  ENTRY,
  MARK,
  readRecord,
  recordSize,
  RESTART,
  SEGMENT_HEADER,
  type SegmentHeader,
  type WalRecord,
} from "./wal_format.ts";

/** Where the log can no longer be read, though it once was on the disk. */
export interface WalDamage {
  readonly path: string;
  readonly offset: number;
  readonly reason: string;
}

export interface RecoveredSegment {
  readonly number: number;
  readonly path: string;
  readonly size: number;
}

export interface RecoveredWal {
  readonly index: WalIndex;
  /** Ascending; the last one is written on. */
  readonly segments: RecoveredSegment[];
  /** The chain that the next record goes on from. */
  readonly chain: number;
  /** The highest commit index that a mark told. */
  readonly commit: number;
  /** Bytes cut off as a torn tail. */
  readonly torn: number;
  readonly damage: WalDamage | undefined;
  /** The identity in the newest header that has one. */
  readonly identity: Uint8Array | undefined;
}

const NAME = /^(\d{8})\.wal$/;

/** The path of segment `number`. */
export function segmentPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(8, "0")}.wal`;
}

/** Reads all segments of `directory`, cutting a torn tail off. */
export function recoverWal(files: Files, directory: string): RecoveredWal {
  return new Recovery(files, directory).run();
}

class Recovery {
  readonly #index = new WalIndex();
  readonly #segments: RecoveredSegment[] = [];
  #chain = 0;
  #commit = 0;
  #torn = 0;
  /** The first segments were removed: what is said about entries in them makes no sense until the newest base is read. */
  #pruned = false;
  /** The newest base that a record told. */
  #told = 0;
  #damage: WalDamage | undefined;
  #identity: Uint8Array | undefined;

  constructor(readonly files: Files, readonly directory: string) {}

  run(): RecoveredWal {
    const numbers = this.files.list(this.directory)
      .flatMap((entry) => entry.isFile && NAME.test(entry.name) ? [Number(entry.name.slice(0, 8))] : [])
      .sort((a, b) => a - b);
    if (numbers.length > 0 && this.#isUnfinished(numbers[numbers.length - 1]!)) numbers.pop();
    this.#pruned = (numbers[0] ?? 1) > 1;
    for (let i = 0; i < numbers.length && this.#damage === undefined; i++) {
      this.#readSegment(numbers[i]!, i > 0 && numbers[i]! !== numbers[i - 1]! + 1, i === numbers.length - 1);
    }
    if (this.#index.baseIndex !== this.#told && this.#damage === undefined) {
      this.#fail(
        segmentPath(this.directory, numbers[0]!),
        0,
        `entries before ${this.#index.baseIndex + 1} are missing`,
      );
    }
    return {
      index: this.#index,
      segments: this.#segments,
      chain: this.#chain,
      commit: this.#commit,
      torn: this.#torn,
      damage: this.#damage,
      identity: this.#identity,
    };
  }

  #readSegment(number: number, gap: boolean, isLast: boolean): void {
    const path = segmentPath(this.directory, number);
    const bytes = this.#read(path);
    if (gap) return this.#fail(path, 0, "the segment before this one is missing");
    const header = decodeSegmentHeader(bytes);
    if (typeof header === "string") return this.#fail(path, 0, header);
    if (header.number !== number) return this.#fail(path, 12, `holds segment ${header.number}`);
    if (this.#segments.length > 0 && header.chain !== this.#chain) {
      return this.#fail(path, 32, "does not follow the segment before it");
    }
    this.#chain = header.chain;
    this.#noteIdentity(header);
    const end = this.#readRecords(path, number, bytes);
    if (end < bytes.length) this.#badRecord(path, bytes, end, isLast);
    if (this.#damage === undefined) this.#segments.push({ number, path, size: end });
  }

  #noteIdentity(header: SegmentHeader): void {
    if (header.identity.some((byte) => byte !== 0)) this.#identity = header.identity;
  }

  /**
   * A segment's header is synced before its first record: without one there is nothing to lose in the last segment, which
   * is removed. What is written goes on behind the one before, whose end may be torn as well.
   */
  #isUnfinished(number: number): boolean {
    const path = segmentPath(this.directory, number);
    const header = decodeSegmentHeader(this.#read(path, SEGMENT_HEADER));
    if (typeof header !== "string" || header.startsWith("log format")) return false;
    const bytes = this.#read(path);
    const zero = bytes.subarray(SEGMENT_HEADER).every((byte) => byte === 0);
    if (!zero && bytes.length > SEGMENT_HEADER) return false;
    this.#torn += bytes.length;
    this.files.remove(path);
    this.files.syncDirectory(this.directory);
    return true;
  }

  /** Takes in sound records; returns the offset behind the last one. */
  #readRecords(path: string, number: number, bytes: Uint8Array): number {
    const record: WalRecord = { type: 0, index: 0, term: 0, synced: 0, start: 0, length: 0, chain: 0 };
    let at = SEGMENT_HEADER;
    while (readRecord(bytes, at, bytes.length, record) && chainFits(bytes, at, this.#chain)) {
      if (!this.#take(path, at, number, record)) return at;
      this.#chain = record.chain;
      at += recordSize(record.length);
    }
    return at;
  }

  #take(path: string, at: number, segment: number, record: WalRecord): boolean {
    if (record.type === MARK) this.#commit = Math.max(this.#commit, record.index);
    else if (record.type === BASE || record.type === RESTART) this.#takeBase(record);
    else if (record.type >= ENTRY && record.type < ENTRY + 16) return this.#takeEntry(path, at, segment, record);
    else {
      this.#fail(path, at, `record type ${record.type} is unknown`);
      return false;
    }
    return true;
  }

  #takeBase(record: WalRecord): void {
    if (record.type === BASE) this.#index.rebase(record.index, record.term);
    else this.#index.restart(record.index, record.term);
    this.#told = Math.max(this.#told, record.index);
  }

  #takeEntry(path: string, at: number, segment: number, record: WalRecord): boolean {
    const index = this.#index;
    const before = record.index <= index.baseIndex && index.baseIndex !== this.#told;
    if (this.#pruned && (before || record.index > index.lastIndex + 1)) index.startAt(record.index);
    if (record.index > index.lastIndex + 1 || record.index <= index.baseIndex) {
      this.#fail(path, at, `entry ${record.index} follows entry ${index.lastIndex}`);
      return false;
    }
    index.truncateAfter(record.index - 1);
    index.add(record.term, record.type - ENTRY, segment, record.start, record.length);
    return true;
  }

  #badRecord(path: string, bytes: Uint8Array, at: number, isLast: boolean): void {
    if (this.#damage !== undefined) return;
    if (!isLast) return this.#fail(path, at, "record damaged, and the log goes on after it");
    const proof = provenDurable(bytes, at);
    if (proof !== undefined) {
      return this.#fail(
        path,
        at,
        `record damaged: the record at offset ${proof} was written after it was safe on the disk`,
      );
    }
    this.#torn += bytes.length - at;
    const file = this.files.open(path, { mode: "existing" });
    try {
      file.truncate(at);
      file.syncNow();
    } finally {
      file.close();
    }
  }

  #fail(path: string, offset: number, reason: string): void {
    this.#damage ??= { path, offset, reason };
  }

  #read(path: string, most = Infinity): Uint8Array {
    const file = this.files.open(path, { mode: "read" });
    try {
      const bytes = new Uint8Array(Math.min(most, file.size()));
      const got = file.readAt(bytes, 0);
      return got === bytes.length ? bytes : bytes.subarray(0, got);
    } finally {
      file.close();
    }
  }
}

/** The offset of a sound record after `at` that says that `at` was durable when it was written. */
function provenDurable(bytes: Uint8Array, at: number): number | undefined {
  const record: WalRecord = { type: 0, index: 0, term: 0, synced: 0, start: 0, length: 0, chain: 0 };
  for (let next = at + 8; next < bytes.length; next += 8) {
    if (readRecord(bytes, next, bytes.length, record) && record.synced > at) return next;
  }
  return undefined;
}
