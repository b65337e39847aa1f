/** Things that will happen in a simulated world, in the order of their times; equal times keep the order of planning. */

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class EventQueue {
  readonly #heap: Planned[] = [];
  #planned = 0;
  /** Milliseconds since the world began. */
  now = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Plans `run` for `delay` milliseconds from now. */
  after(delay: number, run: () => void): void {
    const heap = this.#heap;
    const planned = { at: this.now + delay, order: this.#planned++, run };
    let at = heap.push(planned) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(planned, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = planned;
  }

  /** Lets the next thing happen; false when there is none. */
  step(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return false;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    this.now = first.at;
    first.run();
    return true;
  }

  #sink(planned: Planned): void {
    const heap = this.#heap;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, planned)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = planned;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
