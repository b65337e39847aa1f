/** Watches how much processor time single turns of this thread's event loop take: what a busy machine does not distort. */
import { threadCpuUsage } from "node:process";

export class TurnWatch {
  #longest = 0;
  #last = spent();
  #ended = false;
  readonly #watching: Promise<void>;

  constructor() {
    this.#watching = this.#watch();
  }

  /** Processor time of the longest turn so far, milliseconds; the kernel counts in steps of up to 10. Begins anew. */
  longest(): number {
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const now = spent();
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
    }
  }
}

function spent(): number {
  const { user, system } = threadCpuUsage();
  return (user + system) / 1_000;
}
