/** Chance that repeats: the same seed gives the same numbers on every machine. */
import type { Random } from "../../src/ports/random.ts";

/** The generator sfc32, seeded with one number. */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(readonly seed: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = 0x9e3779b9 | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  below(bound: number): number {
    if (!(bound >= 1 && bound <= 2 ** 32)) throw new RangeError(`${bound} is not a bound between 1 and 2^32`);
    // The slight preference for small results does not matter to tests.
    return this.#next() % bound;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#next() & 0xff;
  }

  /** `true` in `probability` of the cases. */
  chance(probability: number): boolean {
    return this.#next() < probability * 2 ** 32;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[this.below(items.length)]!;
  }

  /** A generator of its own whose numbers do not depend on how many were drawn here afterwards. */
  fork(): SeededRandom {
    return new SeededRandom(this.#next() * 2 ** 20 + (this.#next() >>> 12));
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }
}
