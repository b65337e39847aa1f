/**
 * Every deadline of the server in one heap over one clock, under readable keys (`ack/foo/42`, `heartbeat/me`). A key has
 * at most one deadline. Changing a deadline leaves the old entry in the heap, where it is recognised as stale when it
 * comes up: moving a deadline back and forth costs no search.
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Millis } from "../protocol/units.ts";

interface Deadline {
  readonly key: string;
  readonly at: Millis;
  readonly wake: (key: string) => void;
}

export class Timers {
  readonly #clock: Clock;
  readonly #current = new Map<string, Deadline>();
  #heap: Deadline[] = [];
  #cancel: Cancel | undefined;
  #armedAt: Millis = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many keys have a deadline. */
  get size(): number {
    return this.#current.size;
  }

  /** Calls `wake(key)` at `at` (monotonic), instead of whatever was set under `key`. `Infinity` only cancels. */
  set(key: string, at: Millis, wake: (key: string) => void): void {
    if (at === Infinity) {
      this.#current.delete(key);
      return;
    }
    const deadline = { key, at, wake };
    this.#current.set(key, deadline);
    this.#push(deadline);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#sweep();
    this.#arm();
  }

  cancel(key: string): void {
    this.#current.delete(key);
  }

  /** Forgets every deadline. */
  clear(): void {
    this.#current.clear();
    this.#heap = [];
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedAt = Infinity;
  }

  #arm(): void {
    const at = this.#heap[0]?.at ?? Infinity;
    if (at >= this.#armedAt || at === Infinity) return;
    this.#cancel?.();
    this.#armedAt = at;
    this.#cancel = this.#clock.wakeAt(at, () => this.#fire());
  }

  #fire(): void {
    this.#armedAt = Infinity;
    this.#cancel = undefined;
    const now = this.#clock.now();
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const deadline = this.#pop();
      if (this.#current.get(deadline.key) !== deadline) continue;
      this.#current.delete(deadline.key);
      deadline.wake(deadline.key);
    }
    this.#arm();
  }

  #sweep(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => a.at - b.at);
  }

  #push(deadline: Deadline): void {
    const heap = this.#heap;
    let i = heap.push(deadline) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= deadline.at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = deadline;
  }

  #pop(): Deadline {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
