/** The limits that a store is opened with, in its own terms; inheritance is settled by {@link ../protocol/limits.ts}. */
import { type ChannelLimits, StoreFailed } from "../ports/store.ts";
import {
  DEFAULT_LIMITS,
  limitsLookup,
  limitsProblem,
  resolveLimits as resolve,
  UNLIMITED,
} from "../protocol/limits.ts";

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
  maxChannels: DEFAULT_LIMITS.maxChannels,
  global: DEFAULT_LIMITS.channels[0]!,
};

/** Those of a store that is told later what the limits of each channel are, because a cluster agrees upon them. */
export const agreedLimits: StoreLimits = { maxChannels: 0, global: UNLIMITED };

/** Checked limits with inheritance resolved. */
export interface ResolvedLimits {
  readonly maxChannels: number;
  readonly global: ChannelLimits;
  /** The limits of a channel. */
  of(channel: string): ChannelLimits;
}

/** Resolves `limits`. Throws StoreFailed `refused` with the reference's text (spec stores, section 2.2). */
export function resolveLimits(limits: StoreLimits = defaultLimits): ResolvedLimits {
  checkLimits(limits);
  return { maxChannels: limits.maxChannels, global: limits.global, of: limitsLookup(resolve(configured(limits))) };
}

/** Throws StoreFailed `refused` when `limits` cannot be meant. */
export function checkLimits(limits: StoreLimits): void {
  const problem = limitsProblem(configured(limits));
  if (problem !== undefined) throw new StoreFailed("refused", problem);
}

function configured({ maxChannels, global, channels = new Map() }: StoreLimits) {
  return { ...global, maxChannels, channels };
}
