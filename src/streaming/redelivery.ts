/**
 * Messages again: what is overdue and to whom it goes, what a resumed durable left pending, what could not be sent and
 * what is gone (spec streaming, sections 7.2 to 7.4).
 *
 * One wake-up per subscription, for the earliest deadline. Acks do not touch it: it finds nothing when it fires.
 */
import type { Millis, Sequence } from "../protocol/units.ts";
import { type Context, RUN } from "./context.ts";
import { askIfRoom, release } from "./delivery.ts";
import { chooseForRedelivery } from "./queue_group.ts";
import type { QueueGroup, Subscription } from "./state.ts";
import {
  ackWait,
  armAtMost,
  noteDeadline,
  pendingInOrder,
  restall,
  setDeadline,
  sortDeadlines,
} from "./subscription.ts";

/** What is due this soon goes along. Milliseconds. */
const LOOK_AHEAD = 15;
/** When a group with nobody ready is looked at again. Milliseconds. */
const NOBODY_READY = 100;

/** The longest wait before messages that did not go out are tried again. Milliseconds. */
const LONGEST_RETRY = 2_000;

/** What is due of a subscription, in the order of deadlines, and when the next deadline comes. */
interface Due {
  readonly sequences: Sequence[];
  next: Millis;
}

/** The subscription's wake-up fired. */
export function overdue(context: Context, subscription: Subscription, now: Millis): void {
  subscription.wakeAt = Infinity;
  const { pending, group } = subscription;
  if (!context.leading || subscription.offline || pending.size === 0) return;
  if (!subscription.initialised) return armAtMost(context, subscription, now + ackWait(subscription));
  if (group === undefined) retryUnsent(context, subscription);
  if (group === undefined && subscription.suspect) {
    return armAtMost(context, subscription, now + ackWait(subscription));
  }
  const due = collectDue(subscription, now);
  if (due.sequences.length > 0) {
    if (group === undefined) redeliver(context, subscription, due.sequences, now);
    else redeliverInGroup(context, group, subscription, due.sequences, now);
  }
  let at = due.next;
  for (const sequence of due.sequences) at = Math.min(at, pending.get(sequence) ?? Infinity);
  if (pending.size > 0) armAtMost(context, subscription, Math.max(at, now));
}

/** What did not go out is given out with what is new, in a round of its channel. */
function retryUnsent(context: Context, subscription: Subscription): void {
  if (subscription.unsent.size > 0) context.askMore(subscription.channel);
  else askIfRoom(context, subscription);
}

function collectDue(subscription: Subscription, now: Millis): Due {
  sortDeadlines(subscription);
  const due: Due = { sequences: [], next: Infinity };
  const certain = now + LOOK_AHEAD + subscription.disorder;
  const isSingle = subscription.group === undefined;
  for (const [sequence, deadline] of subscription.pending) {
    if (isSingle && subscription.unsent.has(sequence)) {
      if (subscription.retryAt > now) due.next = Math.min(due.next, subscription.retryAt);
    } else if (deadline <= now + LOOK_AHEAD) {
      if (due.sequences.length < RUN) due.sequences.push(sequence);
      else {
        due.next = now;
        break;
      }
    } else {
      // What stands further behind may be earlier by the disorder.
      due.next = Math.min(due.next, Math.max(deadline - subscription.disorder, now + LOOK_AHEAD));
      if (deadline > certain) break;
    }
  }
  if (subscription.disorder > 0) {
    const { pending } = subscription;
    due.sequences.sort((a, b) => pending.get(a)! - pending.get(b)! || a - b);
  }
  return due;
}

/** Sends these again to the subscription that has them pending, flagged and counted, room or not. */
export function redeliver(
  context: Context,
  subscription: Subscription,
  sequences: readonly Sequence[],
  now: Millis,
): void {
  const wait = ackWait(subscription);
  for (const sequence of sequences) {
    setDeadline(subscription, sequence, nextDeadline(subscription.pending.get(sequence)!, wait, now));
  }
  emitAgain(context, subscription, sequences);
}

/** Emits redeliveries, counted up, in runs of bounded length. */
function emitAgain(context: Context, subscription: Subscription, sequences: readonly Sequence[]): void {
  const { redeliveries } = subscription.group ?? subscription;
  for (let i = 0; i < sequences.length; i += RUN) {
    const run = sequences.length <= RUN ? sequences : sequences.slice(i, i + RUN);
    const counts = run.map((sequence) => countUp(redeliveries, sequence));
    context.emit({ kind: "deliver", subscription, sequences: run, counts });
  }
}

/** A message keeps its own cadence, unless that has fallen behind the present. */
function nextDeadline(previous: Millis, wait: Millis, now: Millis): Millis {
  return previous + wait > now ? previous + wait : now + wait;
}

/** Counts one more redelivery; 32 bits, and never 0. */
function countUp(redeliveries: Map<Sequence, number>, sequence: Sequence): number {
  const count = (((redeliveries.get(sequence) ?? 0) + 1) >>> 0) || 1;
  redeliveries.set(sequence, count);
  return count;
}

/** What one member is sent in a round of its group. */
interface Share {
  readonly sequences: Sequence[];
  readonly counts: number[];
  /** Those that come from another member. */
  readonly moved: Sequence[];
  /** Sent for the first time after all. */
  readonly first: Sequence[];
}

/** Offers overdue messages of `owner` to the group's best members. */
function redeliverInGroup(
  context: Context,
  group: QueueGroup,
  owner: Subscription,
  sequences: readonly Sequence[],
  now: Millis,
): void {
  const shares = new Map<Subscription, Share>();
  const left: Sequence[] = [];
  for (const sequence of sequences) {
    const receiver = chooseForRedelivery(group);
    if (receiver === undefined) {
      setDeadline(owner, sequence, now + NOBODY_READY);
      continue;
    }
    let share = shares.get(receiver);
    if (share === undefined) shares.set(receiver, share = { sequences: [], counts: [], moved: [], first: [] });
    if (owner.unsent.delete(sequence)) share.first.push(sequence);
    else {
      share.sequences.push(sequence);
      share.counts.push(countUp(group.redeliveries, sequence));
    }
    if (receiver === owner) {
      setDeadline(owner, sequence, nextDeadline(owner.pending.get(sequence)!, ackWait(owner), now));
    } else {
      share.moved.push(sequence);
      left.push(sequence);
      setDeadline(receiver, sequence, now + ackWait(receiver));
      if (sequence > receiver.lastSent) receiver.lastSent = sequence;
    }
  }
  for (const [receiver, { moved }] of shares) {
    if (moved.length > 0) context.emit({ kind: "sent", subscription: receiver, sequences: moved });
  }
  for (const sequence of left) release(context, owner, sequence);
  for (const [receiver, share] of shares) {
    restall(receiver);
    if (share.first.length > 0) context.emit({ kind: "deliver", subscription: receiver, sequences: share.first });
    if (share.sequences.length > 0) {
      const { sequences, counts } = share;
      context.emit({ kind: "deliver", subscription: receiver, sequences, counts });
    }
    if (receiver !== owner) {
      armAtMost(context, receiver, receiver.wakeAt === Infinity ? now + ackWait(receiver) : Infinity);
    }
  }
}

/** Sends everything pending again at once, ascending, whatever its deadline; then new messages may follow. Ends the hold. */
export function redeliverAll(context: Context, subscription: Subscription, now: Millis): void {
  const sequences = pendingInOrder(subscription);
  const deadline = now + ackWait(subscription);
  subscription.pending.clear();
  subscription.unsent.clear();
  for (const sequence of sequences) subscription.pending.set(sequence, deadline);
  noteDeadline(subscription, deadline);
  emitAgain(context, subscription, sequences);
  if (sequences.length > 0) armAtMost(context, subscription, deadline);
  subscription.onHold = false;
  const { group } = subscription;
  if (group !== undefined) group.onHold = group.members.some((each) => each.onHold);
}

/** A message chosen for delivery is gone from the store: done with. */
export function missing(context: Context, subscription: Subscription, sequence: Sequence): void {
  if (subscription.pending.has(sequence)) (subscription.group ?? subscription).redeliveries.delete(sequence);
  release(context, subscription, sequence);
}

/**
 * First deliveries that did not go out. They stay pending, since that is what was recorded, and are sent again without a
 * flag: at the channel's next round, or after a wait that grows.
 */
export function undelivered(
  context: Context,
  subscription: Subscription,
  sequences: readonly Sequence[],
  now: Millis,
): void {
  if (!context.leading || !subscription.initialised) return;
  const { redeliveries } = subscription.group ?? subscription;
  const at = now + subscription.retryAfter;
  let any = false;
  for (const sequence of sequences) {
    if (!subscription.pending.has(sequence) || redeliveries.has(sequence)) continue;
    any = true;
    subscription.unsent.add(sequence);
    setDeadline(subscription, sequence, at);
  }
  if (!any) return;
  subscription.retryAt = at;
  subscription.retryAfter = Math.min(subscription.retryAfter * 2, LONGEST_RETRY, ackWait(subscription));
  armAtMost(context, subscription, at);
}
