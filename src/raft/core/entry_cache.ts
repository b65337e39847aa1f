/** The recent end of the log in memory: consecutive entries, taken from both ends. */
import { assert } from "./assert.ts";
import { type Entry, entryBytes } from "./messages.ts";

export class EntryCache {
  #entries: Entry[] = [];
  #head = 0;
  /** The index of the first entry held, or of the next to come. */
  #first: number;
  #bytes = 0;

  /** Empty; `first` is the index of the entry that comes next. */
  constructor(first: number) {
    this.#first = first;
  }

  get first(): number {
    return this.#first;
  }

  /** One above the last entry held. */
  get end(): number {
    return this.#first + this.#entries.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  at(index: number): Entry | undefined {
    return index < this.#first ? undefined : this.#entries[this.#head + index - this.#first];
  }

  push(entry: Entry): void {
    assert(entry.index === this.end, `entry ${entry.index} follows ${this.end - 1}`);
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
  }

  /** Forgets the entries from `index` on. */
  dropFrom(index: number): void {
    if (index <= this.#first) return this.clear(index);
    while (this.end > index) this.#bytes -= entryBytes(this.#entries.pop()!);
  }

  /** Forgets the entries up to `index`. */
  dropThrough(index: number): void {
    if (index >= this.end) return this.clear(index + 1);
    while (this.#first <= index) {
      this.#bytes -= entryBytes(this.#entries[this.#head]!);
      this.#head++;
      this.#first++;
    }
    if (this.#head > 64 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Forgets everything; `first` comes next. */
  clear(first: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#first = first;
    this.#bytes = 0;
  }

  /**
   * The entries from `from` to `to` as far as `maxBytes` allow, at least one; `undefined` when `from` is not held.
   * Ends early where the cache ends.
   */
  slice(from: number, to: number, maxBytes: number): Entry[] | undefined {
    if (from < this.#first || from >= this.end) return undefined;
    const start = this.#head + from - this.#first;
    const stop = Math.min(this.#head + to - this.#first + 1, this.#entries.length);
    let end = start + 1;
    let bytes = entryBytes(this.#entries[start]!);
    while (end < stop) {
      bytes += entryBytes(this.#entries[end]!);
      if (bytes > maxBytes) break;
      end++;
    }
    return this.#entries.slice(start, end);
  }
}
