/**
 * One subscription of any kind: its record, what it has pending, its room in flight and its wake-up (spec streaming,
 * sections 5.3, 5.7 and 7.2).
 */
import type { Subscribe } from "../protocol/operations.ts";
import type { SubscriptionState } from "../protocol/stored_records.ts";
import type { Millis, Sequence } from "../protocol/units.ts";
import type { Context } from "./context.ts";
import type { Channel, Client, QueueGroup, Subscription } from "./state.ts";

/** Beyond this disorder the deadlines of a subscription are sorted again. Milliseconds. */
const DISORDER_MAX = 100;
/** First wait before messages that did not go out are tried again; doubles up to the ack wait. Milliseconds. */
export const FIRST_RETRY = 250;

const encoder = new TextEncoder();

/** The key of a plain durable among its channel's durables. */
export function durableKey(clientId: string, channel: string, durableName: string): string {
  return `${clientId}-${channel}-${durableName}`;
}

/** A subscription as its stored record describes it; online unless `isClosed`, or the placeholder of a group. */
export function subscriptionOf(
  channel: Channel,
  group: QueueGroup | undefined,
  record: SubscriptionState,
): Subscription {
  return {
    id: record.id,
    channel,
    clientId: record.clientId,
    formerClientId: "",
    durableName: record.durableName,
    isDurable: record.isDurable,
    inbox: record.inbox,
    inboxBytes: encoder.encode(record.inbox),
    ackInbox: record.ackInbox,
    maxInFlight: record.maxInFlight,
    ackWaitInSecs: record.ackWaitInSecs,
    group,
    lastSent: record.lastSent,
    pending: new Map(),
    offline: record.isClosed || (group !== undefined && record.clientId === ""),
    resumed: false,
    stalled: false,
    initialised: false,
    onHold: false,
    suspect: false,
    redeliveries: new Map(),
    unsent: new Set(),
    uncertainUpTo: 0,
    wakeAt: Infinity,
    latestDeadline: 0,
    disorder: 0,
    retryAt: 0,
    retryAfter: FIRST_RETRY,
  };
}

/** The record that stores keep of `subscription`. */
export function recordOf(subscription: Subscription): SubscriptionState {
  const { group } = subscription;
  return {
    id: subscription.id,
    clientId: subscription.clientId,
    queueGroup: group === undefined ? "" : group.name,
    inbox: subscription.inbox,
    ackInbox: subscription.ackInbox,
    maxInFlight: subscription.maxInFlight,
    ackWaitInSecs: subscription.ackWaitInSecs,
    durableName: subscription.durableName,
    lastSent: subscription.lastSent,
    isDurable: subscription.isDurable,
    isClosed: group === undefined && subscription.offline,
  };
}

/** Gives a subscription that was offline to the client that asks for it. */
export function takeOver(subscription: Subscription, operation: Subscribe, client: Client): void {
  subscription.clientId = operation.clientId;
  subscription.inbox = operation.inbox;
  subscription.inboxBytes = encoder.encode(operation.inbox);
  subscription.ackInbox = operation.ackInbox;
  subscription.maxInFlight = operation.maxInFlight;
  subscription.ackWaitInSecs = operation.ackWaitInSecs;
  subscription.isDurable = operation.durableName !== "";
  subscription.resumed = true;
  bringOnline(subscription, client);
}

/** Makes it known under its ack inbox and to its client. What only a leader knows begins afresh, redelivery counts apart. */
export function bringOnline(subscription: Subscription, client: Client): void {
  subscription.offline = false;
  subscription.suspect = false;
  subscription.initialised = false;
  subscription.channel.byAckInbox.set(subscription.ackInbox, subscription);
  client.subscriptions.add(subscription);
  restall(subscription);
}

/** Ends what it has of a client: ack inbox, wake-up, place in the client's list. Pending stays. */
export function takeOffline(context: Context, subscription: Subscription, client: Client | undefined): void {
  client?.subscriptions.delete(subscription);
  const { byAckInbox } = subscription.channel;
  if (byAckInbox.get(subscription.ackInbox) === subscription) byAckInbox.delete(subscription.ackInbox);
  subscription.offline = true;
  subscription.initialised = false;
  subscription.onHold = false;
  subscription.suspect = false;
  subscription.stalled = false;
  subscription.unsent.clear();
  subscription.uncertainUpTo = 0;
  if (!context.leading) return;
  context.emit({ kind: "unlisten", subscription });
  disarm(context, subscription);
}

/** Ack wait in milliseconds: the wire's seconds, or milliseconds when negative (the hidden test switch). */
export function ackWait({ ackWaitInSecs }: Subscription): Millis {
  return ackWaitInSecs >= 0 ? ackWaitInSecs * 1_000 : -ackWaitInSecs;
}

/** Whether nothing new may be sent to it before an ack. */
export function isFull(subscription: Subscription): boolean {
  return subscription.pending.size >= subscription.maxInFlight;
}

/** Brings `stalled` up to date after pending changed. */
export function restall(subscription: Subscription): void {
  subscription.stalled = isFull(subscription);
}

/** Notes when a pending message is due; it becomes the last in the order of deadlines. */
export function setDeadline(subscription: Subscription, sequence: Sequence, deadline: Millis): void {
  const { pending } = subscription;
  pending.delete(sequence);
  pending.set(sequence, deadline);
  noteDeadline(subscription, deadline);
}

/** Keeps account of how far the deadlines in `pending` are from ascending. */
export function noteDeadline(subscription: Subscription, deadline: Millis): void {
  if (deadline >= subscription.latestDeadline) subscription.latestDeadline = deadline;
  else {
    const behind = subscription.latestDeadline - deadline;
    if (behind > subscription.disorder) subscription.disorder = behind;
  }
}

/** Puts pending in order of deadlines, ties by sequence, when they are far from it. */
export function sortDeadlines(subscription: Subscription): void {
  if (subscription.disorder <= DISORDER_MAX) return;
  const entries = [...subscription.pending].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  subscription.pending.clear();
  for (const [sequence, deadline] of entries) subscription.pending.set(sequence, deadline);
  subscription.latestDeadline = entries.length === 0 ? 0 : entries[entries.length - 1]![1];
  subscription.disorder = 0;
}

/** Pending sequences, ascending. */
export function pendingInOrder(subscription: Subscription): Sequence[] {
  return [...subscription.pending.keys()].sort((a, b) => a - b);
}

/** Sets the wake-up at `at`, unless an earlier one is set. */
export function armAtMost(context: Context, subscription: Subscription, at: Millis): void {
  if (!context.leading || at >= subscription.wakeAt) return;
  subscription.wakeAt = at;
  context.emit({ kind: "wake", key: wakeKey(subscription), at });
}

export function disarm(context: Context, subscription: Subscription): void {
  if (subscription.wakeAt === Infinity) return;
  subscription.wakeAt = Infinity;
  context.emit({ kind: "wake", key: wakeKey(subscription), at: Infinity });
}

function wakeKey(subscription: Subscription): string {
  return `ack/${subscription.channel.name}/${subscription.id}`;
}

/** Forgets what only a leader knows. */
export function forgetLeadership(subscription: Subscription): void {
  for (const [sequence, deadline] of subscription.pending) if (deadline > 0) subscription.pending.set(sequence, 0);
  subscription.latestDeadline = 0;
  subscription.disorder = 0;
  subscription.redeliveries.clear();
  subscription.unsent.clear();
  subscription.uncertainUpTo = 0;
  subscription.stalled = !subscription.offline && isFull(subscription);
  subscription.initialised = false;
  subscription.onHold = false;
  subscription.suspect = false;
  subscription.wakeAt = Infinity;
  subscription.retryAfter = FIRST_RETRY;
}
