/**
 * Remembers who wants the messages of recent subjects, looked up by bytes without making a string.
 *
 * Bounded: two generations of entries, the older one dropped when the younger is full. A subject gets in only when it is
 * seen again soon, so that inboxes used once cost no memory. Invisible: an entry counts only while the tree's version is
 * the one it was made for.
 */
import type { Interest, RemoteInterest } from "./interest.ts";
import { hashOf, sameBytes, textOf } from "../../wire/frames.ts";
import type { Match, SubjectTree } from "./subject_tree.ts";

interface Entry<Result> {
  readonly key: Uint8Array;
  readonly slot: number;
  version: number;
  result: Result;
  /** Another subject with the same hash. */
  next: Entry<Result> | undefined;
}

/** Entries of one generation. */
const GENERATION = 2048;
const DOORKEEPER = 4096;

export class SubjectCache<Local extends Interest, Route> {
  readonly #tree: SubjectTree<Local, Route>;
  #young = new Map<number, Entry<Match<Local, RemoteInterest<Route>>>>();
  #old = new Map<number, Entry<Match<Local, RemoteInterest<Route>>>>();
  /** Hashes of subjects that missed lately. */
  readonly #seen = new Int32Array(DOORKEEPER);
  #lookups = 0;
  #hits = 0;

  constructor(tree: SubjectTree<Local, Route>) {
    this.#tree = tree;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
  get lookups(): number {
    return this.#lookups;
  }
  /** Look-ups that needed no walk. */
  get hits(): number {
    return this.#hits;
  }
  /** Calls `visit` with each result that still holds. */
  forEach(visit: (match: Match<Local, RemoteInterest<Route>>) => void): void {
    for (const generation of [this.#young, this.#old]) {
      for (let entry of generation.values()) {
        for (;; entry = entry.next) {
          if (this.#tree.version(entry.slot) === entry.version) visit(entry.result);
          if (entry.next === undefined) break;
        }
      }
    }
  }

  /** Everybody interested in the subject `buffer[start, end)`. */
  find(buffer: Uint8Array, start: number, end: number): Match<Local, RemoteInterest<Route>> {
    this.#lookups++;
    const hash = hashOf(buffer, start, end);
    let entry = entryIn(this.#young.get(hash), buffer, start, end);
    if (entry === undefined && this.#old.size > 0) {
      entry = entryIn(this.#old.get(hash), buffer, start, end);
      if (entry !== undefined) this.#remember(hash, { ...entry });
    }
    if (entry !== undefined && this.#tree.version(entry.slot) === entry.version) {
      this.#hits++;
      return entry.result;
    }
    return this.#walk(hash, entry, buffer, start, end);
  }

  #walk(
    hash: number,
    entry: Entry<Match<Local, RemoteInterest<Route>>> | undefined,
    buffer: Uint8Array,
    start: number,
    end: number,
  ): Match<Local, RemoteInterest<Route>> {
    const subject = textOf(buffer, start, end);
    const result = this.#tree.match(subject);
    if (entry !== undefined) {
      entry.result = result;
      entry.version = this.#tree.version(entry.slot);
      return result;
    }
    const door = hash & (DOORKEEPER - 1);
    if (this.#seen[door] !== (hash | 0)) {
      this.#seen[door] = hash | 0;
      return result;
    }
    const slot = this.#tree.slotOf(subject);
    const key = buffer.slice(start, end);
    this.#remember(hash, { key, slot, version: this.#tree.version(slot), result, next: undefined });
    return result;
  }

  #remember(hash: number, entry: Entry<Match<Local, RemoteInterest<Route>>>): void {
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    const known = this.#young.get(hash);
    // Of two subjects with one hash the later replaces the earlier beyond a chain of two.
    if (known !== undefined) known.next = undefined;
    entry.next = known;
    this.#young.set(hash, entry);
  }
}

function entryIn<Result>(
  first: Entry<Result> | undefined,
  buffer: Uint8Array,
  start: number,
  end: number,
): Entry<Result> | undefined {
  const length = end - start;
  for (let entry = first; entry !== undefined; entry = entry.next) {
    if (entry.key.length === length && sameBytes(entry.key, 0, buffer, start, length)) return entry;
  }
  return undefined;
}
