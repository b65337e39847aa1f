/** A subject space of its own: who is subscribed to what in one account (spec nats-server, section 4.6). */
import type { AccountOptions, Limits } from "./options.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Place, SubjectCache, SubjectTree, type Subscription } from "./subjects/mod.ts";
import type { RouteLink } from "./delivery.ts";

/** The account of everybody when none is configured. */
export const GLOBAL_ACCOUNT = "$G";

/** Subscriptions that are removed in one turn. */
const AT_ONCE = 1_000;

/** The limits that may differ from client to client. */
export type ClientLimits = Pick<Limits, "maxPayload" | "maxControlLine" | "maxSubscriptions">;

/**
 * Hears of changes in this server's own interest, as routes announce it: plain subscriptions when the first comes and the
 * last goes, queue groups at every change. `count` is how many there are now. Texts hold one character a byte.
 */
export type LocalInterestListener = (
  account: Account,
  subject: string,
  queue: string | undefined,
  count: number,
) => void;

export class Account {
  readonly name: string;
  readonly tree: SubjectTree<Subscription, RouteLink> = new SubjectTree();
  readonly cache: SubjectCache<Subscription, RouteLink> = new SubjectCache(this.tree);
  /** Clients that are connected. */
  connections = 0;
  /** What its own options say; the server's limits hold as well. */
  limits: Omit<AccountOptions, "name"> = {};
  readonly #changed: LocalInterestListener;

  constructor(name: string, changed: LocalInterestListener) {
    this.name = name;
    this.#changed = changed;
  }

  /** What holds for a client here: the stricter of its own limits and the server's. */
  limitsWithin(server: Limits): ClientLimits {
    const { maxPayload = Infinity, maxSubscriptions = 0 } = this.limits;
    if (maxPayload >= server.maxPayload && maxSubscriptions === 0) return server;
    const both = maxSubscriptions > 0 && server.maxSubscriptions > 0;
    return {
      maxPayload: Math.min(maxPayload, server.maxPayload),
      maxControlLine: server.maxControlLine,
      maxSubscriptions: both
        ? Math.min(maxSubscriptions, server.maxSubscriptions)
        : maxSubscriptions || server.maxSubscriptions,
    };
  }

  /** Whether more clients are connected than there may be. */
  get overcrowded(): boolean {
    return this.connections > (this.limits.maxConnections ?? Infinity);
  }

  add(subscription: Subscription): void {
    this.tree.insert(subscription);
    this.#tell(subscription, subscription.place!.locals.length, 1);
  }

  /** Harmless when the subscription is gone already. */
  remove(subscription: Subscription): void {
    const { place } = subscription;
    if (place === undefined) return;
    this.tree.remove(subscription);
    this.#tell(subscription, place.locals.length, 0);
  }

  /** Removes a leaving connection's subscriptions, with one change told per subject and group. */
  removeAll(subscriptions: Iterable<Subscription>): void {
    const touched = new Map<Place, Subscription>();
    for (const subscription of subscriptions) {
      const { place } = subscription;
      if (place === undefined) continue;
      this.tree.remove(subscription);
      touched.set(place, subscription);
    }
    for (const [place, subscription] of touched) this.#tell(subscription, place.locals.length, 0);
  }

  /** As {@link removeAll}, a part per turn, so that others are not held up; who leaves takes no messages meanwhile. */
  removeGradually(subscriptions: Iterable<Subscription>, clock: Clock): void {
    const rest = subscriptions[Symbol.iterator]();
    const removePart = () => {
      const part: Subscription[] = [];
      for (let next = rest.next(); next.done !== true; next = rest.next()) {
        if (part.push(next.value) === AT_ONCE) break;
      }
      this.removeAll(part);
      if (part.length === AT_ONCE) clock.soon(removePart);
    };
    removePart();
  }

  /** `count` subscriptions have this subject and group now; of plain ones only a first and a last are news. */
  #tell({ subject, queue }: Subscription, count: number, plainNews: number): void {
    if (queue === undefined && count !== plainNews) return;
    this.#changed(this, subject, queue, count);
  }
}
