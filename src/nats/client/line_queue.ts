/** Lines on their way to a reader that takes them one by one. */
export class LineQueue implements AsyncIterableIterator<Uint8Array> {
  readonly #lines: Uint8Array[] = [];
  #waiting: ((result: IteratorResult<Uint8Array>) => void) | undefined;
  #ended = false;

  push(line: Uint8Array): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting({ value: line, done: false });
    else if (!this.#ended) this.#lines.push(line);
  }

  /** What waits is still given out. */
  end(): void {
    this.#ended = true;
    this.#waiting?.({ value: undefined, done: true });
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#lines.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value, done: true });
    return new Promise((resolve) => this.#waiting = resolve);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
