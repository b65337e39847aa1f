/** What `subs.dat` says, record by record (spec stores, section 3.5). */
import type { RecoveredSubscription } from "../../ports/store.ts";
import type { Offset, Sequence } from "../../protocol/units.ts";
import { SubscriptionDelete, SubscriptionState } from "../../protocol/stored_records.ts";
import { VarintReader } from "../../protocol/varint.ts";

/** The types of records. */
export const NEW = 1, UPDATE = 2, DELETE = 3, ACK = 4, PENDING = 5;

/** A subscription as the records before some point leave it. */
export interface ReplayedSubscription {
  state: SubscriptionState;
  readonly pending: Set<Sequence>;
}

/** Applies records one after the other. */
export class SubscriptionReplay {
  readonly subscriptions = new Map<number, ReplayedSubscription>();
  highestId = 0;
  /** For the decision to compact (spec stores, section 3.8). */
  records = 0;
  deleted = 0;
  readonly #reader = new VarintReader();

  /** Throws Malformed, or an Error with the reference's text for an unknown type. */
  apply(type: number, bytes: Uint8Array, start: Offset, end: Offset): void {
    if (type === PENDING || type === ACK) this.#mark(type, bytes, start, end);
    else if (type === NEW || type === UPDATE) this.#set(type, SubscriptionState.decode(bytes, start, end));
    else if (type === DELETE) this.#delete(SubscriptionDelete.decode(bytes, start, end).id);
    else throw new Error(`unexpected record type: ${type}`);
  }

  #set(type: number, state: SubscriptionState): void {
    this.records++;
    this.highestId = Math.max(this.highestId, state.id);
    const known = type === UPDATE ? this.subscriptions.get(state.id) : undefined;
    if (known === undefined) this.subscriptions.set(state.id, { state, pending: new Set() });
    else {
      known.state = state;
      this.deleted++;
    }
  }

  #delete(id: number): void {
    this.highestId = Math.max(this.highestId, id);
    const known = this.subscriptions.get(id);
    if (known === undefined) return;
    this.deleted += 1 + known.pending.size;
    this.subscriptions.delete(id);
  }

  #mark(type: number, bytes: Uint8Array, start: Offset, end: Offset): void {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    let id = 0;
    let sequence = 0;
    while (!reader.done) {
      const tag = reader.readNumber();
      if (tag === 8) id = reader.readNumber();
      else if (tag === 16) sequence = reader.readNumber();
      else reader.skip(tag & 7);
    }
    const known = this.subscriptions.get(id);
    if (known === undefined) return;
    if (type === ACK) {
      this.deleted++;
      known.pending.delete(sequence);
      return;
    }
    this.records++;
    known.pending.add(sequence);
    if (sequence > known.state.lastSent) known.state.lastSent = sequence;
  }

  /** What recovery answers: pending sequences ascending. */
  recovered(): RecoveredSubscription[] {
    return [...this.subscriptions.values()].map(({ state, pending }) => ({
      state,
      pending: [...pending].sort((a, b) => a - b),
    }));
  }
}
