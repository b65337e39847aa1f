/**
 * How fast bulk data leaves a node: as fast as it is asked for while nothing else happens, and a bounded share while
 * clients are being served, so that a node which is filled up does not slow them down (spec clustering, section 6.4).
 */
import type { Millis } from "../../protocol/units.ts";

/** Bytes a second while clients are served: about a tenth of what a processor can do. */
export const BUSY_RATE = 16 * 1024 * 1024;
/** Pieces are smaller then: nobody waits long behind one. */
export const BUSY_PIECE = 64 * 1024;
/** Clients were served in this time: it counts as busy. */
const RECENT: Millis = 100;

export class Pace {
  readonly #work: () => number;
  #seen: number;
  #movedAt: Millis = -Infinity;
  /** When the next piece may leave. */
  #freeAt: Millis = -Infinity;

  /** `work` grows with whatever the node does for clients. */
  constructor(work: () => number) {
    this.#work = work;
    this.#seen = work();
  }

  /** Whether clients are being served. */
  busy(now: Millis): boolean {
    const work = this.#work();
    if (work !== this.#seen) {
      this.#seen = work;
      this.#movedAt = now;
    }
    return now - this.#movedAt < RECENT;
  }

  /** How long the next piece has to wait. */
  wait(now: Millis): Millis {
    return this.busy(now) ? Math.max(0, this.#freeAt - now) : 0;
  }

  /** A piece of so many bytes leaves. */
  left(now: Millis, bytes: number): void {
    this.#freeAt = Math.max(now, this.#freeAt) + bytes * 1000 / BUSY_RATE;
  }
}
