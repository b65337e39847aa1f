/** The newest entries of the log, in memory: as many as asked for, and not too many bytes. */

/** An entry as the log keeps it. `kind` (0 to 15) is the caller's. */
export interface WalEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: number;
  readonly payload: Uint8Array;
}

const BYTES = 16 * 1024 * 1024;

export class WalCache {
  /** Entries of consecutive indexes from `#first` on; those before `#skip` are gone. */
  #entries: WalEntry[] = [];
  #skip = 0;
  #bytes = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** The oldest entry's index; infinite without entries. */
  get first(): number {
    return this.#entries[this.#skip]?.index ?? Infinity;
  }

  get(index: number): WalEntry | undefined {
    const first = this.#entries[this.#skip]?.index;
    return first === undefined || index < first ? undefined : this.#entries[this.#skip + index - first];
  }

  /** Adds the entry behind the last one. */
  add(entry: WalEntry): void {
    if (this.#most === 0) return;
    this.#entries.push(entry);
    this.#bytes += entry.payload.length;
    while (this.#entries.length - this.#skip > this.#most || this.#bytes > BYTES) this.#dropFirst();
  }

  /** Forgets entries above `index`. */
  truncateAfter(index: number): void {
    while (this.#entries.length > this.#skip && this.#entries[this.#entries.length - 1]!.index > index) {
      this.#bytes -= this.#entries.pop()!.payload.length;
    }
  }

  /** Forgets entries up to `index`. */
  dropThrough(index: number): void {
    while (this.#entries.length > this.#skip && this.#entries[this.#skip]!.index <= index) this.#dropFirst();
  }

  #dropFirst(): void {
    this.#bytes -= this.#entries[this.#skip]!.payload.length;
    this.#skip++;
    if (this.#skip * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#skip);
    this.#skip = 0;
  }
}
