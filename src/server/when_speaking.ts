/** What a new leader says by itself, as soon as it may: until its predecessor's lease is over it must not. */
import type { Clock } from "../ports/clock.ts";
import type { Millis } from "../protocol/units.ts";

/** How soon to look again whether the lease is there. */
const RETRY: Millis = 20;
/** Nobody waits for an answer that comes later than this. */
const PATIENCE: Millis = 2_000;
/** So much waits; more is not said, as it would not be without a leader. */
const WAITING_MAX = 10_000;

export class WhenSpeaking {
  readonly #outbound: { readonly leading: boolean; readonly speaking: boolean };
  readonly #clock: Clock;
  #waiting: { readonly say: () => void; readonly until: Millis }[] = [];

  constructor(outbound: { readonly leading: boolean; readonly speaking: boolean }, clock: Clock) {
    this.#outbound = outbound;
    this.#clock = clock;
  }

  /** Calls `say` now, or as soon as this server may speak; never when it does not lead. */
  run(say: () => void): void {
    const { leading, speaking } = this.#outbound;
    if (speaking) return say();
    if (!leading || this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push({ say, until: this.#clock.now() + PATIENCE });
    if (this.#waiting.length === 1) this.#lookLater();
  }

  #lookLater(): void {
    this.#clock.wakeAt(this.#clock.now() + RETRY, () => this.#look());
  }

  #look(): void {
    const { leading, speaking } = this.#outbound;
    const now = this.#clock.now();
    const waiting = this.#waiting.filter(({ until }) => leading && until >= now);
    if (speaking || waiting.length === 0) {
      this.#waiting = [];
      if (speaking) { for (const { say } of waiting) say(); }
      return;
    }
    this.#waiting = waiting;
    this.#lookLater();
  }
}
