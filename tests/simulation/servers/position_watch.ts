/**
 * Where each plain subscription and durable stands as far as the cluster agreed on it: read off the reports in the
 * committed log. No leader may deliver again what stands there as acknowledged (I17).
 */
import { decodeFacts } from "../../../src/protocol/operation_codec.ts";
import type { Sequence } from "../../../src/protocol/units.ts";
import { Violation } from "../simulation.ts";

interface Position {
  lastSent: Sequence;
  readonly pending: Set<Sequence>;
}

export class PositionWatch {
  readonly #positions = new Map<string, Position>();

  #isOver = false;

  /** Reports were lost: what they said is not known any more. */
  stop(): void {
    this.#isOver = true;
    this.#positions.clear();
  }

  /** An entry with reports is committed. */
  committed(payload: Uint8Array): void {
    if (this.#isOver) return;
    for (const { channel, incarnation, subscriptionId, sent, acknowledged, complete } of decodeFacts(payload)) {
      const key = `${channel}/${incarnation}/${subscriptionId}`;
      let position = this.#positions.get(key);
      if (position === undefined) this.#positions.set(key, position = { lastSent: 0, pending: new Set() });
      if (complete !== undefined) {
        position.pending.clear();
        position.lastSent = complete.lastSent;
      }
      for (const sequence of sent) {
        position.pending.add(sequence);
        position.lastSent = Math.max(position.lastSent, sequence);
      }
      for (const sequence of acknowledged) position.pending.delete(sequence);
    }
  }

  delivered(name: string, channel: string, incarnation: number, subscriptionId: number, sequence: Sequence): void {
    const position = this.#positions.get(`${channel}/${incarnation}/${subscriptionId}`);
    if (position === undefined || sequence > position.lastSent || position.pending.has(sequence)) return;
    throw new Violation(
      "I17 in flight",
      `${name} delivers ${channel} ${sequence} to subscription ${subscriptionId}, which is known to be beyond it`,
    );
  }
}
