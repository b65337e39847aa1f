/**
 * Which publishes were committed lately, by their guids: a new leader that hands in what it held back must neither store
 * a message twice nor leave it unacknowledged (spec clustering, section 5.6).
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../ports/clock.ts";
import { MARKS, type Publish } from "../protocol/operations.ts";
import type { Millis } from "../protocol/units.ts";

/** A guid is remembered for at least this long after its message was applied. */
const REMEMBERED: Millis = 10_000;
/** Guids in one of the two generations at most; with more the older generation goes early. */
const GENERATION_MAX = 1_000_000;

export class CommittedWindow {
  readonly #clock: Clock;
  #young = new Set<string>();
  #old = new Set<string>();
  #bornAt: Millis;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#bornAt = clock.now();
  }

  /** Remembers the messages of an applied publish. */
  add({ messages: { count, bytes, bounds } }: Publish): void {
    this.#age();
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count * MARKS; i += MARKS) {
      this.#young.add(text.toString("latin1", bounds[i + 1]!, bounds[i + 2]!));
    }
  }

  /** Whether a message with the guid `buffer[start, end)` was applied lately. */
  has(buffer: Uint8Array, start: number, end: number): boolean {
    const guid = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString("latin1", start, end);
    return this.#young.has(guid) || this.#old.has(guid);
  }

  #age(): void {
    const now = this.#clock.now();
    if (now - this.#bornAt < REMEMBERED && this.#young.size < GENERATION_MAX) return;
    this.#old = this.#young;
    this.#young = new Set();
    this.#bornAt = now;
  }
}
