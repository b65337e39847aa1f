/** Chance from the operating system's secure source. */
import type { Random } from "../ports/random.ts";

/** The most bytes that one call of `crypto.getRandomValues` gives. */
const mostAtOnce = 65536;

/** The source of chance that a running server uses. */
export function systemRandom(): Random {
  return new SystemRandom();
}

class SystemRandom implements Random {
  readonly #pool = new Uint32Array(256);
  #used = this.#pool.length;

  below(bound: number): number {
    if (!(bound >= 1 && bound <= 2 ** 32)) throw new RangeError(`${bound} is not a bound between 1 and 2^32`);
    // Values above the last whole multiple of `bound` would favour small results, so they are drawn again.
    const fair = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = this.#next();
      if (value < fair) return value % bound;
    }
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += mostAtOnce) {
      crypto.getRandomValues(bytes.subarray(at, at + mostAtOnce) as Uint8Array<ArrayBuffer>);
    }
  }

  #next(): number {
    if (this.#used === this.#pool.length) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    return this.#pool[this.#used++]!;
  }
}
