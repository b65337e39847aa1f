/**
 * New messages: who gets which sequences now, and what acks free (spec streaming, sections 5.6, 5.7, 7.1 to 7.3). The
 * hot path: a plain subscription gets a run of messages in one effect, at the cost of one map entry each.
 */
import type { Millis, Sequence } from "../protocol/units.ts";
import { type Context, RUN } from "./context.ts";
import { chooseForNew, holderOf } from "./queue_group.ts";
import type { Channel, QueueGroup, Subscription } from "./state.ts";
import { ackWait, armAtMost, FIRST_RETRY, isFull, noteDeadline, restall } from "./subscription.ts";

/** Gives out what can be given out on a channel: plain subscriptions and durables first, then groups. */
export function deliver(context: Context, channel: Channel, now: Millis): void {
  channel.moreAsked = false;
  if (!context.leading) return;
  let more = false;
  for (const subscription of channel.subscriptions.values()) {
    if (subscription.group === undefined && deliverTo(context, channel, subscription, now)) more = true;
  }
  for (const group of channel.groups.values()) {
    if (deliverToGroup(context, channel, group, now)) more = true;
  }
  if (more) context.askMore(channel);
}

/** Whether new messages may be sent to it as far as its client's readiness goes. */
function isReady(subscription: Subscription): boolean {
  return subscription.initialised && !subscription.onHold;
}

/**
 * One round for one subscription; answers whether it could take more at once. What did not go out earlier leads the same
 * effect, which stops at the first failure: so nothing newer overtakes it.
 */
function deliverTo(context: Context, channel: Channel, subscription: Subscription, now: Millis): boolean {
  if (!isReady(subscription)) return false;
  const retries = subscription.unsent.size > 0;
  if (retries && now < subscription.retryAt) return false;
  const { pending } = subscription;
  const from = Math.max(subscription.lastSent + 1, channel.first);
  const room = Math.min(subscription.maxInFlight - pending.size, RUN);
  const to = Math.min(channel.last, from + room - 1);
  if (to < from && !retries) return false;
  const count = Math.max(to - from + 1, 0);
  const sequences = new Array<Sequence>(count);
  const deadline = now + ackWait(subscription);
  for (let i = 0, sequence = from; i < count; i++, sequence++) {
    sequences[i] = sequence;
    pending.set(sequence, deadline);
  }
  if (count > 0) subscription.lastSent = to;
  if (retries) {
    send(context, subscription, sequences, takeUnsent(subscription, deadline).concat(sequences), deadline);
    armAtMost(context, subscription, now + subscription.retryAfter);
    return false;
  }
  send(context, subscription, sequences, sequences, deadline);
  return to < channel.last && !isFull(subscription);
}

/** Takes back what did not go out, ascending; it is due as if sent now. */
function takeUnsent(subscription: Subscription, deadline: Millis): Sequence[] {
  const sequences = [...subscription.unsent].sort((a, b) => a - b);
  subscription.unsent.clear();
  for (const sequence of sequences) subscription.pending.set(sequence, deadline);
  return sequences;
}

/** Emits what one subscription gets for the first time, all in `pending` already. `fresh`: those not noted so far. */
function send(
  context: Context,
  subscription: Subscription,
  fresh: readonly Sequence[],
  sequences: readonly Sequence[],
  deadline: Millis,
): void {
  noteDeadline(subscription, deadline);
  restall(subscription);
  if (fresh.length > 0) context.emit({ kind: "sent", subscription, sequences: fresh });
  emitFirst(context, subscription, sequences);
  armAtMost(context, subscription, subscription.wakeAt === Infinity ? deadline : Infinity);
}

/** First deliveries; flagged as far as an earlier leader may have made them. */
function emitFirst(context: Context, subscription: Subscription, sequences: readonly Sequence[]): void {
  const { uncertainUpTo } = subscription;
  if (uncertainUpTo === 0 || sequences[0]! > uncertainUpTo) {
    context.emit({ kind: "deliver", subscription, sequences });
    return;
  }
  const certain = sequences.findIndex((sequence) => sequence > uncertainUpTo);
  const flagged = certain < 0 ? sequences : sequences.slice(0, certain);
  const counts = new Array<number>(flagged.length).fill(1);
  context.emit({ kind: "deliver", subscription, sequences: flagged, counts });
  if (certain >= 0) context.emit({ kind: "deliver", subscription, sequences: sequences.slice(certain) });
}

/** Whether there is something behind `lastSent`. */
function hasNew(channel: Channel, lastSent: Sequence): boolean {
  return Math.max(lastSent + 1, channel.first) <= channel.last;
}

/** One round for a group: a member is chosen for each message, and each member gets its messages in one effect. */
function deliverToGroup(context: Context, channel: Channel, group: QueueGroup, now: Millis): boolean {
  if (group.onHold) return false;
  const from = Math.max(group.lastSent + 1, channel.first);
  const to = Math.min(channel.last, from + RUN - 1);
  const shares = new Map<Subscription, Sequence[]>();
  let sequence = from;
  let floor = 0;
  for (; sequence <= to; sequence++) {
    const member = chooseForNew(group, floor);
    if (member === undefined) break;
    if (!member.suspect) floor = member.pending.size;
    member.pending.set(sequence, now + ackWait(member));
    const share = shares.get(member);
    if (share === undefined) shares.set(member, [sequence]);
    else share.push(sequence);
  }
  if (sequence === from) return false;
  group.lastSent = sequence - 1;
  for (const [member, sequences] of shares) {
    member.lastSent = sequences[sequences.length - 1]!;
    send(context, member, sequences, sequences, now + ackWait(member));
  }
  return sequence > to && to < channel.last;
}

/** An ack arrived for `subscription`: it frees the message from whichever member of its group holds it. */
export function acknowledge(context: Context, subscription: Subscription, sequence: Sequence): void {
  const { group } = subscription;
  let holder: Subscription | undefined = subscription;
  if (!subscription.pending.has(sequence) && group !== undefined) holder = holderOf(group, sequence);
  subscription.retryAfter = FIRST_RETRY;
  if (holder === undefined) return askIfRoom(context, subscription);
  (group ?? holder).redeliveries.delete(sequence);
  release(context, holder, sequence);
}

/** A message is done with: acked, gone, or with another member now. Asks for more where that makes room. */
export function release(context: Context, subscription: Subscription, sequence: Sequence): void {
  const { pending } = subscription;
  const wasFull = isFull(subscription);
  if (!pending.delete(sequence)) return askIfRoom(context, subscription);
  if (subscription.unsent.size > 0) subscription.unsent.delete(sequence);
  context.acked(subscription, sequence);
  if (!wasFull) return;
  restall(subscription);
  askIfRoom(context, subscription);
}

/** Asks for a round when there is room and something to give out. */
export function askIfRoom(context: Context, subscription: Subscription): void {
  if (isFull(subscription)) return;
  const { group, channel } = subscription;
  if (hasNew(channel, group === undefined ? subscription.lastSent : group.lastSent)) context.askMore(channel);
}
