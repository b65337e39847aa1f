/**
 * What only a leader knows, rebuilt when this server begins to lead and forgotten when it stops (spec streaming, section
 * 7.5; spec clustering, sections 5.1 to 5.4).
 */
import type { DeliveryFact } from "../protocol/operations.ts";
import { type Millis, millisFromNanos, type Nanos, type Sequence } from "../protocol/units.ts";
import { startIdling } from "./channel.ts";
import { armHeartbeat } from "./clients.ts";
import type { Context } from "./context.ts";
import { DEALT, learnFormerAcknowledged, learnSent } from "./queue_group.ts";
import { redeliver } from "./redelivery.ts";
import type { Channel, QueueGroup, State, Subscription } from "./state.ts";
import { ackWait, armAtMost, forgetLeadership, noteDeadline, pendingInOrder, restall } from "./subscription.ts";

/** When a message was stored; 0n when it is gone. */
export type TimestampOf = (channel: string, sequence: Sequence) => Nanos;

/** Begins to lead: listens first, then what is overdue, then new messages. */
export function lead(context: Context, now: Millis, wall: Nanos, timestampOf: TimestampOf): void {
  context.leading = true;
  const { state, settings } = context;
  for (const channel of state.channels.values()) {
    prepareChannel(context, channel, now);
    for (const subscription of channel.byAckInbox.values()) context.emit({ kind: "listen", subscription });
  }
  for (const messages of context.recentPublishes.all(now)) context.emit({ kind: "acknowledge", messages });
  for (const client of state.clients.values()) {
    client.missedHeartbeats = 0;
    client.awaitingHeartbeat = false;
    armHeartbeat(context, client, now + settings.heartbeatInterval);
  }
  for (const channel of state.channels.values()) {
    // Subscriptions of one channel often wait for the same messages: each is looked up once.
    const known = new Map<Sequence, Millis | undefined>();
    const storedAt = (sequence: Sequence) => {
      if (known.has(sequence)) return known.get(sequence);
      const timestamp = timestampOf(channel.name, sequence);
      const at = timestamp === 0n ? undefined : now - millisFromNanos(wall - timestamp);
      known.set(sequence, at);
      return at;
    };
    for (const subscription of channel.byAckInbox.values()) rebuildDeadlines(context, subscription, now, storedAt);
    startIdling(context, channel, now);
    if (channel.byAckInbox.size > 0) context.askMore(channel);
  }
}

function prepareChannel(context: Context, channel: Channel, now: Millis): void {
  channel.lastActivity = now;
  channel.deleting = false;
  channel.moreAsked = false;
  channel.first = channel.expiredBefore;
  for (const subscription of channel.subscriptions.values()) forgetLeadership(subscription);
  for (const group of channel.groups.values()) {
    group.redeliveries.clear();
    group.onHold = false;
    group.members.sort((a, b) => a.id - b.id);
  }
  for (const subscription of channel.byAckInbox.values()) {
    subscription.initialised = true;
    if (context.settings.flagUncertain === true) subscription.uncertainUpTo = channel.last;
  }
}

/** Pending messages are due an ack wait after they were stored; what is overdue goes out now, to the same subscription. */
function rebuildDeadlines(
  context: Context,
  subscription: Subscription,
  now: Millis,
  storedAt: (sequence: Sequence) => Millis | undefined,
): void {
  const { pending } = subscription;
  if (pending.size === 0) return;
  const sequences = pendingInOrder(subscription);
  const overdue: Sequence[] = [];
  let earliest = Infinity;
  const dealt = new Set(sequences.filter((sequence) => pending.get(sequence) === DEALT));
  pending.clear();
  for (const sequence of sequences) {
    const stored = storedAt(sequence);
    if (stored === undefined) {
      context.acked(subscription, sequence);
      continue;
    }
    // Never later than an ack wait from now: the clock that gave the message its time may have been ahead.
    const deadline = dealt.has(sequence) ? now : Math.min(stored, now) + ackWait(subscription);
    pending.set(sequence, deadline);
    noteDeadline(subscription, deadline);
    if (deadline <= now) overdue.push(sequence);
    else if (deadline < earliest) earliest = deadline;
  }
  if (overdue.length > 0) {
    redeliver(context, subscription, overdue, now);
    for (const sequence of overdue) earliest = Math.min(earliest, pending.get(sequence)!);
  }
  restall(subscription);
  if (pending.size > 0) armAtMost(context, subscription, earliest);
}

/** Stops leading. Says nothing: a muted server has no deadlines and listens to nobody. */
export function follow(context: Context): void {
  context.leading = false;
  for (const client of context.state.clients.values()) {
    client.missedHeartbeats = 0;
    client.awaitingHeartbeat = false;
    client.pinged = false;
  }
  for (const channel of context.state.channels.values()) {
    channel.deleting = false;
    channel.moreAsked = false;
    for (const subscription of channel.subscriptions.values()) forgetLeadership(subscription);
    for (const group of channel.groups.values()) {
      group.redeliveries.clear();
      group.onHold = false;
    }
  }
}

/**
 * Follower: takes in what the leader did some time ago. Those who left a group come last, what they are done with before
 * what they were sent: a message that moved to one of them is taken from its former holder, who may have left as well, by
 * the same report, and has to find its heir after that.
 */
export function learn(context: Context, facts: readonly DeliveryFact[]): void {
  const ofFormer: [Channel, DeliveryFact][] = [];
  for (const fact of facts) {
    const channel = context.state.channels.get(fact.channel);
    if (channel === undefined || channel.incarnation !== fact.incarnation) continue;
    const subscription = channel.subscriptions.get(fact.subscriptionId);
    if (subscription === undefined) ofFormer.push([channel, fact]);
    else learnOf(subscription, fact);
  }
  for (const [channel, fact] of ofFormer) {
    for (const group of groupsLeftBy(channel, fact)) learnFormerAcknowledged(group, fact.acknowledged);
  }
  for (const [channel, fact] of ofFormer) {
    for (const group of groupsLeftBy(channel, fact)) learnSent(group, undefined, fact.sent, fact.acknowledged);
  }
}

function learnOf(subscription: Subscription, fact: DeliveryFact): void {
  if (fact.complete !== undefined) return learnAll(subscription, fact.sent, fact.complete.lastSent);
  const { pending, group } = subscription;
  if (group !== undefined) learnSent(group, subscription, fact.sent, fact.acknowledged);
  else {
    for (const sequence of fact.sent) {
      pending.set(sequence, 0);
      if (sequence > subscription.lastSent) subscription.lastSent = sequence;
    }
  }
  for (const sequence of fact.acknowledged) pending.delete(sequence);
  if (!subscription.offline) restall(subscription);
}

/** A new leader's word replaces whatever was believed. */
function learnAll(subscription: Subscription, sent: readonly Sequence[], lastSent: Sequence): void {
  subscription.pending.clear();
  for (const sequence of sent) subscription.pending.set(sequence, 0);
  subscription.lastSent = lastSent;
  if (subscription.group !== undefined) subscription.group.lastSent = lastSent;
}

/** What this server knows of all deliveries, for replicas that may believe something else. */
export function statement(state: State): DeliveryFact[] {
  const facts: DeliveryFact[] = [];
  for (const channel of state.channels.values()) {
    for (const subscription of channel.subscriptions.values()) {
      facts.push({
        channel: channel.name,
        incarnation: channel.incarnation,
        subscriptionId: subscription.id,
        sent: pendingInOrder(subscription),
        acknowledged: [],
        complete: { lastSent: subscription.group?.lastSent ?? subscription.lastSent },
      });
    }
  }
  return facts;
}

/** The subscription is gone: if it was a member of a group, the group is meant. */
function groupsLeftBy(channel: Channel, { subscriptionId }: DeliveryFact): QueueGroup[] {
  return [...channel.groups.values()].filter((group) => group.formerIds.includes(subscriptionId));
}
