/** The configured channel limits, as the machine agrees on them and as the pages show them. */
import type { Options } from "./config/mod.ts";
import { type ResolvedLimits, resolveLimits } from "./protocol/limits.ts";
import type { LimitsPage } from "./server/mod.ts";

/** With inheritance settled. */
export function machineLimits({ streaming: { limits } }: Options): ResolvedLimits {
  const channels = new Map(limits.channels.map(({ name, ...own }) => [name, own]));
  return resolveLimits({ ...limits, channels });
}

/** As the `storez` page lists them; names sorted. Before the store is open, a standby shows what was written. */
export function limitsPage(options: Options, inherited: boolean): LimitsPage {
  const { limits } = options.streaming;
  const names = new Set(limits.channels.map(({ name }) => name));
  const written = limits.channels.map(({ name, ...own }) => ({ pattern: name, ...own }));
  const resolved = inherited ? machineLimits(options).channels.filter(({ pattern }) => names.has(pattern)) : written;
  resolved.sort((a, b) => a.pattern < b.pattern ? -1 : 1);
  const page = {
    max_channels: limits.maxChannels,
    max_msgs: limits.maxMessages,
    max_bytes: limits.maxBytes,
    max_age: Number(limits.maxAge),
    max_subscriptions: limits.maxSubscriptions,
    max_inactivity: Number(limits.maxInactivity),
  };
  if (resolved.length === 0) return page;
  return {
    ...page,
    channels: Object.fromEntries(resolved.map((each) => [each.pattern, {
      max_msgs: each.maxMessages,
      max_bytes: each.maxBytes,
      max_age: Number(each.maxAge),
      max_subscriptions: each.maxSubscriptions,
      max_inactivity: Number(each.maxInactivity),
    }])),
  };
}
