/**
 * Delivery facts on their way to the followers, gathered by subscription: flushed at 100 items, after a second, or on
 * request (spec clustering, section 4.3). What was sent and acknowledged meanwhile needs no mention but for the newest.
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { DeliveryFact } from "../protocol/operations.ts";
import type { Sequence } from "../protocol/units.ts";

const ITEMS = 100;
const WAIT = 1000;

interface Gathered {
  readonly channel: string;
  readonly incarnation: number;
  readonly subscriptionId: number;
  readonly sent: Set<Sequence>;
  readonly acknowledged: Set<Sequence>;
  /** Those in `sent` that followers know of already: they went to another member of the group and came back. */
  readonly returned: Set<Sequence>;
  /** The newest sequence sent: raises lastSent even when it was acknowledged since. */
  newest: Sequence;
  newestAcknowledged: boolean;
}

export class Reports {
  readonly #clock: Clock;
  readonly #send: (facts: readonly DeliveryFact[]) => void;
  /** By channel, then by subscription. */
  #channels = new Map<string, Map<number, Gathered>>();
  #cancel: Cancel | undefined;
  #full = false;

  /** `send` gets what was gathered; it may be lost. */
  constructor(clock: Clock, send: (facts: readonly DeliveryFact[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(fact: DeliveryFact): void {
    const gathered = this.#of(fact);
    for (const sequence of fact.sent) {
      gathered.sent.add(sequence);
      if (gathered.acknowledged.delete(sequence)) gathered.returned.add(sequence);
      if (sequence >= gathered.newest) {
        gathered.newest = sequence;
        gathered.newestAcknowledged = false;
      }
    }
    for (const sequence of fact.acknowledged) {
      if (!gathered.sent.delete(sequence) || gathered.returned.delete(sequence)) gathered.acknowledged.add(sequence);
      else if (sequence === gathered.newest) gathered.newestAcknowledged = true;
    }
    this.#cancel ??= this.#clock.wakeAt(this.#clock.now() + WAIT, () => this.flush());
    if (gathered.sent.size + gathered.acknowledged.size >= ITEMS && !this.#full) {
      this.#full = true;
      this.#clock.soon(() => this.#full && this.flush());
    }
  }

  /** Sends what was gathered, now. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#full = false;
    if (this.#channels.size === 0) return;
    const facts: DeliveryFact[] = [];
    for (const subscriptions of this.#channels.values()) {
      for (const gathered of subscriptions.values()) facts.push(factOf(gathered));
    }
    this.#channels = new Map();
    this.#send(facts);
  }

  /** Forgets what was gathered: this node does not lead any more. */
  drop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#full = false;
    this.#channels = new Map();
  }

  #of(fact: DeliveryFact): Gathered {
    let subscriptions = this.#channels.get(fact.channel);
    if (subscriptions === undefined) this.#channels.set(fact.channel, subscriptions = new Map());
    let gathered = subscriptions.get(fact.subscriptionId);
    if (gathered === undefined || gathered.incarnation !== fact.incarnation) {
      const { channel, incarnation, subscriptionId } = fact;
      gathered = {
        channel,
        incarnation,
        subscriptionId,
        sent: new Set(),
        acknowledged: new Set(),
        returned: new Set(),
        newest: 0,
        newestAcknowledged: false,
      };
      subscriptions.set(subscriptionId, gathered);
    }
    return gathered;
  }
}

function factOf(gathered: Gathered): DeliveryFact {
  const { channel, incarnation, subscriptionId, sent, acknowledged, newest, newestAcknowledged } = gathered;
  if (newestAcknowledged) {
    sent.add(newest);
    acknowledged.add(newest);
  }
  return {
    channel,
    incarnation,
    subscriptionId,
    sent: [...sent].sort((a, b) => a - b),
    acknowledged: [...acknowledged].sort((a, b) => a - b),
  };
}
