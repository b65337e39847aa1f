/** `/subsz`: the subject trees and what is in them. */
import type { Account } from "../account.ts";
import { BadParameter, booleanParameter, pageParameters, readable, timeText } from "./page_texts.ts";
import { hasWildcard, type Interest, matches, Subscription, validLiteral } from "../subjects/mod.ts";
import { textOf } from "../../wire/frames.ts";
import type { ShownServer } from "./shown_server.ts";
import type { SubscriptionFacts } from "./connection_view.ts";

/** The page's object. Throws BadParameter. */
export function subsz(server: ShownServer, query: URLSearchParams): unknown {
  const wantsList = booleanParameter(query, "subs");
  const { offset, limit } = pageParameters(query);
  const test = query.get("test") ?? "";
  if (test !== "" && (!validLiteral(test) || hasWildcard(test))) {
    throw new BadParameter(`invalid test subject, must be valid publish subject: ${test}`);
  }
  const accounts = [...server.accounts.values()]
    .filter((account) => !query.get("acc") || account.name === query.get("acc"));
  const found = wantsList ? subscriptionsOf(accounts, test) : [];
  if (found.length === 0) return statistics(accounts);
  const page = found.slice(offset, offset + limit);
  return {
    server_id: server.serverId,
    now: timeText(server.clock.wall()),
    ...statistics(accounts),
    total: found.length,
    offset,
    limit,
    subscriptions_list: page.map(([account, subscription]) => ({
      account: account.name,
      ...subscriptionView(subscription, idOf(subscription)),
    })),
  };
}

/** One subscription in detail. */
export function subscriptionView(subscription: SubscriptionFacts, cid: number) {
  return {
    subject: readable(subscription.subject),
    ...(subscription.queue === undefined ? {} : { qgroup: readable(subscription.queue) }),
    sid: readable(subscription.sid),
    msgs: subscription.delivered,
    ...(subscription.max > 0 ? { max: subscription.max } : {}),
    cid,
  };
}

function idOf(subscription: Subscription): number {
  return (subscription.target as { readonly id?: number }).id ?? 0;
}

function subscriptionsOf(accounts: readonly Account[], test: string): [Account, Subscription][] {
  const bytes = new TextEncoder().encode(test);
  const subject = textOf(bytes, 0, bytes.length);
  const found: [Account, Subscription][] = [];
  for (const account of accounts) {
    account.tree.forEach((interest: Interest) => {
      if (!(interest instanceof Subscription)) return;
      if (test === "" || matches(interest.subject, subject)) found.push([account, interest]);
    });
  }
  return found;
}

/** What the subject trees and caches of some accounts hold and did. */
export function statistics(accounts: readonly Account[]) {
  const sum = (of: (account: Account) => number) => accounts.reduce((total, account) => total + of(account), 0);
  const fanouts: number[] = [];
  for (const { cache } of accounts) cache.forEach((match) => fanouts.push(match.locals.length + match.groups.length));
  const lookups = sum(({ cache }) => cache.lookups);
  return {
    num_subscriptions: sum(({ tree }) => tree.localCount + tree.remoteCount),
    num_cache: sum(({ cache }) => cache.size),
    num_inserts: sum(({ tree }) => tree.insertCount),
    num_removes: sum(({ tree }) => tree.removeCount),
    num_matches: lookups,
    cache_hit_rate: lookups === 0 ? 0 : sum(({ cache }) => cache.hits) / lookups,
    max_fanout: fanouts.reduce((most, fanout) => Math.max(most, fanout), 0),
    avg_fanout: fanouts.length === 0 ? 0 : fanouts.reduce((total, fanout) => total + fanout, 0) / fanouts.length,
  };
}
