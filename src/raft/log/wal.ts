/**
 * The write-ahead log of one node: entries appended in batches, one write a batch, made durable by one sync for all that
 * was written before it (spec clustering, section 11.7). What is not cached is read back in runs.
 */
import { FileFailed, type Files } from "../../ports/files.ts";
import type { Seal } from "../../ports/seal.ts";
import { checksumOf } from "../wire/mod.ts";
import { makeDurableDirectory } from "../durable_directory.ts";
import { BASE, ENTRY, MARK, recordSize, RESTART, SEGMENT_HEADER, writeRecord } from "./wal_format.ts";
import { WalCache, type WalEntry } from "./wal_cache.ts";
import type { WalIndex } from "./wal_index.ts";
import { readRun } from "./wal_reading.ts";
import { recoverWal, type WalDamage } from "./wal_recovery.ts";
import { type Segment, WalSegments } from "./wal_segments.ts";

export type { WalEntry } from "./wal_cache.ts";

export interface WalOptions {
  /** 16 bytes; zeros while the cluster has none. */
  readonly identity: Uint8Array;
  /** A new segment begins behind this many bytes. */
  readonly segmentBytes?: number;
  /** How many of the newest entries stay in memory; 0: none. */
  readonly cacheEntries?: number;
  /** Encrypts payloads. */
  readonly seal?: Seal | undefined;
}

/** A new segment begins behind this many bytes, unless the options say otherwise. */
export const SEGMENT_BYTES = 8 * 1024 * 1024;
const EMPTY = new Uint8Array(0);

export class Wal {
  readonly damage: WalDamage | undefined;
  /** Bytes of an unfinished write that opening cut off. */
  readonly torn: number;
  readonly #index: WalIndex;
  readonly #segments: WalSegments;
  readonly #cache: WalCache;
  #identity: Uint8Array;
  #chain: number;
  /** In the active segment: what is on the disk for certain, and what has to get there (marks need not). */
  #synced = 0;
  #wanted = 0;
  /** Where the last mark ended. */
  #marked = 0;
  /** What a failed write left behind is cut off, but not on the disk yet. */
  #cuttingOff = false;
  #syncing: Promise<void> | undefined;
  #failed: unknown;
  #commit: number;
  #slab = new Uint8Array(64 * 1024);

  /** Opens the log in `directory`, made when missing. Throws FileFailed; damage is told by {@link damage}. */
  constructor(files: Files, readonly directory: string, readonly options: WalOptions) {
    makeDurableDirectory(files, directory);
    const recovered = recoverWal(files, directory);
    this.#index = recovered.index;
    this.#chain = recovered.chain;
    this.#commit = recovered.commit;
    this.#identity = options.identity;
    this.damage = recovered.damage;
    this.torn = recovered.torn;
    this.#cache = new WalCache(options.cacheEntries ?? 512);
    this.#segments = new WalSegments(files, directory, recovered.segments);
    if (this.damage === undefined) this.#settleRecovered();
  }

  get baseIndex(): number {
    return this.#index.baseIndex;
  }

  get baseTerm(): number {
    return this.#index.baseTerm;
  }

  get lastIndex(): number {
    return this.#index.lastIndex;
  }

  get lastTerm(): number {
    return this.#index.lastTerm;
  }

  /** The highest commit index that a mark on the disk told. */
  get commitHint(): number {
    return this.#commit;
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return this.#segments.bytes;
  }

  /** Whether something was written since the last sync began. */
  get unsynced(): boolean {
    return this.#synced < this.#wanted;
  }

  /** The cluster's identity, for the headers of segments to come. */
  setIdentity(identity: Uint8Array): void {
    this.#identity = identity;
  }

  /** The term of entry `index` or of the base; `undefined` when the log does not hold it. */
  term(index: number): number | undefined {
    return this.#index.term(index);
  }

  /** The kind of entry `index`, which the log must hold. Throws RangeError. */
  kind(index: number): number {
    return this.#index.kind(index);
  }

  /** Bytes the stored entries from `from` to `to` take, at most. */
  bytesBetween(from: number, to: number): number {
    let total = 0;
    for (let i = Math.max(from, this.baseIndex + 1); i <= to && this.#index.has(i); i++) total += this.#index.length(i);
    return total;
  }

  /** Entries from `from` up to, not including, `to`; at least one, and no more once their records pass `maxBytes`. Throws RangeError, FileFailed. */
  read(from: number, to: number, maxBytes: number): WalEntry[] {
    const found: WalEntry[] = [];
    let bytes = 0;
    while (from + found.length < to) {
      const index = from + found.length;
      const size = recordSize(this.#index.length(index));
      if (found.length > 0 && bytes + size > maxBytes) break;
      const cached = this.#cache.get(index);
      if (cached === undefined) bytes += this.#load(index, to, maxBytes - bytes, found);
      else {
        found.push(cached);
        bytes += size;
      }
    }
    return found;
  }

  /**
   * Writes entries: contiguous, the first at most one above the last; it replaces that and everything after. Not yet
   * durable. Throws FileFailed; then nothing was appended.
   */
  append(entries: readonly WalEntry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index > this.lastIndex + 1 || first.index <= this.baseIndex) {
      throw new RangeError(`cannot append entry ${first.index} to the log (${this.baseIndex}, ${this.lastIndex}]`);
    }
    const stored = this.options.seal === undefined
      ? entries.map((entry) => entry.payload)
      : entries.map((entry) => this.options.seal!.seal(entry.payload));
    const size = stored.reduce((sum, payload) => sum + recordSize(payload.length), 0);
    const segment = this.#segmentFor(size);
    const slab = this.#room(size);
    let at = 0;
    let chain = this.#chain;
    for (let i = 0; i < entries.length; i++) {
      const { index, term, kind } = entries[i]!;
      const payload = stored[i]!;
      const record = { type: ENTRY + kind, index, term, synced: this.#synced };
      chain = writeRecord(slab, at, record, payload, checksumOf(payload), chain);
      at += recordSize(payload.length);
    }
    const start = segment.size;
    this.#write(segment, slab.subarray(0, at), chain);
    this.#noteEntries(entries, stored, segment.number, start);
  }

  /** Blocks until everything written is durable, marks too. Throws FileFailed; the log is dead then. */
  syncNow(): void {
    const segment = this.#usable();
    const upTo = segment.size;
    if (this.#synced >= upTo && !this.#cuttingOff) return;
    try {
      segment.file.syncNow();
    } catch (cause) {
      this.#failed = cause;
      throw cause;
    }
    this.#cuttingOff = false;
    this.#noteSynced(segment, upTo);
  }

  /** As {@link syncNow} without blocking; what is written meanwhile needs another sync. One at a time. */
  sync(): Promise<void> {
    this.#syncing ??= this.#syncOnce();
    return this.#syncing;
  }

  /** Notes in the log how far it is durable and committed; itself not synced. Cheap, and skipped when it says nothing new. */
  mark(commit: number): void {
    const segment = this.#segments.active;
    if (segment === undefined || this.#failed !== undefined) return;
    if (commit <= this.#commit && this.#marked === segment.size) return;
    this.#commit = Math.max(commit, this.#commit);
    try {
      this.#control(MARK, this.#commit, this.#index.lastTerm);
      this.#marked = segment.size;
    } catch (cause) {
      if (!(cause instanceof FileFailed) || cause.code !== "full") throw cause;
    }
  }

  /** Drops entries up to `index`, which a durable snapshot covers. Durable when it returns. */
  cut(index: number): void {
    const term = this.#index.term(index);
    if (index <= this.baseIndex || term === undefined) return;
    this.#rebase(BASE, index, term);
  }

  /** Drops all entries: the log now begins after (`index`, `term`), as a durable snapshot says. Durable when it returns. */
  restart(index: number, term: number): void {
    this.#rebase(RESTART, index, term);
  }

  /** Removes one segment that {@link cut} or {@link restart} left over; answers whether there are more. Removing takes milliseconds. */
  tidy(): boolean {
    return this.#segments.tidy();
  }

  /** Syncs nothing; idempotent. */
  close(): void {
    this.#segments.close();
  }

  #usable(): Segment {
    if (this.damage !== undefined) throw new Error(`log damaged: ${this.damage.path}`);
    if (this.#failed !== undefined) throw new Error("log failed before", { cause: this.#failed });
    return this.#segments.active ?? this.#newSegment();
  }

  /** What was read may never have been synced by the process that wrote it: sync it before anything builds on it. */
  #settleRecovered(): void {
    const active = this.#segments.active;
    if (active === undefined) return;
    active.file.syncNow();
    this.#synced = active.size;
    this.#wanted = active.size;
    this.#marked = active.size;
  }

  async #syncOnce(): Promise<void> {
    const segment = this.#usable();
    const upTo = segment.size;
    try {
      await segment.file.sync();
    } catch (cause) {
      this.#failed = cause;
      throw cause;
    } finally {
      this.#syncing = undefined;
    }
    if (segment === this.#segments.active) this.#noteSynced(segment, upTo);
  }

  #noteSynced(segment: Segment, upTo: number): void {
    this.#synced = Math.max(this.#synced, upTo);
    if (segment.size === upTo && this.#marked !== upTo) this.mark(this.#commit);
  }

  /** A mark or base, behind everything written so far. */
  #control(type: number, index: number, term: number): void {
    const segment = this.#usable();
    const slab = this.#room(recordSize(0));
    const chain = writeRecord(slab, 0, { type, index, term, synced: this.#synced }, EMPTY, 0, this.#chain);
    this.#write(segment, slab.subarray(0, recordSize(0)), chain);
  }

  #write(segment: Segment, bytes: Uint8Array, chain: number): void {
    try {
      segment.file.writeAt(bytes, segment.size);
    } catch (cause) {
      this.#undo(segment, cause);
      throw cause;
    }
    segment.size += bytes.length;
    this.#chain = chain;
  }

  /** After a failed write: what it left behind must not be taken for records later. */
  #undo(segment: Segment, cause: unknown): void {
    this.#cuttingOff = true;
    try {
      segment.file.truncate(segment.size);
    } catch {
      this.#failed = cause;
    }
    if (!(cause instanceof FileFailed) || cause.code !== "full") this.#failed = cause;
  }

  #noteEntries(entries: readonly WalEntry[], stored: readonly Uint8Array[], segment: number, start: number): void {
    this.#wanted = this.#segments.active!.size;
    this.#index.truncateAfter(entries[0]!.index - 1);
    this.#cache.truncateAfter(entries[0]!.index - 1);
    let at = start;
    for (let i = 0; i < entries.length; i++) {
      const { term, kind } = entries[i]!;
      const length = stored[i]!.length;
      this.#index.add(term, kind, segment, at + recordSize(0), length);
      at += recordSize(length);
      this.#cache.add(entries[i]!);
    }
  }

  #segmentFor(size: number): Segment {
    const active = this.#usable();
    if (active.size === SEGMENT_HEADER || active.size + size <= (this.options.segmentBytes ?? SEGMENT_BYTES)) {
      return active;
    }
    // Marks too: the next segment's header tells the chain at the very end of this one, behind which there must be nothing.
    this.#marked = active.size;
    this.#wanted = active.size;
    this.syncNow();
    return this.#newSegment();
  }

  #newSegment(): Segment {
    const segment = this.#segments.begin({ identity: this.#identity, chain: this.#chain });
    this.#synced = SEGMENT_HEADER;
    this.#wanted = SEGMENT_HEADER;
    this.#marked = SEGMENT_HEADER;
    return segment;
  }

  #rebase(type: number, index: number, term: number): void {
    this.#usable();
    this.#control(type, index, term);
    this.#wanted = this.#segments.active!.size;
    this.syncNow();
    this.#cache.dropThrough(index);
    if (type === RESTART) this.#cache.truncateAfter(0);
    if (type === RESTART) this.#index.restart(index, term);
    else this.#index.rebase(index, term);
    const active = this.#segments.active!.number;
    this.#segments.keepFrom(this.#index.has(index + 1) ? this.#index.segment(index + 1) : active);
  }

  #room(size: number): Uint8Array {
    if (size > 4 * 1024 * 1024) return new Uint8Array(size);
    if (size > this.#slab.length) this.#slab = new Uint8Array(Math.max(size, this.#slab.length * 2));
    return this.#slab;
  }

  /** Puts entry `from`, and those before `to` that come with the same read, into `into`; answers how many bytes their records take. */
  #load(from: number, to: number, maxBytes: number, into: WalEntry[]): number {
    const { file } = this.#segments.of(this.#index.segment(from));
    const cached = this.#cache.first;
    const stored = readRun(file, this.#index, from, cached > from ? Math.min(cached, to) : to, maxBytes);
    const { seal } = this.options;
    let bytes = 0;
    for (let i = 0; i < stored.length; i++) {
      const index = from + i;
      const payload = seal === undefined ? stored[i]! : seal.open(stored[i]!);
      into.push({ index, term: this.#index.term(index)!, kind: this.#index.kind(index), payload });
      bytes += recordSize(stored[i]!.length);
    }
    return bytes;
  }
}
