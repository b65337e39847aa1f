/** A leader's right to speak: rounds of heartbeats, the lease they give, and the reads they confirm (Q1 to Q4). */
import { isSameNode, majorityValue } from "./membership.ts";
import type { NodeState } from "./node_state.ts";
import type { Progress } from "./progress.ts";

/** Reads that may wait at once; further ones are answered as if leadership were lost. */
const MAX_READS = 10_000;

/** A read and the round that has to be answered by a majority for it. */
interface PendingRead {
  readonly read: number;
  readonly index: number;
  readonly round: number;
}

export class Lease {
  readonly #state: NodeState;
  readonly #peers: ReadonlyMap<string, Progress>;
  /** Before this tick the lease of an earlier leader may run (E7). */
  readonly quietUntil: number;
  #round = 0;
  /** Answers to rounds sent before this tick do not count any more. */
  #floor: number;
  #until = 0;
  /** Reads that wait for the next round. */
  #waiting: number[] = [];
  #pending: PendingRead[] = [];

  constructor(state: NodeState, peers: ReadonlyMap<string, Progress>, quietUntil: number) {
    this.#state = state;
    this.#peers = peers;
    this.quietUntil = quietUntil;
    this.#floor = state.now;
  }

  /** The lease is over and starts anew with the next round (Q4, E9). */
  break(): void {
    this.#floor = this.#state.now;
    this.#until = 0;
  }

  /** The tick at which the lease ends; 0 when there is none. */
  get until(): number {
    return this.#state.now < this.quietUntil ? 0 : this.#until;
  }

  read(read: number): void {
    if (this.#waiting.length + this.#pending.length < MAX_READS) this.#waiting.push(read);
    else this.#state.outbox.answerRead({ read, index: undefined });
  }

  /** Whether reads wait for a round and none is under way for others. */
  get wantsRound(): boolean {
    return this.#waiting.length > 0 && this.#pending.length === 0;
  }

  /** The number of the round that is sent now. Reads wait for it from `termCommitted` on. */
  startRound(termCommitted: boolean): number {
    this.#round++;
    if (termCommitted && this.#waiting.length > 0) {
      const index = this.#state.log.commit;
      for (const read of this.#waiting) this.#pending.push({ read, index, round: this.#round });
      this.#waiting = [];
    }
    return this.#round;
  }

  /** `progress` answered a round. */
  answered(progress: Progress, round: number, sentAt: number): void {
    if (round > this.#round || sentAt > this.#state.now) return;
    progress.round = Math.max(progress.round, round);
    if (sentAt >= this.#floor) progress.answeredSentAt = Math.max(progress.answeredSentAt, sentAt);
  }

  /** Draws the consequences of answers and of changes of the membership. */
  update(): void {
    const { leaseTimeout } = this.#state.timeouts;
    const since = this.#majority(this.#state.now, (peer) => peer.answeredSentAt);
    if (since !== undefined && since >= this.#floor) {
      this.#until = Math.max(this.#until, since + Math.floor(leaseTimeout * 0.9));
    }
    if (this.#pending.length === 0) return;
    const round = this.#majority(this.#round, (peer) => peer.round) ?? 0;
    while (this.#pending.length > 0 && this.#pending[0]!.round <= round) {
      const { read, index } = this.#pending.shift()!;
      this.#state.outbox.answerRead({ read, index });
    }
  }

  /** Reads that cannot be answered any more. */
  end(): void {
    for (const read of this.#waiting) this.#state.outbox.answerRead({ read, index: undefined });
    for (const { read } of this.#pending) this.#state.outbox.answerRead({ read, index: undefined });
    this.#waiting = [];
    this.#pending = [];
    this.#until = 0;
  }

  /** What a majority of voters reaches, where this node itself stands for `own`. */
  #majority(own: number, of: (peer: Progress) => number): number | undefined {
    const values: number[] = [];
    for (const member of this.#state.membership.members) {
      if (!member.voter) continue;
      if (member.id === this.#state.id) {
        if (isSameNode(member, this.#state.incarnation)) values.push(own);
      } else values.push(of(this.#peers.get(member.id)!));
    }
    return majorityValue(values);
  }
}
