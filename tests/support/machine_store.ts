/** What {@link ./machine_driver.ts} stores of a channel: times of messages, subscription records, pending sequences. */
import type { SubscriptionState } from "../../src/protocol/stored_records.ts";
import type { Repair, StoredChannel as RecoveredChannel } from "../../src/streaming/mod.ts";

export interface StoredSubscription {
  state: SubscriptionState;
  readonly pending: Set<number>;
}

export interface StoredChannel {
  first: number;
  readonly times: bigint[];
  readonly gone: Set<number>;
  readonly subscriptions: Map<number, StoredSubscription>;
  highestId: number;
}

export function emptyChannel(): StoredChannel {
  return { first: 1, times: [], gone: new Set(), subscriptions: new Map(), highestId: 0 };
}

/** Whether the message can be read. */
export function holds(channel: StoredChannel, sequence: number): boolean {
  return sequence >= channel.first && sequence <= channel.times.length && !channel.gone.has(sequence);
}

export function record(channel: StoredChannel, how: "create" | "update" | "forget", state: SubscriptionState): void {
  if (how === "forget") channel.subscriptions.delete(state.id);
  else if (how === "update") channel.subscriptions.get(state.id)!.state = state;
  else {
    if (channel.subscriptions.has(state.id)) throw new Error(`subscription ${state.id} exists`);
    channel.subscriptions.set(state.id, { state, pending: new Set() });
    channel.highestId = Math.max(channel.highestId, state.id);
  }
}

export function note(stored: StoredSubscription, what: "sent" | "acked", sequences: readonly number[]): void {
  for (const sequence of sequences) {
    if (what === "acked") stored.pending.delete(sequence);
    else {
      stored.pending.add(sequence);
      stored.state = { ...stored.state, lastSent: Math.max(stored.state.lastSent, sequence) };
    }
  }
}

export function mend(channel: StoredChannel, repair: Repair): void {
  if (repair.kind === "forget") channel.subscriptions.delete(repair.id);
  else if (repair.kind === "update") channel.subscriptions.get(repair.state.id)!.state = repair.state;
  else note(channel.subscriptions.get(repair.id)!, repair.kind, repair.sequences);
}

export function asRecovered(name: string, stored: StoredChannel): RecoveredChannel {
  return {
    name,
    last: stored.times.length,
    lastTimestamp: stored.times[stored.times.length - 1] ?? 0n,
    highestSubscriptionId: stored.highestId,
    subscriptions: [...stored.subscriptions.values()].map(({ state, pending }) => ({
      state,
      pending: [...pending].sort((a, b) => a - b),
    })),
  };
}

/** As a message log answers it (spec stores, section 1.2). */
export function sequenceAt(stored: StoredChannel, time: bigint): number {
  if (stored.times.length === 0) return 0;
  for (let sequence = stored.first; sequence <= stored.times.length; sequence++) {
    if (stored.times[sequence - 1]! >= time) return sequence;
  }
  return stored.times.length + 1;
}
