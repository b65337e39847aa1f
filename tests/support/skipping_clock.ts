/** The system's time, which a test can set forward: what has waited long enough then need not be waited for. */
import type { Cancel, Clock } from "../../src/ports/clock.ts";
import { type Millis, type Nanos, nanosFromMillis } from "../../src/protocol/units.ts";
import { systemClock } from "../../src/system/mod.ts";

export class SkippingClock implements Clock {
  readonly #clock = systemClock();
  #skipped: Millis = 0;

  /** It is so much later at once. Wake-ups that were asked for before come when they would have. */
  skip(time: Millis): void {
    this.#skipped += time;
  }

  now(): Millis {
    return this.#clock.now() + this.#skipped;
  }

  wall(): Nanos {
    return this.#clock.wall() + nanosFromMillis(this.#skipped);
  }

  wakeAt(at: Millis, wake: () => void): Cancel {
    return this.#clock.wakeAt(at - this.#skipped, wake);
  }

  soon(run: () => void): void {
    this.#clock.soon(run);
  }
}
