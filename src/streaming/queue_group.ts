/**
 * Queue groups: who is in them, whose turn it is, and what becomes of a leaving member's messages (spec streaming,
 * section 5.6).
 *
 * Which member gets what is the leader's business and reaches followers as facts. Only the dealing of a leaver's messages
 * is decided on every replica by itself, so it depends on nothing but the sequence and the members' ids.
 */
import type { Subscribe } from "../protocol/operations.ts";
import type { Millis, Sequence } from "../protocol/units.ts";
import type { Context } from "./context.ts";
import type { Channel, Client, QueueGroup, Subscription } from "./state.ts";
import {
  armAtMost,
  bringOnline,
  isFull,
  pendingInOrder,
  recordOf,
  restall,
  setDeadline,
  subscriptionOf,
  takeOffline,
  takeOver,
} from "./subscription.ts";

/** How long after a member left its messages are redelivered to others. Milliseconds. */
const TRANSFER_DELAY = 100;
/** Former members that a group remembers. */
const FORMER_MAX = 16;
/** The deadline of a message that this follower dealt by itself: a late fact about the former member may still end it. */
export const DEALT: Millis = -1;

/** The name a group is kept under: durable ones are apart from others. */
export function groupName({ queueGroup, durableName }: Pick<Subscribe, "queueGroup" | "durableName">): string {
  return durableName === "" ? queueGroup : `${durableName}:${queueGroup}`;
}

export function newGroup(name: string, lastSent: Sequence): QueueGroup {
  return {
    name,
    lastSent,
    members: [],
    placeholder: undefined,
    formerIds: [],
    redeliveries: new Map(),
    onHold: false,
  };
}

/** Whether a join needs no place of its own: it takes over the placeholder's. */
export function takesPlaceholder(channel: Channel, name: string): boolean {
  return channel.groups.get(name)?.placeholder !== undefined;
}

/** Adds a member, or turns the placeholder into one. `startAfter` counts for the first member of a new group only. */
export function join(
  context: Context,
  channel: Channel,
  operation: Subscribe,
  client: Client,
  startAfter: Sequence,
): Subscription {
  const name = groupName(operation);
  let group = channel.groups.get(name);
  if (group === undefined) channel.groups.set(name, group = newGroup(name, startAfter));
  const { placeholder } = group;
  if (placeholder !== undefined) {
    group.placeholder = undefined;
    takeOver(placeholder, operation, client);
    group.members.push(placeholder);
    placeholder.onHold = context.leading && placeholder.pending.size > 0;
    group.onHold = placeholder.onHold;
    storeRecord(context, placeholder, "update");
    return placeholder;
  }
  const member = subscriptionOf(channel, group, {
    id: ++channel.lastSubscriptionId,
    clientId: operation.clientId,
    queueGroup: name,
    inbox: operation.inbox,
    ackInbox: operation.ackInbox,
    maxInFlight: operation.maxInFlight,
    ackWaitInSecs: operation.ackWaitInSecs,
    durableName: "",
    lastSent: group.lastSent,
    isDurable: operation.durableName !== "",
    isClosed: false,
  });
  channel.subscriptions.set(member.id, member);
  group.members.push(member);
  bringOnline(member, client);
  storeRecord(context, member, "create");
  return member;
}

/** Takes a member out. `remove`: by unsubscribing, which also ends a durable group when nobody else is in it. */
export function leave(
  context: Context,
  member: Subscription,
  client: Client | undefined,
  remove: boolean,
  now: Millis,
): void {
  const { channel } = member;
  const group = member.group!;
  takeOffline(context, member, client);
  const place = group.members.indexOf(member);
  const last = group.members.pop()!;
  if (last !== member) group.members[place] = last;
  group.onHold = group.members.some((each) => each.onHold);
  if (group.members.length > 0) {
    deal(context, group, member, now);
    channel.subscriptions.delete(member.id);
    storeRecord(context, member, "forget");
    context.askMore(channel);
  } else if (member.isDurable && !remove) {
    member.formerClientId = member.clientId;
    member.clientId = "";
    member.lastSent = group.lastSent;
    group.placeholder = member;
    storeRecord(context, member, "update");
  } else {
    channel.groups.delete(group.name);
    channel.subscriptions.delete(member.id);
    storeRecord(context, member, "forget");
  }
}

/** Hands a leaver's pending messages to those who stay, marked as overdue. */
function deal(context: Context, group: QueueGroup, leaver: Subscription, now: Millis): void {
  group.formerIds.push(leaver.id);
  if (group.formerIds.length > FORMER_MAX) group.formerIds.shift();
  const heirs = byId(group.members);
  const shares = new Map<Subscription, Sequence[]>();
  for (const sequence of pendingInOrder(leaver)) {
    const heir = heirFor(heirs, sequence);
    if (heir.pending.has(sequence)) continue;
    let share = shares.get(heir);
    if (share === undefined) shares.set(heir, share = []);
    share.push(sequence);
    setDeadline(heir, sequence, context.leading ? now + TRANSFER_DELAY : DEALT);
    if (leaver.unsent.has(sequence)) heir.unsent.add(sequence);
    if (sequence > heir.lastSent) heir.lastSent = sequence;
  }
  for (const [heir, sequences] of shares) {
    context.emit({ kind: "sent", subscription: heir, sequences });
    restall(heir);
    armAtMost(context, heir, now + TRANSFER_DELAY);
  }
  // Followers dealt as well: what the leaver is done with, and nobody reports as sent again, is not pending with them.
  if (context.leading) { for (const sequence of leaver.pending.keys()) context.acked(leaver, sequence); }
  leaver.pending.clear();
  const highest = heirs.reduce((most, heir) => Math.max(most, heir.lastSent), 0);
  if (highest < group.lastSent) {
    heirs[0]!.lastSent = group.lastSent;
    storeRecord(context, heirs[0]!, "update");
  }
}

function byId(members: readonly Subscription[]): Subscription[] {
  return [...members].sort((a, b) => a.id - b.id);
}

function heirFor(heirs: readonly Subscription[], sequence: Sequence): Subscription {
  return heirs[sequence % heirs.length]!;
}

/**
 * Follower: `member`, or a former member of `group` when it is absent, was sent these. A message is with one member only.
 * Those that it is done with already only say how far the group has come: they may be with another member since.
 */
export function learnSent(
  group: QueueGroup,
  member: Subscription | undefined,
  sequences: readonly Sequence[],
  done: readonly Sequence[],
): void {
  const heirs = member === undefined ? byId(group.members) : [];
  for (const sequence of sequences) {
    if (sequence > group.lastSent) group.lastSent = sequence;
    if (done.includes(sequence)) continue;
    const holder = member ?? group.placeholder ?? heirFor(heirs, sequence);
    for (const each of group.members) if (each !== holder) each.pending.delete(sequence);
    holder.pending.set(sequence, member === undefined ? DEALT : 0);
    if (sequence > holder.lastSent) holder.lastSent = sequence;
  }
}

/** Follower: a former member's messages are done with; those that were given to another one since are not meant. */
export function learnFormerAcknowledged(group: QueueGroup, sequences: readonly Sequence[]): void {
  const holders = group.placeholder === undefined ? group.members : [group.placeholder];
  for (const sequence of sequences) {
    for (const each of holders) if (each.pending.get(sequence) === DEALT) each.pending.delete(sequence);
  }
}

/** The member that has `sequence` pending. */
export function holderOf(group: QueueGroup, sequence: Sequence): Subscription | undefined {
  for (const member of group.members) if (member.pending.has(sequence)) return member;
  return undefined;
}

/**
 * Whose turn it is for a new message: among those with room the one with the fewest pending, the earliest of equals; one
 * whose client misses heartbeats only when there is no other. `undefined` when nobody has room. `floor`: nobody who
 * qualifies has fewer pending than this, so the search ends at the first who has no more.
 */
export function chooseForNew(group: QueueGroup, floor = 0): Subscription | undefined {
  const { members } = group;
  let best = -1;
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!;
    if (!member.initialised || isFull(member)) continue;
    if (best < 0 || isBetter(member, members[best]!)) best = i;
    if (member.pending.size <= floor && !member.suspect) break;
  }
  return best < 0 ? undefined : takeTurn(members, best);
}

/** Who gets a message again: as for a new one; when nobody qualifies, the head of the list, room or not. */
export function chooseForRedelivery(group: QueueGroup): Subscription | undefined {
  const { members } = group;
  let best = -1;
  let head = -1;
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!;
    if (!member.initialised) continue;
    if (head < 0) head = i;
    if (isFull(member) || member.suspect) continue;
    if (best < 0 || isBetter(member, members[best]!)) best = i;
  }
  if (best < 0) best = head;
  return best < 0 ? undefined : takeTurn(members, best);
}

function isBetter(member: Subscription, than: Subscription): boolean {
  if (member.suspect !== than.suspect) return than.suspect;
  return member.pending.size < than.pending.size;
}

/** Moves the head to the tail when it was chosen. */
function takeTurn(members: Subscription[], i: number): Subscription {
  const chosen = members[i]!;
  if (i === 0 && members.length > 1) {
    // By hand: for short lists much faster than the built-in ways.
    for (let j = 1; j < members.length; j++) members[j - 1] = members[j]!;
    members[members.length - 1] = chosen;
  }
  return chosen;
}

/** Asks the store to write or delete `subscription`'s record. */
export function storeRecord(context: Context, subscription: Subscription, how: "create" | "update" | "forget"): void {
  const channel = subscription.channel.name;
  context.emit({ kind: "store subscription", how, channel, state: recordOf(subscription) });
}
