/**
 * The replicated state as bytes, and back (spec clustering, section 6.2). Protobuf, declared below. What only a leader
 * knows is left out, so replicas that applied the same operations and facts write the same bytes; recent publishes, which
 * a snapshot for another node takes along, are the exception.
 */
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { ClientInfo } from "../protocol/stored_records.ts";
import {
  bool,
  bytes,
  int32,
  int64,
  type Message,
  message,
  packed,
  repeated,
  string,
  uint64,
} from "../protocol/schema.ts";
import type { Sequence } from "../protocol/units.ts";
import { addChannel, newChannel } from "./channel.ts";
import { addClient, newClient } from "./clients.ts";
import { DIGEST_SCHEME, UNKNOWN_DIGEST } from "./digest.ts";
import { DEALT, newGroup } from "./queue_group.ts";
import { type Channel, type Client, emptyState, type QueueGroup, type State, type Subscription } from "./state.ts";
import { bringOnline, durableKey, pendingInOrder, subscriptionOf } from "./subscription.ts";

/** The first message that the store holds of a channel at this moment. */
export type FirstOf = (channel: string) => Sequence;

/** A snapshot that this version cannot read is refused rather than misread. */
const VERSION = 1;
/** Of a recent publish: guid, reply and client. */
const PARTS = MARKS - 2;

const LimitsSnapshot = message({
  pattern: string(1),
  maxSubscriptions: uint64(2),
  maxMessages: uint64(3),
  maxBytes: uint64(4),
  maxAge: int64(5),
  maxInactivity: int64(6),
});

const SubscriptionSnapshot = message({
  id: uint64(1),
  clientId: string(2),
  /** Place of its group among the channel's groups, from 1; 0 for none. */
  group: uint64(3),
  inbox: string(4),
  ackInbox: string(5),
  maxInFlight: int32(6),
  ackWaitInSecs: int32(7),
  durableName: string(8),
  lastSent: uint64(9),
  isDurable: bool(10),
  offline: bool(11),
  pending: packed(12),
  /** Of those pending, what a leaver left and the leader has not reported as sent: more may yet be heard of the leaver. */
  dealt: packed(13),
});

const GroupSnapshot = message({ name: string(1), lastSent: uint64(2), formerIds: packed(3) });

const ChannelSnapshot = message({
  name: string(1),
  incarnation: uint64(2),
  last: uint64(3),
  lastTimestamp: int64(4),
  expiredBefore: uint64(5),
  lastSubscriptionId: uint64(6),
  groups: repeated(7, GroupSnapshot),
  subscriptions: repeated(8, SubscriptionSnapshot),
  /** The first message that the limits had left; 0: not known. */
  first: uint64(9),
});
/** A channel as it stands in a snapshot. Messages are named, from `first` and `expiredBefore` to `last`, not contained. */
export type ChannelSnapshot = Message<typeof ChannelSnapshot>;

/**
 * Publishes applied shortly before, which clients may ask for again (spec clustering, 5.6 and S2): the lengths of guid,
 * reply and client of each, and these themselves one after the other.
 */
const RecentSnapshot = message({ lengths: packed(1), bytes: bytes(2) });

const StateSnapshot = message({
  version: uint64(1),
  maxChannels: uint64(2),
  limits: repeated(3, LimitsSnapshot),
  clients: repeated(4, ClientInfo),
  channels: repeated(5, ChannelSnapshot),
  /** See `digest.ts`; 0 in snapshots of releases that did not count it. */
  digest: uint64(6),
  digestScheme: uint64(7),
  /** No part of what replicas agree on: each remembers by its own clock. None from releases that left them out. */
  recent: repeated(8, RecentSnapshot),
  padding: bytes(15),
});
/** A decoded snapshot. */
export type StateSnapshot = Message<typeof StateSnapshot>;

/** What a snapshot takes along besides the state. */
interface Along {
  /** Publishes applied lately; they are copied at once. */
  readonly recent?: readonly PackedMessages[];
  readonly firstOf?: FirstOf;
}

/**
 * Writes the state as it was when this began, in steps; meanwhile it may change, provided that {@link before} is told of
 * each channel ahead of its first change (spec clustering, S1). Protobuf's fields may stand one after the other, so the
 * pieces make the same bytes as all at once.
 */
export class SnapshotWriting {
  readonly #pieces: Uint8Array[] = [];
  readonly #clients: readonly Client[];
  readonly #channels: readonly Channel[];
  /** Where each channel's piece will stand, until it is written. */
  readonly #left = new Map<Channel, number>();
  /** The first messages in the store, by place in {@link #channels}. */
  readonly #firsts: readonly Sequence[];
  readonly #digest: number;
  #nextClient = 0;
  #nextChannel = 0;

  constructor(state: State, { recent = [], firstOf = () => 0 }: Along = {}) {
    const { maxChannels, channels } = state.limits;
    const head = { version: VERSION, maxChannels, limits: [...channels], recent: recent.map(recentSnapshot) };
    this.#pieces.push(StateSnapshot.encode(head));
    this.#clients = [...state.clients.values()];
    this.#channels = [...state.channels.values()];
    this.#firsts = this.#channels.map(({ name }) => firstOf(name));
    this.#digest = state.digest;
    this.#channels.forEach((channel, i) => this.#left.set(channel, this.#clients.length + 1 + i));
  }

  /** The channel is about to change: what it is now is written first. */
  before(channel: Channel): void {
    const place = this.#left.get(channel);
    if (place === undefined) return;
    this.#left.delete(channel);
    const first = this.#firsts[place - this.#clients.length - 1]!;
    this.#pieces[place] = StateSnapshot.encode({ channels: [channelSnapshot(channel, first)] });
  }

  /** Writes one client or channel more; `false` when all are written. */
  step(): boolean {
    if (this.#nextClient < this.#clients.length) {
      const client = this.#clients[this.#nextClient++]!;
      this.#pieces[this.#nextClient] = StateSnapshot.encode({ clients: [client] });
      return true;
    }
    if (this.#nextChannel === this.#channels.length) return false;
    this.before(this.#channels[this.#nextChannel++]!);
    return true;
  }

  /** The snapshot. All is written. */
  finish(): Uint8Array {
    this.#pieces.push(StateSnapshot.encode({ digest: this.#digest, digestScheme: DIGEST_SCHEME }));
    let size = 0;
    for (const piece of this.#pieces) size += piece.length;
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}

/** Writes the state at once. */
export function encodeSnapshot(state: State): Uint8Array {
  const writing = new SnapshotWriting(state);
  while (writing.step());
  return writing.finish();
}

function channelSnapshot(channel: Channel, first: Sequence): ChannelSnapshot {
  const groups = [...channel.groups.values()];
  const { name, incarnation, last, lastTimestamp, expiredBefore, lastSubscriptionId } = channel;
  return {
    name,
    incarnation,
    last,
    lastTimestamp,
    expiredBefore,
    lastSubscriptionId,
    groups: groups.map(({ name, lastSent, formerIds }) => ({ name, lastSent, formerIds })),
    subscriptions: [...channel.subscriptions.values()].map((each) => subscriptionSnapshot(each, groups)),
    first,
  };
}

/** A member's own position is left out: it depends on who held what when, and its group's is what counts. */
function subscriptionSnapshot(subscription: Subscription, groups: readonly QueueGroup[]) {
  const { id, clientId, inbox, ackInbox, maxInFlight, ackWaitInSecs, durableName, isDurable, offline } = subscription;
  return {
    id,
    clientId,
    group: subscription.group === undefined ? 0 : groups.indexOf(subscription.group) + 1,
    inbox,
    ackInbox,
    maxInFlight,
    ackWaitInSecs,
    durableName,
    lastSent: subscription.group === undefined ? subscription.lastSent : 0,
    isDurable,
    offline,
    pending: pendingInOrder(subscription),
    dealt: pendingInOrder(subscription).filter((sequence) => subscription.pending.get(sequence) === DEALT),
  };
}

/** Guid, reply and client of each message stand one behind the other in a slab. */
function recentSnapshot({ count, bytes, bounds }: PackedMessages): Message<typeof RecentSnapshot> {
  const lengths: number[] = [];
  for (let at = 0; at < count * MARKS; at += MARKS) {
    for (let mark = 1; mark <= PARTS; mark++) lengths.push(bounds[at + mark + 1]! - bounds[at + mark]!);
  }
  return { lengths, bytes: bytes.subarray(0, lengths.reduce((sum, length) => sum + length, 0)) };
}

/** The publishes of a snapshot's {@link StateSnapshot.recent}; what does not fit together is left out. */
export function recentPublishes({ recent }: StateSnapshot): PackedMessages[] {
  return recent.map(({ lengths, bytes }) => {
    const bounds = new Int32Array(Math.floor(lengths.length / PARTS) * MARKS);
    let count = 0;
    let used = 0;
    for (let i = 0; i + PARTS <= lengths.length; i += PARTS) {
      const at = count * MARKS;
      bounds[at] = bounds[at + 1] = used;
      for (let part = 0; part < PARTS; part++) bounds[at + 2 + part] = used += lengths[i + part]!;
      if (used > bytes.length) break;
      count++;
    }
    return { count, bytes, bounds };
  });
}

/** Reads a snapshot's bytes without building a state. Throws Malformed, or an Error that names an unknown version. */
export function decodeSnapshot(snapshot: Uint8Array): StateSnapshot {
  const decoded = StateSnapshot.decode(snapshot);
  if (decoded.version !== VERSION) {
    throw new Error(`snapshot version ${decoded.version} is not ${VERSION}: it was written by another release`);
  }
  return decoded;
}

/**
 * Replaces the content of `state` by a snapshot's, and gives this back as decoded. Throws as {@link decodeSnapshot};
 * `state` is untouched then.
 */
export function restoreSnapshot(state: State, snapshot: Uint8Array): StateSnapshot {
  const decoded = decodeSnapshot(snapshot);
  const fresh = emptyState({ maxChannels: decoded.maxChannels, channels: decoded.limits });
  for (const client of decoded.clients) addClient(fresh, newClient(client));
  for (const channel of decoded.channels) restoreChannel(fresh, channel);
  state.limits = fresh.limits;
  state.digest = decoded.digestScheme === DIGEST_SCHEME ? decoded.digest : UNKNOWN_DIGEST;
  replace(state.clients, fresh.clients);
  replace(state.clientsByConnId, fresh.clientsByConnId);
  replace(state.channels, fresh.channels);
  replace(state.channelsByFold, fresh.channelsByFold);
  return decoded;
}

function replace<K, V>(map: Map<K, V>, by: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of by) map.set(key, value);
}

function restoreChannel(state: State, from: ChannelSnapshot): void {
  const channel = newChannel(state, from.name, from.incarnation);
  channel.last = from.last;
  channel.lastTimestamp = from.lastTimestamp;
  channel.expiredBefore = from.expiredBefore;
  channel.lastSubscriptionId = from.lastSubscriptionId;
  addChannel(state, channel);
  const groups = from.groups.map(({ name, lastSent, formerIds }) => {
    const group = newGroup(name, lastSent);
    group.formerIds.push(...formerIds);
    channel.groups.set(name, group);
    return group;
  });
  for (const record of from.subscriptions) {
    const group = record.group === 0 ? undefined : groups[record.group - 1];
    const queueGroup = group?.name ?? "";
    const lastSent = group?.lastSent ?? record.lastSent;
    const isClosed = record.offline;
    const subscription = subscriptionOf(channel, group, { ...record, queueGroup, lastSent, isClosed });
    for (const sequence of record.pending) subscription.pending.set(sequence, 0);
    for (const sequence of record.dealt) subscription.pending.set(sequence, DEALT);
    attachRestored(state, channel, subscription);
  }
}

/** Puts a subscription that was read back where it belongs: its channel, group or durables, and its client if online. */
export function attachRestored(state: State, channel: Channel, subscription: Subscription): void {
  channel.subscriptions.set(subscription.id, subscription);
  const { group } = subscription;
  if (group !== undefined) {
    if (subscription.offline) group.placeholder = subscription;
    else group.members.push(subscription);
  } else if (subscription.isDurable) {
    channel.durables.set(durableKey(subscription.clientId, channel.name, subscription.durableName), subscription);
  }
  const client = state.clients.get(subscription.clientId);
  if (!subscription.offline && client !== undefined) bringOnline(subscription, client);
}
