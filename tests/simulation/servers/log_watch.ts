/**
 * A node's Raft log as its disk gets it: read off the writes to its files, with the marks of the format only, so that
 * nothing the code under test believes of its log is believed here.
 */
import {
  BASE,
  chainFits,
  decodeSegmentHeader,
  ENTRY,
  MARK,
  readRecord,
  RECORD_HEADER,
  recordSize,
  RESTART,
  SEGMENT_HEADER,
} from "../../../src/raft/log/wal_format.ts";
import type { FileWatcher, MemoryFiles } from "../../support/memory_files.ts";

export interface WatchedEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: number;
  readonly checksum: number;
  /** Counts the writes of this log: an entry is durable once a sync of its file that began after its write has ended. */
  readonly write: number;
  readonly path: string;
}

export interface LogListener {
  /** `entry` is written after one of `previousTerm`; its payload is good during the call only. */
  appended(entry: WatchedEntry, previousTerm: number | undefined, payload: Uint8Array): void;
  /** Entries from `index` on are replaced. */
  cutFrom(index: number): void;
  /** Entries up to `index` are dropped: a snapshot holds them, or, where the log `restarts`, takes the place of all. */
  dropped(index: number, restarts: boolean): void;
}

const SCRATCH = { type: 0, index: 0, term: 0, synced: 0, start: 0, length: 0, chain: 0 };
const DIRECTORY = "/raft/sim/log";

export class LogWatch implements FileWatcher {
  baseIndex = 0;
  baseTerm = 0;
  readonly #entries: WatchedEntry[] = [];
  #writes = 0;
  /** By file: up to which write it is on the disk. */
  readonly #synced = new Map<string, number>();
  readonly #listener: LogListener;
  #reading = false;

  /** Begins with what is on the disk. */
  constructor(files: MemoryFiles, listener: LogListener) {
    this.#listener = listener;
    this.#reading = true;
    for (const { path, size } of files.tree(DIRECTORY)) {
      if (!path.endsWith(".wal")) continue;
      const file = files.open(path, { mode: "read" });
      const bytes = new Uint8Array(size);
      file.readAt(bytes, 0);
      file.close();
      const header = decodeSegmentHeader(bytes);
      if (typeof header !== "string") this.#take(path, bytes, SEGMENT_HEADER, header.chain);
      this.#synced.set(path, this.#writes);
    }
    this.#reading = false;
  }

  get lastIndex(): number {
    return this.baseIndex + this.#entries.length;
  }

  at(index: number): WatchedEntry | undefined {
    return this.#entries[index - this.baseIndex - 1];
  }

  termAt(index: number): number | undefined {
    return index === this.baseIndex ? this.baseTerm : this.at(index)?.term;
  }

  /** Everything up to here would survive a power loss. */
  get durableIndex(): number {
    let count = this.#entries.length;
    while (count > 0 && !this.#isSynced(this.#entries[count - 1]!)) count--;
    return this.baseIndex + count;
  }

  isDurable(index: number, term: number): boolean {
    if (index <= this.baseIndex) return true;
    const entry = this.at(index);
    return entry !== undefined && entry.term === term && this.#isSynced(entry);
  }

  #isSynced({ path, write }: WatchedEntry): boolean {
    return write <= (this.#synced.get(path) ?? 0);
  }

  wrote(path: string, bytes: Uint8Array, at: number): void {
    if (!path.startsWith(DIRECTORY)) return;
    if (at > 0) return this.#take(path, bytes, 0);
    // The first segment is made once in the life of a log: this node begins anew.
    const isFirst = new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true) === 1;
    if (!isFirst) return;
    this.#entries.length = 0;
    this.baseIndex = 0;
    this.baseTerm = 0;
  }

  syncing(path: string): () => void {
    if (!path.startsWith(DIRECTORY)) return () => {};
    const upTo = this.#writes;
    return () => this.#synced.set(path, Math.max(this.#synced.get(path) ?? 0, upTo));
  }

  #take(path: string, bytes: Uint8Array, start: number, chain = 0): void {
    this.#writes++;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = start;
    while (at + RECORD_HEADER <= bytes.length && bytes[at] === 0x52 && bytes[at + 1] === 0xa5) {
      // On a disk that lost power there may be half a record, and whole ones behind it.
      if (this.#reading) {
        if (!readRecord(bytes, at, bytes.length, SCRATCH) || !chainFits(bytes, at, chain)) return;
        chain = SCRATCH.chain;
      }
      const length = view.getUint32(at + 4, true);
      if (at + RECORD_HEADER + length > bytes.length) return;
      const type = bytes[at + 3]!;
      const index = Number(view.getBigUint64(at + 8, true));
      const term = Number(view.getBigUint64(at + 16, true));
      if (type >= ENTRY) {
        const checksum = view.getUint32(at + 28, true);
        const payload = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
        this.#append({ index, term, kind: type - ENTRY, checksum, write: this.#writes, path }, payload);
      } else if (type !== MARK) this.#rebase(type, index, term);
      at += recordSize(length);
    }
  }

  #append(entry: WatchedEntry, payload: Uint8Array): void {
    if (entry.index <= this.lastIndex) {
      if (!this.#reading) this.#listener.cutFrom(entry.index);
      this.#entries.length = Math.max(0, entry.index - this.baseIndex - 1);
    }
    // The first record of a log whose beginning was tidied away; it may itself have been replaced from far before on.
    if (entry.index > this.lastIndex + 1 || entry.index <= this.baseIndex) {
      this.#entries.length = 0;
      this.baseIndex = entry.index - 1;
      this.baseTerm = 0;
    }
    if (!this.#reading) this.#listener.appended(entry, this.termAt(entry.index - 1), payload);
    this.#entries.push(entry);
  }

  #rebase(type: number, index: number, term: number): void {
    if (!this.#reading) this.#listener.dropped(index, type === RESTART);
    // It was told when files that are gone by now were still there.
    if (type === BASE && index < this.baseIndex) return;
    if (type === BASE) this.#entries.splice(0, Math.max(0, index - this.baseIndex));
    else if (type === RESTART) this.#entries.length = 0;
    this.baseIndex = index;
    this.baseTerm = term;
  }
}
