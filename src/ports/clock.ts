/** Time as the server sees it. Everything that waits, waits here, so that a simulation can own time. */
import type { Millis, Nanos } from "../protocol/units.ts";

/** Undoes a wake-up that has not happened yet; harmless afterwards and when called twice. */
export type Cancel = () => void;

export interface Clock {
  /** Monotonic time since an arbitrary start. For every wait and deadline. */
  now(): Millis;
  /** Wall time, Unix nanoseconds; may jump. Only for message timestamps, connect times and log lines. */
  wall(): Nanos;
  /** Calls `wake` once, as soon as `now() >= at` (at the next turn when that is already so). Never calls it synchronously. */
  wakeAt(at: Millis, wake: () => void): Cancel;
  /** Calls `run` once when the input that this turn has read is handled; cheaper than `wakeAt(now())`. */
  soon(run: () => void): void;
}
