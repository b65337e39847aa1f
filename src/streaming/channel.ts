/** A channel's life: creation, sequences, expiry, idleness, deletion (spec streaming, sections 4.5 and 8). */
import { caseConflict, Text } from "../protocol/errors.ts";
import type { CreateChannel, DeleteChannel, Expire, Publish, SetLimits } from "../protocol/operations.ts";
import { type Outcome, type Refusal, refused } from "../protocol/outcomes.ts";
import { foldCase } from "../protocol/subjects.ts";
import { type Millis, millisFromNanos, type Nanos } from "../protocol/units.ts";
import type { Context } from "./context.ts";
import { limitsOf } from "../protocol/limits.ts";
import type { Channel, State } from "./state.ts";

const DONE: Outcome = { kind: "done" };
/** No message of a batch was a repetition. */

/** Names of channels that are about to be created, by their lower-cased form. */
export type PlannedChannels = Map<string, string>;

const NOTHING_PLANNED: PlannedChannels = new Map();

/** Why a channel of this name cannot be created; `undefined` when it can, or exists. */
export function refusalToCreate(state: State, name: string, planned = NOTHING_PLANNED): Refusal | undefined {
  if (state.channels.has(name)) return undefined;
  const fold = foldCase(name);
  const similar = state.channelsByFold.get(fold)?.name ?? planned.get(fold);
  if (similar === name) return undefined;
  if (similar !== undefined) return refused(caseConflict(name, similar));
  const { maxChannels } = state.limits;
  const isFull = maxChannels > 0 && state.channels.size + planned.size >= maxChannels;
  return isFull ? refused(Text.tooManyChannels) : undefined;
}

/** As {@link refusalToCreate}, for several names in turn before any of them is created: each one allowed counts. */
export function planChannel(context: Context, name: string): Refusal | undefined {
  const refusal = refusalToCreate(context.state, name, context.planned);
  if (refusal === undefined && !context.state.channels.has(name)) context.planned.set(foldCase(name), name);
  return refusal;
}

/** A channel without subscriptions. */
export function newChannel(state: State, name: string, incarnation: number): Channel {
  return {
    name,
    incarnation,
    limits: limitsOf(name, state.limits),
    expiredBefore: 0,
    last: 0,
    lastTimestamp: 0n,
    byAckInbox: new Map(),
    subscriptions: new Map(),
    durables: new Map(),
    groups: new Map(),
    lastSubscriptionId: 0,
    lastActivity: 0,
    deleting: false,
    first: 0,
    moreAsked: false,
  };
}

export function addChannel(state: State, channel: Channel): void {
  state.channels.set(channel.name, channel);
  state.channelsByFold.set(foldCase(channel.name), channel);
}

/** Creates the channel; when it exists already its incarnation is the answer. */
export function createChannel(context: Context, operation: CreateChannel, index: number, now: Millis): Outcome {
  const { state } = context;
  context.planned.clear();
  const refusal = refusalToCreate(state, operation.channel);
  if (refusal !== undefined) return refusal;
  let channel = state.channels.get(operation.channel);
  if (channel === undefined) {
    channel = newChannel(state, operation.channel, index);
    channel.lastActivity = now;
    addChannel(state, channel);
    context.log("notice", `Channel "${channel.name}" has been created`);
    startIdling(context, channel, now);
  }
  return { kind: "channel created", incarnation: channel.incarnation };
}

/** Counts a batch that is in the store already. */
export function publish(context: Context, operation: Publish, now: Millis): Outcome {
  const channel = context.state.channels.get(operation.channel);
  if (channel === undefined) return refused(Text.channelBeingDeleted);
  const first = channel.last + 1;
  const { count } = operation.messages;
  channel.last += count;
  channel.lastTimestamp = publishTime(channel, operation.time);
  channel.lastActivity = now;
  context.recentPublishes.add(operation.messages, now);
  return { kind: "published", first, count };
}

/** The timestamp that messages published at `time` get: a channel's time does not go back. */
export function publishTime(channel: Pick<Channel, "lastTimestamp">, time: Nanos): Nanos {
  return time > channel.lastTimestamp ? time : channel.lastTimestamp;
}

export function expire(context: Context, operation: Expire): Outcome {
  const channel = context.state.channels.get(operation.channel);
  if (channel === undefined || channel.incarnation !== operation.incarnation) return refused(Text.unknownChannel);
  channel.expiredBefore = Math.max(channel.expiredBefore, Math.min(operation.first, channel.last + 1));
  return DONE;
}

export function setLimits(context: Context, operation: SetLimits, now: Millis): Outcome {
  const { state } = context;
  state.limits = { maxChannels: operation.maxChannels, channels: operation.channels };
  for (const channel of state.channels.values()) {
    const before = channel.limits.maxInactivity;
    channel.limits = limitsOf(channel.name, state.limits);
    if (channel.limits.maxInactivity === before) continue;
    if (before > 0n) stopIdling(context, channel);
    startIdling(context, channel, now);
  }
  return DONE;
}

/** Deletes the channel this was meant for, unless somebody subscribed or published meanwhile. */
export function deleteChannel(context: Context, operation: DeleteChannel, now: Millis): Outcome {
  const { state } = context;
  const channel = state.channels.get(operation.channel);
  if (channel === undefined || channel.incarnation !== operation.incarnation) return refused(Text.unknownChannel);
  if (isActive(channel) || channel.last !== operation.last) {
    keepChannel(context, channel, now);
    return refused(`channel "${channel.name}" is in use`);
  }
  state.channels.delete(channel.name);
  state.channelsByFold.delete(foldCase(channel.name));
  context.log("notice", `Channel "${channel.name}" has been deleted`);
  return { kind: "channel deleted" };
}

/** Whether somebody is subscribed at the moment: offline durables and empty groups do not count. */
export function isActive(channel: Channel): boolean {
  return channel.byAckInbox.size > 0;
}

/** Starts the wait for its deletion where it has a limit and nobody is subscribed. */
export function startIdling(context: Context, channel: Channel, now: Millis): void {
  if (!context.leading || channel.limits.maxInactivity === 0n || isActive(channel)) return;
  wakeIdle(context, channel, now + millisFromNanos(channel.limits.maxInactivity));
}

/** Somebody subscribed. */
export function stopIdling(context: Context, channel: Channel): void {
  channel.deleting = false;
  if (context.leading && channel.limits.maxInactivity > 0n) wakeIdle(context, channel, Infinity);
}

/** The wait is over: asks for the deletion, or waits on when there was a publish meanwhile. */
export function idled(context: Context, channel: Channel, now: Millis): void {
  if (!context.leading || channel.limits.maxInactivity === 0n || isActive(channel) || channel.deleting) return;
  const until = channel.lastActivity + millisFromNanos(channel.limits.maxInactivity);
  if (until > now) return wakeIdle(context, channel, until);
  channel.deleting = true;
  const { name, incarnation, last } = channel;
  context.emit({ kind: "delete channel", channel: name, incarnation, last });
}

/** A deletion did not come about: the wait starts again. */
export function keepChannel(context: Context, channel: Channel, now: Millis): void {
  channel.deleting = false;
  startIdling(context, channel, now);
}

function wakeIdle(context: Context, channel: Channel, at: Millis): void {
  context.emit({ kind: "wake", key: `idle/${channel.name}`, at });
}
