/** A leader hands over: it stops taking proposals, brings the target up to date, and asks it to campaign (E9). */
import { memberOf, type NodeId } from "./membership.ts";
import type { NodeState } from "./node_state.ts";
import type { Progress } from "./progress.ts";
import type { TransferResult } from "./status.ts";

export class Transfer {
  readonly #state: NodeState;
  readonly #peers: ReadonlyMap<NodeId, Progress>;
  #target: NodeId = "";
  #deadline = 0;
  /** When the target may be asked again. */
  #askAgainAt = 0;

  constructor(state: NodeState, peers: ReadonlyMap<NodeId, Progress>) {
    this.#state = state;
    this.#peers = peers;
  }

  get active(): boolean {
    return this.#target !== "";
  }

  /** Starts, or goes on with another target. */
  start(wanted: NodeId | undefined): TransferResult {
    const { membership, now, timeouts } = this.#state;
    const target = wanted ?? this.#best();
    if (target === undefined) return { kind: "refused", reason: "nobody there" };
    const member = memberOf(membership, target);
    if (target === this.#state.id || member === undefined || !member.voter) {
      return { kind: "refused", reason: "no such voter" };
    }
    if (this.#target !== target) {
      this.#target = target;
      this.#deadline = now + timeouts.electionTimeout;
      this.#askAgainAt = 0;
    }
    this.advance();
    return { kind: "started", target };
  }

  /** Asks the target to campaign if it holds everything. */
  advance(): void {
    const { now, log, timeouts } = this.#state;
    const peer = this.#peers.get(this.#target);
    if (peer === undefined || peer.match !== log.lastIndex || now < this.#askAgainAt) return;
    this.#askAgainAt = now + timeouts.heartbeatInterval;
    this.#state.tell(peer.id, { kind: "timeout now" });
  }

  /** Gives up when the target took too long, or is no voter any more. Says whether it did. */
  tick(): boolean {
    if (!this.active) return false;
    const member = memberOf(this.#state.membership, this.#target);
    if (member?.voter && this.#state.now < this.#deadline) {
      this.advance();
      return false;
    }
    this.#state.outbox.notice({ kind: "transfer aborted", target: this.#target });
    this.#target = "";
    return true;
  }

  /** The best live voter. */
  #best(): NodeId | undefined {
    const { now, timeouts } = this.#state;
    let best: Progress | undefined;
    for (const peer of this.#peers.values()) {
      const alive = peer.heard && peer.contact + timeouts.leaseTimeout > now;
      if (!peer.voter || peer.disk === "full" || !alive) continue;
      if (best === undefined || isBetter(peer, best)) best = peer;
    }
    return best?.id;
  }
}

/**
 * Healthy disks first, then whoever keeps up, then whoever has done so for longest: it has heard all publish requests of
 * the last moments. Among those that do not keep up, the one with the most entries.
 */
function isBetter(one: Progress, other: Progress): boolean {
  if ((one.disk === "ok") !== (other.disk === "ok")) return one.disk === "ok";
  const keepsUp = one.state === "replicate";
  if (keepsUp !== (other.state === "replicate")) return keepsUp;
  return keepsUp ? one.steadySince < other.steadySince : one.match > other.match;
}
