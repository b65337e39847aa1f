/**
 * Flushing behind: for messages that something else keeps until they are settled, as a cluster's log does. They are read
 * from memory meanwhile, and many small flushes become one.
 */
import type { Clock } from "../../ports/clock.ts";
import { StoreFailed } from "../../ports/store.ts";
import { type Awaitable, isLater, type Millis, type Offset } from "../../protocol/units.ts";
import type { Flushing } from "./flushing.ts";

/** With more than this in memory the caller waits. */
const UNFLUSHED_MAX: Offset = 4 * 1024 * 1024;

/** What is flushed behind. */
export interface Lagged {
  readonly dirty: boolean;
  /** Bytes that were appended since the last flush. */
  readonly unflushed: Offset;
}

export class Lagging {
  readonly #flushing: Flushing;
  readonly #log: Lagged;
  readonly #lag: Millis;
  readonly #clock: Clock;
  /** When the oldest message came that is only in memory, as far as a flush was asked for since. */
  #since: Millis | undefined;
  /** The last flush found no room: nothing more is taken in before one succeeds. */
  #full = false;

  constructor(flushing: Flushing, log: Lagged, lag: Millis, clock: Clock) {
    this.#flushing = flushing;
    this.#log = log;
    this.#lag = lag;
    this.#clock = clock;
  }

  /** Returns at once, unless too much waits or there was no room: then it is {@link flushNow}. Throws or rejects with StoreFailed. */
  flush(): Awaitable<void> {
    this.#flushing.check();
    if (!this.#log.dirty) return;
    if (this.#full || this.#log.unflushed > UNFLUSHED_MAX) return this.flushNow();
    const now = this.#clock.now();
    this.#since ??= now;
    if (now - this.#since >= this.#lag && !this.#flushing.running) this.#behind();
  }

  /** Throws or rejects with StoreFailed; when there is no room, nothing is given up. */
  flushNow(): Awaitable<void> {
    this.#since = undefined;
    let flushed: Awaitable<void>;
    try {
      flushed = this.#flushing.flush();
    } catch (error) {
      throw this.#failed(error);
    }
    if (!isLater(flushed)) return this.#done();
    return flushed.then(() => this.#done(), (error) => {
      throw this.#failed(error);
    });
  }

  /** What goes wrong is told at the next flush. */
  #behind(): void {
    try {
      const flushed = this.flushNow();
      if (isLater(flushed)) flushed.catch(() => {});
    } catch (error) {
      if (!this.#full) throw error;
    }
  }

  #done(): void {
    this.#full = false;
  }

  #failed(error: unknown): unknown {
    this.#full = error instanceof StoreFailed && error.code === "full";
    return error;
  }
}
