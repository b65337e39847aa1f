/** Beginning and ending subscriptions: new, resumed, replaced, closed, removed (spec streaming, sections 5.3, 5.4 and 6.1). */
import { Text } from "../protocol/errors.ts";
import type { Start, Subscribe, Unsubscribe } from "../protocol/operations.ts";
import { type Outcome, type Refusal, refused } from "../protocol/outcomes.ts";
import type { Millis, Sequence } from "../protocol/units.ts";
import { startIdling, stopIdling } from "./channel.ts";
import type { Context } from "./context.ts";
import { join, leave, storeRecord, takesPlaceholder } from "./queue_group.ts";
import { groupName } from "./queue_group.ts";
import type { Channel, Client, State, Subscription } from "./state.ts";
import { ackWait, armAtMost, bringOnline, durableKey, subscriptionOf, takeOffline, takeOver } from "./subscription.ts";

/** Attaches a subscription; nothing is sent to it before the client knows ({@link Machine.started}). */
export function subscribe(context: Context, operation: Subscribe, now: Millis): Outcome {
  const { state } = context;
  const client = state.clients.get(operation.clientId);
  if (client === undefined) return refused(Text.unknownClientId);
  const channel = state.channels.get(operation.channel);
  if (channel === undefined) return refused(Text.channelBeingDeleted);
  const refusal = refusalToAttach(channel, operation);
  if (refusal !== undefined) return refusal;
  const subscription = attach(context, channel, operation, client, now);
  stopIdling(context, channel);
  if (context.leading) {
    context.emit({ kind: "listen", subscription });
    if (subscription.pending.size > 0) armAtMost(context, subscription, now + ackWait(subscription));
  }
  return { kind: "subscribed", subscriptionId: subscription.id, ackInbox: subscription.ackInbox };
}

/** Why the channel cannot take this subscription: the durable is in use, or there are too many. */
export function refusalToAttach(
  channel: Channel,
  request: Pick<Subscribe, "clientId" | "queueGroup" | "durableName" | "replaceDurable">,
): Refusal | undefined {
  if (request.queueGroup !== "") {
    if (takesPlaceholder(channel, groupName(request))) return undefined;
  } else if (request.durableName !== "") {
    const durable = channel.durables.get(durableKey(request.clientId, channel.name, request.durableName));
    if (durable !== undefined) {
      return durable.offline || request.replaceDurable ? undefined : refused(Text.duplicateDurable);
    }
  }
  const { maxSubscriptions } = channel.limits;
  const isFull = maxSubscriptions > 0 && channel.subscriptions.size >= maxSubscriptions;
  return isFull ? refused(Text.tooManySubscriptions) : undefined;
}

function attach(context: Context, channel: Channel, operation: Subscribe, client: Client, now: Millis): Subscription {
  const startAfter = positionBefore(operation.start, channel.last);
  if (operation.queueGroup !== "") return join(context, channel, operation, client, startAfter);
  const key = operation.durableName === "" ? "" : durableKey(operation.clientId, channel.name, operation.durableName);
  const durable = channel.durables.get(key);
  if (durable !== undefined) return resume(context, durable, operation, client, now);
  const subscription = subscriptionOf(channel, undefined, {
    id: ++channel.lastSubscriptionId,
    clientId: operation.clientId,
    queueGroup: "",
    inbox: operation.inbox,
    ackInbox: operation.ackInbox,
    maxInFlight: operation.maxInFlight,
    ackWaitInSecs: operation.ackWaitInSecs,
    durableName: operation.durableName,
    lastSent: startAfter,
    isDurable: operation.durableName !== "",
    isClosed: false,
  });
  channel.subscriptions.set(subscription.id, subscription);
  if (key !== "") channel.durables.set(key, subscription);
  bringOnline(subscription, client);
  storeRecord(context, subscription, "create");
  return subscription;
}

/** A durable's client is back; one that is still online was replaced. */
function resume(
  context: Context,
  durable: Subscription,
  operation: Subscribe,
  client: Client,
  now: Millis,
): Subscription {
  if (!durable.offline) end(context, durable, false, now);
  takeOver(durable, operation, client);
  durable.onHold = context.leading && durable.pending.size > 0;
  storeRecord(context, durable, "update");
  return durable;
}

/** What counts as sent already for a subscription that starts at `start`; never depends on the first sequence. */
export function positionBefore(start: Start, last: Sequence): Sequence {
  if (start.kind === "new") return last;
  if (start.kind === "last") return Math.max(last - 1, 0);
  return Math.max(0, Math.min(start.sequence - 1, last));
}

/** The subscription that a request names by ack inbox, or by message inbox where the client never heard of the former. */
export function findSubscription(channel: Channel, inbox: string, clientId: string): Subscription | undefined {
  const byAckInbox = channel.byAckInbox.get(inbox);
  if (byAckInbox !== undefined) return byAckInbox;
  let found: Subscription | undefined;
  for (const subscription of channel.byAckInbox.values()) {
    if (subscription.inbox !== inbox) continue;
    if (subscription.clientId === clientId) return subscription;
    found ??= subscription;
  }
  return found;
}

/** Why this client cannot end that subscription. */
export function refusalToEnd(
  state: State,
  request: Pick<Unsubscribe, "clientId" | "channel" | "inbox">,
): Refusal | Subscription {
  const channel = state.channels.get(request.channel);
  if (channel === undefined) return refused(Text.unknownChannel);
  const subscription = findSubscription(channel, request.inbox, request.clientId);
  if (subscription === undefined) return refused(Text.invalidSubscription);
  const isOwner = state.clients.has(request.clientId) && subscription.clientId === request.clientId;
  return isOwner ? subscription : refused(Text.unknownClientId);
}

export function unsubscribe(context: Context, operation: Unsubscribe, now: Millis): Outcome {
  const subscription = refusalToEnd(context.state, operation);
  if ("kind" in subscription) return subscription;
  end(context, subscription, operation.remove, now);
  startIdling(context, subscription.channel, now);
  return { kind: "done" };
}

/** Undoes an attachment that could not be stored: what was resumed keeps its place, what was new is forgotten. */
export function revoke(context: Context, subscription: Subscription, now: Millis): void {
  if (subscription.offline) return;
  end(context, subscription, !subscription.resumed, now);
  startIdling(context, subscription.channel, now);
}

/** Ends an online subscription: `remove` forgets a durable, otherwise it goes offline. */
export function end(context: Context, subscription: Subscription, remove: boolean, now: Millis): void {
  const client = context.state.clients.get(subscription.clientId);
  const { channel } = subscription;
  if (subscription.group !== undefined) return leave(context, subscription, client, remove, now);
  takeOffline(context, subscription, client);
  if (subscription.isDurable && !remove) {
    storeRecord(context, subscription, "update");
    return;
  }
  channel.subscriptions.delete(subscription.id);
  if (subscription.isDurable) {
    channel.durables.delete(durableKey(subscription.clientId, channel.name, subscription.durableName));
  }
  storeRecord(context, subscription, "forget");
}
