/**
 * Channel limits and their inheritance: which limits apply to a channel, given those for all channels and those for some
 * names and patterns (spec stores, sections 2.1 to 2.3).
 */
import type { SetLimits } from "./operations.ts";
import { hasWildcard, isChannelPattern } from "./subjects.ts";
import type { Nanos } from "./units.ts";

/** Limits of one channel after inheritance, as the machine applies them. 0 means unlimited. */
export interface ChannelLimits {
  readonly maxSubscriptions: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAge: Nanos;
  readonly maxInactivity: Nanos;
}

/** What an operator sets: limits for the whole server, and per name or pattern those that differ. */
export interface ConfiguredLimits extends ChannelLimits {
  /** How many channels there may be; 0 means unlimited. */
  readonly maxChannels: number;
  /** Per name or pattern: a missing or zero field inherits, a negative one means unlimited. */
  readonly channels: ReadonlyMap<string, Partial<ChannelLimits>>;
}

/** Limits after inheritance; what the `set limits` operation carries. */
export type ResolvedLimits = Pick<SetLimits, "maxChannels" | "channels">;

/** No limits. */
export const UNLIMITED: ChannelLimits = {
  maxSubscriptions: 0,
  maxMessages: 0,
  maxBytes: 0,
  maxAge: 0n,
  maxInactivity: 0n,
};

/** The reference's defaults (spec streaming, section 10). */
export const DEFAULT_LIMITS: ResolvedLimits = {
  maxChannels: 100,
  channels: [{ ...UNLIMITED, pattern: ">", maxSubscriptions: 1000, maxMessages: 1_000_000, maxBytes: 1_024_000_000 }],
};

/** Why these limits cannot be used, in the words of the reference; `undefined` when they can. */
export function limitsProblem(limits: ConfiguredLimits): string | undefined {
  const counts: readonly [string, number | bigint, string][] = [
    ["channels", limits.maxChannels, `${limits.maxChannels}`],
    ["subscriptions", limits.maxSubscriptions, `${limits.maxSubscriptions}`],
    ["messages", limits.maxMessages, `${limits.maxMessages}`],
    ["bytes", limits.maxBytes, `${limits.maxBytes}`],
    ["age", limits.maxAge, goDuration(limits.maxAge)],
    ["inactivity", limits.maxInactivity, goDuration(limits.maxInactivity)],
  ];
  for (const [name, value, shown] of counts) {
    if (value < 0) return `max ${name} limit cannot be negative (${shown})`;
  }
  let literals = 0;
  for (const name of limits.channels.keys()) {
    if (!isChannelPattern(name)) return `invalid channel name "${name}"`;
    if (!hasWildcard(name)) literals++;
  }
  if (limits.maxChannels > 0 && literals > limits.maxChannels) {
    return `too many channels defined (${literals}). The max channels limit is set to ${limits.maxChannels}`;
  }
  return undefined;
}

/** A duration as Go prints it: `1h0m0s`, `-1.5s`, `15ms`. */
export function goDuration(nanos: Nanos): string {
  if (nanos === 0n) return "0s";
  const sign = nanos < 0n ? "-" : "";
  const value = nanos < 0n ? -nanos : nanos;
  if (value < 1_000n) return `${sign}${value}ns`;
  if (value < 1_000_000n) return `${sign}${decimal(value, 1_000n)}µs`;
  if (value < 1_000_000_000n) return `${sign}${decimal(value, 1_000_000n)}ms`;
  const minutes = value / 60_000_000_000n;
  const seconds = `${decimal(value % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, unit: bigint): string {
  const fraction = (value % unit).toString().padStart(unit.toString().length - 1, "0").replace(/0+$/, "");
  return fraction === "" ? `${value / unit}` : `${value / unit}.${fraction}`;
}

/** A node of the tree of patterns: one token. */
interface Level {
  readonly children: Map<string, Level>;
  entry: string | undefined;
}

function newLevel(): Level {
  return { children: new Map(), entry: undefined };
}

function treeOf(patterns: Iterable<string>): Level {
  const root = newLevel();
  for (const pattern of patterns) {
    let level = root;
    for (const token of pattern.split(".")) {
      let child = level.children.get(token);
      if (child === undefined) level.children.set(token, child = newLevel());
      level = child;
    }
    level.entry = pattern;
  }
  return root;
}

/** The patterns that apply to `name`, widest first: each inherits from the one before. */
function matching(root: Level, name: string): string[] {
  const found: string[] = [];
  walk(root, name.split("."), 0, found);
  return found;
}

/** The patterns among `patterns` that `name`, itself one of them, inherits from, widest first. */
export function widerPatterns(name: string, patterns: readonly string[]): string[] {
  return matching(treeOf(patterns), name).filter((each) => each !== name);
}

function walk(start: Level, tokens: readonly string[], from: number, found: string[]): void {
  let level = start;
  for (let i = from; i < tokens.length; i++) {
    const all = level.children.get(">")?.entry;
    if (all !== undefined) found.push(all);
    const star = level.children.get("*");
    const isLast = i === tokens.length - 1;
    if (star !== undefined) {
      if (!isLast) walk(star, tokens, i + 1, found);
      else if (star.entry !== undefined) found.push(star.entry);
    }
    const token = tokens[i]!;
    const next = token === "*" || token === ">" ? undefined : level.children.get(token);
    if (next === undefined) return;
    if (isLast && next.entry !== undefined) found.push(next.entry);
    level = next;
  }
}

/** Every pattern in the order in which inheritance is settled: per level `>`, then `*` with what is below, then names. */
function inOrder(level: Level, found: string[] = []): string[] {
  if (level.entry !== undefined) found.push(level.entry);
  const all = level.children.get(">");
  const star = level.children.get("*");
  if (all !== undefined) inOrder(all, found);
  if (star !== undefined) inOrder(star, found);
  for (const [token, child] of level.children) if (token !== ">" && token !== "*") inOrder(child, found);
  return found;
}

/** Settles inheritance. The result lists `>` first; each entry stands for itself, without its parents. */
export function resolveLimits(limits: ConfiguredLimits): ResolvedLimits {
  const root = treeOf(limits.channels.keys());
  const resolved = new Map<string, ChannelLimits>();
  for (const pattern of inOrder(root)) {
    let parent: ChannelLimits = limits;
    for (const name of matching(root, pattern)) {
      const known = resolved.get(name);
      if (known === undefined) resolved.set(name, parent = inherit(limits.channels.get(name)!, parent));
      else parent = known;
    }
  }
  const global = inherit({}, limits);
  const all = resolved.get(">") ?? global;
  resolved.delete(">");
  const channels = [{ pattern: ">", ...all }];
  for (const [pattern, each] of resolved) channels.push({ pattern, ...each });
  return { maxChannels: limits.maxChannels, channels };
}

function inherit(own: Partial<ChannelLimits>, parent: ChannelLimits): ChannelLimits {
  return {
    maxSubscriptions: inheritCount(own.maxSubscriptions, parent.maxSubscriptions),
    maxMessages: inheritCount(own.maxMessages, parent.maxMessages),
    maxBytes: inheritCount(own.maxBytes, parent.maxBytes),
    maxAge: inheritNanos(own.maxAge, parent.maxAge),
    maxInactivity: inheritNanos(own.maxInactivity, parent.maxInactivity),
  };
}

function inheritCount(own: number | undefined, parent: number): number {
  return own === undefined || own === 0 ? parent : Math.max(0, own);
}

function inheritNanos(own: Nanos | undefined, parent: Nanos): Nanos {
  return own === undefined || own === 0n ? parent : own < 0n ? 0n : own;
}

/** Finds the limits of a channel by its name: those of the narrowest pattern that matches. For many names of one set of limits. */
export function limitsLookup({ channels }: ResolvedLimits): (name: string) => ChannelLimits {
  const first = channels[0];
  if (channels.length === 1 && first !== undefined && first.pattern === ">") return () => first;
  const byPattern = new Map(channels.map((each) => [each.pattern, each]));
  const root = treeOf(byPattern.keys());
  return (name) => byPattern.get(matching(root, name).at(-1) ?? "") ?? UNLIMITED;
}

/** Kept with the limits they come from: many channels are looked up in the same ones. */
const lookups = new WeakMap<ResolvedLimits["channels"], (name: string) => ChannelLimits>();

/** The limits of the channel `name`. */
export function limitsOf(name: string, limits: ResolvedLimits): ChannelLimits {
  let lookup = lookups.get(limits.channels);
  if (lookup === undefined) lookups.set(limits.channels, lookup = limitsLookup(limits));
  return lookup(name);
}
