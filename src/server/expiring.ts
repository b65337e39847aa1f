/**
 * Expiry by age: one timer finds channels whose oldest message is too old and proposes what to forget, so that every
 * replica forgets the same (spec clustering, rule D3).
 */
import type { Clock } from "../ports/clock.ts";
import { type Journal, NotAgreed } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Operation } from "../protocol/operations.ts";
import type { Millis, Nanos } from "../protocol/units.ts";
import type { Channel, Machine } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";
import { Timers } from "./timers.ts";

const INTERVAL: Millis = 1000;
const KEY = "expire";

export class Expiring {
  readonly #machine: Machine;
  readonly #recorder: Recorder;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #timers: Timers;
  #running = false;

  constructor(parts: { machine: Machine; recorder: Recorder; journal: Journal; clock: Clock; log: Log }) {
    this.#machine = parts.machine;
    this.#recorder = parts.recorder;
    this.#journal = parts.journal;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#timers = new Timers(parts.clock);
  }

  start(): void {
    this.#running = true;
    this.#timers.set(KEY, this.#clock.now() + INTERVAL, () => void this.#round());
  }

  stop(): void {
    this.#running = false;
    this.#timers.clear();
  }

  async #round(): Promise<void> {
    try {
      const expired = this.#mayExpire ? await this.#expired(this.#clock.wall()) : [];
      if (expired.length > 0) await this.#journal.commit(expired);
    } catch (error) {
      if (!(error instanceof NotAgreed)) throw error;
      this.#log.debug(`Expiry is put off: ${error.message}`);
    }
    if (this.#running) this.start();
  }

  /** A leader whose clock is wrong would forget what is not old at all (T4). */
  get #mayExpire(): boolean {
    return this.#journal.mayServe && this.#journal.clocksAgree !== false;
  }

  async #expired(wall: Nanos): Promise<Operation[]> {
    const operations: Operation[] = [];
    for (const channel of this.#machine.state.channels.values()) {
      const first = await this.#firstKept(channel, wall);
      if (first === undefined) continue;
      operations.push({ kind: "expire", channel: channel.name, incarnation: channel.incarnation, first });
    }
    return operations;
  }

  async #firstKept(channel: Channel, wall: Nanos): Promise<number | undefined> {
    const { maxAge } = channel.limits;
    const messages = this.#recorder.channels.get(channel.name)?.messages;
    if (maxAge === 0n || messages === undefined || messages.count === 0) return undefined;
    const first = await messages.sequenceAt(wall - maxAge + 1n);
    return first > messages.first ? first : undefined;
  }
}
