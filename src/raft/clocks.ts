/**
 * The wall clocks of the members, beside this node's own. Agreement never depends on them; but a leader whose clock is
 * wrong must not let messages expire (spec clustering, section 11.8, T3 and T4).
 */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Millis } from "../protocol/units.ts";
import { type NodeId, quorumOf } from "./core/mod.ts";

/** Clocks agree when they differ by no more. */
export const AGREEMENT: Millis = 60_000;
/** What a member said counts for so long. */
const FRESH: Millis = 5000;
/** A change of the wall clock against the monotonic one that is worth a line. */
const JUMP: Millis = 10_000;

export class Clocks {
  readonly #clock: Clock;
  readonly #log: Log;
  /** `base`: a member's wall clock at this node's monotonic 0; a jump of this node's own is noticed at once. */
  readonly #others = new Map<NodeId, { readonly base: Millis; readonly at: Millis }>();
  readonly #named = new Set<NodeId>();
  #base: Millis;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#base = this.#wall - clock.now();
  }

  /** A member's wall clock shows `wall`, Unix milliseconds; 0 from releases that do not tell. */
  heard(id: NodeId, wall: Millis): void {
    this.#lookForJump();
    if (wall === 0) return;
    const at = this.#clock.now();
    const ahead = wall - this.#wall;
    this.#others.set(id, { base: wall - at, at });
    if (Math.abs(ahead) <= AGREEMENT) this.#named.delete(id);
    else if (!this.#named.has(id)) {
      this.#named.add(id);
      const by = `${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? "ahead of" : "behind"}`;
      this.#log.warn(
        `the clock of node ${JSON.stringify(id)} is ${by} this node's: expiry waits until most clocks agree`,
      );
    }
  }

  /** Whether the clocks of a majority of `voters`, this node `self` among them, agree within a minute. */
  agree(voters: readonly NodeId[], self: NodeId): boolean {
    const now = this.#clock.now();
    const base = this.#wall - now;
    const agreeing = voters.filter((id) => {
      const other = this.#others.get(id);
      const isFresh = other !== undefined && now - other.at < FRESH;
      return id === self || (isFresh && Math.abs(other.base - base) <= AGREEMENT);
    });
    return agreeing.length >= quorumOf(voters.length);
  }

  get #wall(): Millis {
    return Number(this.#clock.wall() / 1_000_000n);
  }

  #lookForJump(): void {
    const base = this.#wall - this.#clock.now();
    const by = base - this.#base;
    if (Math.abs(by) > JUMP) {
      this.#log.warn(
        `the wall clock of this node went ${by > 0 ? "forward" : "back"} by ${Math.round(Math.abs(by) / 1000)} s`,
      );
    }
    this.#base = base;
  }
}
