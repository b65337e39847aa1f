/**
 * Notices early that the leader is gone: when it has been silent for some heartbeats and NATS says, twice, that nobody
 * listens where it should (spec clustering, section 11.2, E7). Only a hint: it makes an election begin, never decides one.
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Millis } from "../protocol/units.ts";
import { waited } from "./members/mod.ts";
import type { Transport } from "./wire/mod.ts";

export interface LeaderWatchParts {
  readonly transport: Transport;
  readonly clock: Clock;
  /** The leader that this node follows; empty when it leads or knows none. */
  leader(): string;
  /** When the leader was last heard. */
  heard(): Millis;
  /** Nobody listens where the leader should. */
  gone(leader: string): void;
}

export class LeaderWatch {
  readonly #parts: LeaderWatchParts;
  readonly #silence: Millis;
  #cancel: Cancel = () => {};
  #checking = false;
  #stopped = false;

  /** Becomes suspicious after `silence`. */
  constructor(parts: LeaderWatchParts, silence: Millis) {
    this.#parts = parts;
    this.#silence = silence;
    this.#sleep();
  }

  /** Somebody else is suspicious: looks now. */
  check(): void {
    if (!this.#checking && !this.#stopped) void this.#check(this.#parts.leader());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #sleep(): void {
    const { clock, leader, heard } = this.#parts;
    this.#cancel = clock.wakeAt(clock.now() + this.#silence / 2, () => {
      if (leader() !== "" && clock.now() - heard() > this.#silence) this.check();
      this.#sleep();
    });
  }

  async #check(leader: string): Promise<void> {
    if (leader === "") return;
    const { transport, clock } = this.#parts;
    this.#checking = true;
    try {
      for (let probe = 0; probe < 2; probe++) {
        if (probe > 0) await waited(clock, 30);
        const answer = await transport.probe(leader, 50);
        if (answer.kind !== "no responders" || this.#stopped || this.#parts.leader() !== leader) return;
      }
      this.#parts.gone(leader);
    } finally {
      this.#checking = false;
    }
  }
}
