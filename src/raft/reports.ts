/**
 * Delivery facts on their way to the followers, gathered by subscription: flushed at 100 items, after a second, or on
 * request (spec clustering, section 4.3). What was sent and acknowledged meanwhile needs no mention but for the newest.
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { DeliveryFact } from "../protocol/operations.ts";
import type { Sequence } from "../protocol/units.ts";

const ITEMS = 100;
const WAIT = 1000;
/** Statements sent at a time: each may list as many sequences as a subscription has in flight. */
const STATED = 16;

interface Gathered {
  readonly channel: string;
  readonly incarnation: number;
  readonly subscriptionId: number;
  readonly sent: Set<Sequence>;
  readonly acknowledged: Set<Sequence>;
  /** Those in `sent` that followers know of already: they went to another member of the group and came back. */
  readonly returned: Set<Sequence>;
  /** Those in `sent` that a snapshot may have told others of. */
  readonly told: Set<Sequence>;
  /** The newest sequence sent: raises lastSent even when it was acknowledged since. */
  newest: Sequence;
  newestAcknowledged: boolean;
}

export class Reports {
  readonly #clock: Clock;
  readonly #send: (facts: readonly DeliveryFact[]) => boolean;
  /** What a new leader states, as far as it has not been sent. */
  #statements: readonly DeliveryFact[] = [];
  /** By channel, then by subscription. */
  #channels = new Map<string, Map<number, Gathered>>();
  #cancel: Cancel | undefined;
  #full = false;

  /** `send` gets what was gathered, which may be lost on the way; it answers `false` where it has to come again later. */
  constructor(clock: Clock, send: (facts: readonly DeliveryFact[]) => boolean) {
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
      const waits = gathered.sent.delete(sequence);
      const returned = gathered.returned.delete(sequence);
      const told = gathered.told.delete(sequence);
      if (!waits || returned || told) gathered.acknowledged.add(sequence);
      if (waits && !returned && sequence === gathered.newest) gathered.newestAcknowledged = true;
    }
    this.#cancel ??= this.#clock.wakeAt(this.#clock.now() + WAIT, () => this.flush());
    if (gathered.sent.size + gathered.acknowledged.size >= ITEMS && !this.#full) {
      this.#full = true;
      this.#clock.soon(() => this.#full && this.flush());
    }
  }

  /** Sends statements in place of what was gathered so far, ahead of what will be. */
  state(facts: readonly DeliveryFact[]): void {
    this.drop();
    this.#statements = facts;
    this.flush();
  }

  /** Sends what was gathered, now; what cannot go now goes later. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#full = false;
    if (this.#flushAll()) return;
    this.#cancel = this.#clock.wakeAt(this.#clock.now() + WAIT, () => this.flush());
    // Whoever asked may take a snapshot now, by which others get to know of what is still to be sent.
    for (const subscriptions of this.#channels.values()) {
      for (const { sent, told } of subscriptions.values()) for (const sequence of sent) told.add(sequence);
    }
  }

  #flushAll(): boolean {
    while (this.#statements.length > 0) {
      if (!this.#send(this.#statements.slice(0, STATED))) return false;
      this.#statements = this.#statements.slice(STATED);
    }
    if (this.#channels.size === 0) return true;
    const facts: DeliveryFact[] = [];
    for (const subscriptions of this.#channels.values()) {
      for (const gathered of subscriptions.values()) facts.push(factOf(gathered));
    }
    if (!this.#send(facts)) return false;
    this.#channels = new Map();
    return true;
  }

  /** Forgets what was gathered: this node does not lead any more. */
  drop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#full = false;
    this.#statements = [];
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
        told: new Set(),
        newest: 0,
        newestAcknowledged: false,
      };
      subscriptions.set(subscriptionId, gathered);
    }
    return gathered;
  }
}

function factOf(gathered: Gathered): DeliveryFact {
  const { channel, incarnation, subscriptionId, newest, newestAcknowledged } = gathered;
  const sent = new Set(gathered.sent);
  const acknowledged = new Set(gathered.acknowledged);
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
