/**
 * Limits of a store: what an operator may ask for, and how a channel inherits what it does not set (spec stores,
 * sections 2.1 to 2.3).
 */
import { type ChannelLimits, StoreFailed } from "../ports/store.ts";
import type { Nanos } from "../protocol/units.ts";

/** Limits of a channel or pattern as configured: 0 or missing inherits, negative is unlimited. */
export type ConfiguredLimits = Partial<ChannelLimits>;

/** Limits as configured. In `global` 0 means unlimited and negative is refused. */
export interface StoreLimits {
  /** 0: unlimited. */
  readonly maxChannels: number;
  readonly global: ChannelLimits;
  /** By channel name or pattern (`a.*`, `a.>`). */
  readonly channels?: ReadonlyMap<string, ConfiguredLimits>;
}

/** The limits of a server that was told nothing. */
export const defaultLimits: StoreLimits = {
  maxChannels: 100,
  global: {
    maxSubscriptions: 1000,
    maxMessages: 1_000_000,
    maxBytes: 1_024_000_000,
    maxAge: 0n,
    maxInactivity: 0n,
  },
};

/** Checked limits with inheritance resolved. */
export interface ResolvedLimits {
  readonly maxChannels: number;
  readonly global: ChannelLimits;
  /** The resolved limits of each configured name or pattern. */
  readonly entries: ReadonlyMap<string, ChannelLimits>;
  /** The limits of a channel. */
  of(channel: string): ChannelLimits;
}

/** A level of the pattern tree. */
interface Level {
  readonly literals: Map<string, Level>;
  /** Behind a `*` token. */
  star: Level | undefined;
  /** The entries that end here: named by this path, by its `*`, by its `>`. */
  entry: string | undefined;
  starEntry: string | undefined;
  tailEntry: string | undefined;
}

/** Resolves `limits`. Throws StoreFailed `refused` with the reference's text (spec stores, section 2.2). */
export function resolveLimits(limits: StoreLimits = defaultLimits): ResolvedLimits {
  checkLimits(limits);
  const root = newLevel();
  const patterns = [...(limits.channels ?? new Map<string, ConfiguredLimits>()).keys()];
  for (const pattern of patterns) insert(root, pattern);
  const entries = new Map<string, ChannelLimits>();
  for (const pattern of inOrder(root)) {
    let parent = limits.global;
    for (const name of matches(root, pattern)) {
      let resolved = entries.get(name);
      if (resolved === undefined) {
        resolved = inherit(limits.channels!.get(name)!, parent);
        entries.set(name, resolved);
      }
      parent = resolved;
    }
  }
  return {
    maxChannels: limits.maxChannels,
    global: limits.global,
    entries,
    of(channel) {
      const last = entries.size === 0 ? undefined : matches(root, channel).at(-1);
      return last === undefined ? limits.global : entries.get(last)!;
    },
  };
}

/** Throws StoreFailed `refused` when `limits` cannot be meant. */
export function checkLimits(limits: StoreLimits): void {
  refuseNegative("max channels", limits.maxChannels, String);
  refuseNegative("max subscriptions", limits.global.maxSubscriptions, String);
  refuseNegative("max messages", limits.global.maxMessages, String);
  refuseNegative("max bytes", limits.global.maxBytes, String);
  refuseNegative("max age", limits.global.maxAge, formatDuration);
  refuseNegative("max inactivity", limits.global.maxInactivity, formatDuration);
  let literal = 0;
  for (const name of limits.channels?.keys() ?? []) {
    if (!isPattern(name)) throw new StoreFailed("refused", `invalid channel name ${JSON.stringify(name)}`);
    if (!isWildcard(name)) literal++;
  }
  if (limits.maxChannels > 0 && literal > limits.maxChannels) {
    throw new StoreFailed(
      "refused",
      `too many channels defined (${literal}). The max channels limit is set to ${limits.maxChannels}`,
    );
  }
}

function refuseNegative<T extends number | bigint>(what: string, value: T, format: (value: T) => string): void {
  if (value < 0) throw new StoreFailed("refused", `${what} limit cannot be negative (${format(value)})`);
}

/** Whether `name` can stand in the limits: a channel name, wildcards allowed. */
function isPattern(name: string): boolean {
  if (name === "" || name.includes("/")) return false;
  const tokens = name.split(".");
  return tokens.every((token, i) => {
    if (token === "") return false;
    if (token === ">") return i === tokens.length - 1;
    return token === "*" || !/[*>]/.test(token);
  });
}

function isWildcard(name: string): boolean {
  return name.split(".").some((token) => token === "*" || token === ">");
}

function newLevel(): Level {
  return { literals: new Map(), star: undefined, entry: undefined, starEntry: undefined, tailEntry: undefined };
}

function insert(root: Level, pattern: string): void {
  const tokens = pattern.split(".");
  let level = root;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    const isLast = i === tokens.length - 1;
    if (token === ">") {
      level.tailEntry = pattern;
      return;
    }
    if (token === "*") {
      if (isLast) level.starEntry = pattern;
      else level = level.star ??= newLevel();
      continue;
    }
    let next = level.literals.get(token);
    if (next === undefined) level.literals.set(token, next = newLevel());
    level = next;
    if (isLast) level.entry = pattern;
  }
}

/** Every pattern of the tree, per level `>` first, then `*` with what is behind it, then literals. */
function* inOrder(level: Level): Generator<string> {
  if (level.tailEntry !== undefined) yield level.tailEntry;
  if (level.starEntry !== undefined) yield level.starEntry;
  if (level.star !== undefined) yield* inOrder(level.star);
  for (const next of level.literals.values()) {
    if (next.entry !== undefined) yield next.entry;
    yield* inOrder(next);
  }
}

/** The entries that cover `name`, widest first. */
function matches(root: Level, name: string): string[] {
  const found: string[] = [];
  walk(root, name.split("."), 0, found);
  return found;
}

function walk(level: Level, tokens: readonly string[], from: number, found: string[]): void {
  let here = level;
  for (let i = from; i < tokens.length; i++) {
    const isLast = i === tokens.length - 1;
    if (here.tailEntry !== undefined) found.push(here.tailEntry);
    if (!isLast && here.star !== undefined) walk(here.star, tokens, i + 1, found);
    const next = here.literals.get(tokens[i]!);
    if (isLast) {
      if (here.starEntry !== undefined) found.push(here.starEntry);
      if (next?.entry !== undefined) found.push(next.entry);
    }
    if (next === undefined) return;
    here = next;
  }
}

function inherit(own: ConfiguredLimits, parent: ChannelLimits): ChannelLimits {
  return {
    maxSubscriptions: inheritField(own.maxSubscriptions ?? 0, parent.maxSubscriptions),
    maxMessages: inheritField(own.maxMessages ?? 0, parent.maxMessages),
    maxBytes: inheritField(own.maxBytes ?? 0, parent.maxBytes),
    maxAge: inheritField<Nanos>(own.maxAge ?? 0n, parent.maxAge, 0n),
    maxInactivity: inheritField<Nanos>(own.maxInactivity ?? 0n, parent.maxInactivity, 0n),
  };
}

function inheritField<T extends number | bigint>(own: T, parent: T, unlimited: T = 0 as T): T {
  return own < 0 ? unlimited : own > 0 ? own : parent;
}

/** A duration as Go prints it: `1h0m0s`, `-5s`, `1.5ms`. */
export function formatDuration(nanos: Nanos): string {
  const sign = nanos < 0n ? "-" : "";
  const size = nanos < 0n ? -nanos : nanos;
  if (size === 0n) return "0s";
  if (size < 1_000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${decimal(size, 1_000n)}µs`;
  if (size < 1_000_000_000n) return `${sign}${decimal(size, 1_000_000n)}ms`;
  const minutes = size / 60_000_000_000n;
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, unit: bigint): string {
  const digits = String(unit).length - 1;
  const fraction = String(value % unit).padStart(digits, "0").replace(/0+$/, "");
  return fraction === "" ? String(value / unit) : `${value / unit}.${fraction}`;
}
