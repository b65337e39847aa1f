/**
 * A map from byte strings to values that are looked up straight from a receive buffer, without making a string. The
 * entry found last is tried first: most traffic repeats itself.
 */
import { sameBytes } from "../protocol/publish_request.ts";

interface Entry<T> {
  readonly key: Uint8Array;
  readonly value: T;
  readonly next: Entry<T> | undefined;
}

export class ByteTable<T> {
  readonly #limit: number;
  #entries = new Map<number, Entry<T>>();
  #last: Entry<T> | undefined;
  #size = 0;

  /** Forgets everything when it would hold more than `limit` entries: it is a cache. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(buffer: Uint8Array, start: number, end: number): T | undefined {
    const last = this.#last;
    if (last !== undefined && sameBytes(last.key, 0, last.key.length, buffer, start, end)) return last.value;
    let entry = this.#entries.get(hash(buffer, start, end));
    while (entry !== undefined && !sameBytes(entry.key, 0, entry.key.length, buffer, start, end)) entry = entry.next;
    if (entry !== undefined) this.#last = entry;
    return entry?.value;
  }

  /** Adds an entry; the key, which must not be there yet, is copied. */
  add(buffer: Uint8Array, start: number, end: number, value: T): void {
    if (this.#size >= this.#limit) this.clear();
    const slot = hash(buffer, start, end);
    const entry = { key: buffer.slice(start, end), value, next: this.#entries.get(slot) };
    this.#entries.set(slot, entry);
    this.#last = entry;
    this.#size++;
  }

  clear(): void {
    this.#entries = new Map();
    this.#last = undefined;
    this.#size = 0;
  }
}

/** FNV-1a, 32 bits. */
function hash(buffer: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let i = start; i < end; i++) value = Math.imul(value ^ buffer[i]!, 0x01000193);
  return value >>> 0;
}
