/**
 * Unique ids in NATS' form: 22 base-62 characters, 12 of them random and 10 counting on from a random number in random
 * steps (spec streaming, "nuid"). One generator per process; chance comes from outside.
 */

/** A source of whole numbers from 0 up to, not including, `bound`. */
export interface Chance {
  below(bound: number): number;
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX_LENGTH = 12;
const COUNTER_LENGTH = 10;
const COUNTER_END = 62 ** COUNTER_LENGTH;
const STEP_MIN = 33;
const STEP_END = 333;

export class Nuid {
  readonly #chance: Chance;
  #prefix = "";
  #counter = 0;
  #step = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
    this.#begin();
  }

  /** The next id; never the same twice from one generator. */
  next(): string {
    this.#counter += this.#step;
    if (this.#counter >= COUNTER_END) this.#begin();
    let rest = this.#counter;
    let digits = "";
    for (let i = 0; i < COUNTER_LENGTH; i++) {
      digits = DIGITS[rest % 62]! + digits;
      rest = Math.floor(rest / 62);
    }
    return this.#prefix + digits;
  }

  #begin(): void {
    this.#prefix = "";
    for (let i = 0; i < PREFIX_LENGTH; i++) this.#prefix += DIGITS[this.#chance.below(62)]!;
    this.#counter = this.#chance.below(2 ** 32) * 2 ** 20 % COUNTER_END;
    this.#step = STEP_MIN + this.#chance.below(STEP_END - STEP_MIN);
  }
}
