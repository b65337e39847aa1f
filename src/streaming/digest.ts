/**
 * A rolling hash over what was applied and what became of it: replicas that applied the same operations have the same
 * one, unless one of them went wrong (spec clustering, section 4.5, D8). It covers the outcomes of operations, not the
 * bytes of messages, which have checksums of their own, nor deliveries, which followers hear of later.
 */
import { MARKS, type Operation, type PackedMessages } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import type { Channel, State } from "./state.ts";

/** Names this way of counting: digests of another one are not compared. Raise it with any change that gives other numbers. */
export const DIGEST_SCHEME = 1;
/** The digest of a state of which it is not known how it came about; it stays so until the next `set limits`. */
export const UNKNOWN_DIGEST = 0;
/** The digest of the empty state. */
export const FIRST_DIGEST = 1;

const KINDS = {
  "connect": 1,
  "disconnect": 2,
  "create channel": 3,
  "delete channel": 4,
  "publish": 5,
  "subscribe": 6,
  "unsubscribe": 7,
  "expire": 8,
  "set limits": 9,
} as const satisfies Record<Operation["kind"], number>;

/**
 * The digest after `operation` was applied to `state` with this outcome, 1 to 2^32 - 1; unknown stays unknown. A new
 * leader's `set limits` begins anew with all of the state, so that a change in how this is counted heals by itself.
 */
export function digestAfter(state: State, operation: Operation, outcome: Outcome): number {
  if (operation.kind === "set limits") return digestOf(state);
  if (state.digest === UNKNOWN_DIGEST) return UNKNOWN_DIGEST;
  let hash = mix(0, KINDS[operation.kind] + (isRefusal(outcome) ? 16 : 0));
  if (operation.kind === "publish") {
    hash = mix(hash, operation.messages.count);
    hash = mix(hash, sizeOf(operation.messages));
  }
  const channel = "channel" in operation ? state.channels.get(operation.channel) : undefined;
  if (channel === undefined) hash = mix(hash, state.clients.size);
  else hash = mixChannel(hash, channel);
  // A sum: a node whose store is full for one channel applies what is for others first.
  return settled(state.digest + hash);
}

/** The digest of all that replicas have in common at every moment. */
function digestOf(state: State): number {
  let hash = mix(FIRST_DIGEST, state.clients.size);
  for (const client of state.clients.values()) hash = mixText(hash, client.id);
  hash = mix(hash, state.channels.size);
  for (const channel of state.channels.values()) {
    hash = mixChannel(mixText(hash, channel.name), channel);
    for (const id of channel.subscriptions.keys()) hash = mix(hash, id);
  }
  return settled(hash);
}

function mixChannel(hash: number, channel: Channel): number {
  hash = mixLong(hash, channel.incarnation);
  hash = mixLong(hash, channel.last);
  hash = mixLong(hash, Number(channel.lastTimestamp));
  hash = mixLong(hash, channel.expiredBefore);
  hash = mix(hash, channel.lastSubscriptionId);
  return mix(hash, channel.subscriptions.size);
}

function sizeOf({ count, bounds }: PackedMessages): number {
  let size = 0;
  for (let at = 0; at < count * MARKS; at += MARKS) size += bounds[at + MARKS - 1]! - bounds[at]!;
  return size;
}

function mixText(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
  return mix(hash, text.length);
}

function mixLong(hash: number, value: number): number {
  return mix(mix(hash, value | 0), (value / 0x1_0000_0000) | 0);
}

function mix(hash: number, value: number): number {
  hash = Math.imul(hash ^ value, 0x85ebca6b);
  return hash ^ (hash >>> 13) ^ (hash << 7);
}

function settled(hash: number): number {
  return hash >>> 0 === UNKNOWN_DIGEST ? FIRST_DIGEST : hash >>> 0;
}
