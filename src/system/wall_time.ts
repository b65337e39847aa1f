/** The wall clock with digits below a millisecond, which `Date.now` lacks. */
import type { Millis } from "../protocol/units.ts";

/** How far this clock may run ahead of the system's before the system is believed again, in milliseconds. */
const tolerance = 2;

/** Tells wall time from a clock of whole milliseconds and a steady one with a fraction. */
export class WallTime {
  readonly #coarse: () => Millis;
  readonly #fine: () => Millis;
  #offset: Millis;

  constructor(coarse: () => Millis, fine: () => Millis) {
    this.#coarse = coarse;
    this.#fine = fine;
    this.#offset = coarse() - fine();
  }

  /** Milliseconds since 1970 UTC, with a fraction. Never goes back unless the wall clock is set back. */
  now(): Millis {
    const coarse = this.#coarse();
    const fine = this.#fine();
    // The coarse clock cuts digits off, so it is never ahead of the time: whoever is behind it is late. Each time that a
    // millisecond has just begun, this brings the two closer.
    let drift = coarse - (fine + this.#offset);
    // Far behind is the coarse clock when it was set back, or when the process slept between the two questions: asked
    // once more it is behind only in the first case.
    if (drift < -1 - tolerance) drift = this.#coarse() - (fine + this.#offset);
    if (drift > 0 || drift < -1 - tolerance) this.#offset += drift;
    return fine + this.#offset;
  }
}

const system = new WallTime(() => Date.now(), () => performance.now());

/** The system's wall time, see {@link WallTime.now}. */
export function wallTime(): Millis {
  return system.now();
}
