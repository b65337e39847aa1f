/** The wall clock with digits below a millisecond, which `Date.now` lacks. */
import type { Millis } from "../protocol/units.ts";

/** How far the two clocks may run apart before the wall clock's word is taken again, in milliseconds. */
const tolerance = 2;

let offset = Date.now() - performance.now();

/** Milliseconds since 1970 UTC, with a fraction. Never goes back unless the wall clock is set back. */
export function wallTime(): Millis {
  const coarse = Date.now();
  const fine = performance.now();
  const drift = coarse - (fine + offset);
  if (drift > tolerance || drift < -tolerance) offset = coarse - fine;
  return fine + offset;
}
