/** How many TLS connections are taken within a second (spec nats-server, section 1.9): handshakes are dear. */
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Millis } from "../../protocol/units.ts";

const SECOND: Millis = 1_000;

export class ConnectionRate {
  readonly #clock: Clock;
  readonly #log: Log;
  #second: Millis = -Infinity;
  #taken = 0;
  #refused = 0;
  #nextReport: Cancel | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Whether one more is within `limit`; 0 or less: no limit. The log hears once a second how many were not. */
  admits(limit: number): boolean {
    if (limit <= 0) return true;
    const now = this.#clock.now();
    if (now - this.#second >= SECOND) {
      this.#second = now;
      this.#taken = 0;
    }
    if (this.#taken < limit) {
      this.#taken++;
      return true;
    }
    this.#refused++;
    this.#nextReport ??= this.#clock.wakeAt(now + SECOND, () => this.#report());
    return false;
  }

  close(): void {
    this.#nextReport?.();
  }

  #report(): void {
    this.#nextReport = undefined;
    this.#log.warn(`Rejected ${this.#refused} connections due to TLS rate limiting`);
    this.#refused = 0;
  }
}
