/**
 * The state of a server that starts on a store: clients, channels and subscriptions as they were, and what in the store
 * has to be put right (spec streaming, sections 7.5 and 9.2).
 */
import type { ClientInfo, SubscriptionState } from "../protocol/stored_records.ts";
import type { Nanos, Sequence } from "../protocol/units.ts";
import { addChannel, newChannel } from "./channel.ts";
import { addClient, newClient } from "./clients.ts";
import { DEFAULT_LIMITS, type ResolvedLimits } from "../protocol/limits.ts";
import { newGroup } from "./queue_group.ts";
import { attachRestored } from "./snapshot.ts";
import { type Channel, emptyState, type State, type Subscription } from "./state.ts";
import { recordOf, subscriptionOf } from "./subscription.ts";

/** A channel as its store holds it. */
export interface StoredChannel {
  readonly name: string;
  /** The newest sequence in the message log; 0 when nothing was ever stored. */
  readonly last: Sequence;
  readonly lastTimestamp: Nanos;
  readonly subscriptions: readonly { readonly state: SubscriptionState; readonly pending: readonly Sequence[] }[];
  readonly highestSubscriptionId: number;
}

/** What has to be changed in the store so that it says what was recovered; in order. */
export type Repair =
  | { readonly kind: "forget"; readonly channel: string; readonly id: number }
  | { readonly kind: "update"; readonly channel: string; readonly state: SubscriptionState }
  | { readonly kind: "sent"; readonly channel: string; readonly id: number; readonly sequences: readonly Sequence[] }
  | { readonly kind: "acked"; readonly channel: string; readonly id: number; readonly sequences: readonly Sequence[] };

export interface Recovery {
  /** For {@link Machine}; leading it brings redeliveries and timers. */
  readonly state: State;
  readonly repairs: readonly Repair[];
  /** Lines for the log. */
  readonly warnings: readonly string[];
}

/** Rebuilds the state from what a store recovered. Channels above the limit are kept: it counts for new ones only. */
export function recoverState(
  clients: readonly ClientInfo[],
  channels: Iterable<StoredChannel>,
  limits: ResolvedLimits = DEFAULT_LIMITS,
): Recovery {
  const state = emptyState(limits);
  for (const client of clients) addClient(state, newClient(client));
  const work: Work = { state, repairs: [], warnings: [] };
  for (const stored of channels) recoverChannel(work, stored);
  return work;
}

interface Work {
  readonly state: State;
  readonly repairs: Repair[];
  readonly warnings: string[];
}

type Stored = StoredChannel["subscriptions"][number];

function recoverChannel(work: Work, stored: StoredChannel): void {
  const channel = newChannel(work.state, stored.name, 0);
  channel.last = stored.last;
  channel.lastTimestamp = stored.lastTimestamp;
  channel.lastSubscriptionId = stored.highestSubscriptionId;
  addChannel(work.state, channel);
  const groups = new Map<string, Stored[]>();
  for (const each of [...stored.subscriptions].sort((a, b) => a.state.id - b.state.id)) {
    channel.lastSubscriptionId = Math.max(channel.lastSubscriptionId, each.state.id);
    const { queueGroup } = each.state;
    if (queueGroup === "") recoverSingle(work, channel, each);
    else groups.set(queueGroup, [...groups.get(queueGroup) ?? [], each]);
  }
  for (const [name, records] of groups) recoverGroup(work, channel, name, records);
}

/** A plain subscription needs its client; a durable is offline without it. */
function recoverSingle(work: Work, channel: Channel, stored: Stored): void {
  const hasClient = work.state.clients.has(stored.state.clientId);
  const isDurable = stored.state.durableName !== "";
  if (!hasClient && !isDurable) return forget(work, channel, stored.state.id);
  const isClosed = stored.state.isClosed || !hasClient;
  const subscription = subscriptionOf(channel, undefined, { ...stored.state, isDurable, isClosed });
  keepPending(work, subscription, stored);
  attachRestored(work.state, channel, subscription);
}

/**
 * What was noted of messages that never reached the disk does not count: their sequences will be given to others, which
 * would never be delivered.
 */
function keepPending(work: Work, subscription: Subscription, stored: Stored): void {
  const { channel } = subscription;
  const beyond: Sequence[] = [];
  for (const sequence of stored.pending) {
    if (sequence <= channel.last) subscription.pending.set(sequence, 0);
    else beyond.push(sequence);
  }
  if (beyond.length > 0) {
    work.repairs.push({ kind: "acked", channel: channel.name, id: subscription.id, sequences: beyond });
  }
  if (subscription.lastSent <= channel.last) return;
  subscription.lastSent = channel.last;
  work.repairs.push({ kind: "update", channel: channel.name, state: recordOf(subscription) });
}

function forget(work: Work, channel: Channel, id: number): void {
  work.repairs.push({ kind: "forget", channel: channel.name, id });
}

/**
 * A group's members need their clients. A durable member without one is a ghost: its messages go to the others, or, when
 * it is all that is left of the group, it keeps the group's place.
 */
function recoverGroup(work: Work, channel: Channel, name: string, records: readonly Stored[]): void {
  const { clients } = work.state;
  const members = records.filter(({ state }) => clients.has(state.clientId));
  const placeholders = records.filter(({ state }) => state.clientId === "" && state.isDurable);
  const ghosts = records.filter(({ state }) =>
    state.clientId !== "" && !clients.has(state.clientId) && state.isDurable
  );
  for (const { state } of ghosts) {
    work.warnings.push(
      `ghost durable queue subscription ${state.id} of group "${name}" on channel "${channel.name}": its client ` +
        `"${state.clientId}" is unknown; removed`,
    );
  }
  if (placeholders.length > 1) {
    work.warnings.push(
      `${placeholders.length} placeholders of durable group "${name}" on channel "${channel.name}"; ` +
        `the one that got furthest is kept`,
    );
  }
  const kept = members.length > 0 ? members : furthest(placeholders) ?? furthest(ghosts) ?? [];
  if (kept.length > 0) rebuildGroup(work, channel, name, kept, members.length === 0, records);
  // Placeholders beside the one kept are stale: what they have pending was settled under another record.
  const settled = new Set(members.length > 0 ? [] : placeholders);
  const left = records.filter((each) => !kept.includes(each));
  if (kept.length > 0) bequeath(work, channel, name, left.filter((each) => !settled.has(each)));
  for (const { state } of left) forget(work, channel, state.id);
}

function furthest(records: readonly Stored[]): readonly Stored[] | undefined {
  const highest = records.reduce<Stored | undefined>(
    (best, each) => best === undefined || each.state.lastSent > best.state.lastSent ? each : best,
    undefined,
  );
  return highest === undefined ? undefined : [highest];
}

function rebuildGroup(
  work: Work,
  channel: Channel,
  name: string,
  kept: readonly Stored[],
  isEmpty: boolean,
  records: readonly Stored[],
): void {
  const lastSent = records.reduce((most, { state }) => Math.max(most, state.lastSent), 0);
  const group = newGroup(name, Math.min(lastSent, channel.last));
  channel.groups.set(name, group);
  for (const stored of kept) {
    const isGhost = isEmpty && stored.state.clientId !== "";
    const state = isEmpty ? { ...stored.state, clientId: "" } : stored.state;
    const subscription = subscriptionOf(channel, group, { ...state, isClosed: false });
    keepPending(work, subscription, stored);
    const behind = stored === kept[0] && kept.every((each) => each.state.lastSent < group.lastSent);
    if (behind) subscription.lastSent = group.lastSent;
    attachRestored(work.state, channel, subscription);
    if (isGhost || behind) {
      work.repairs.push({ kind: "update", channel: channel.name, state: recordOf(subscription) });
    }
  }
}

/** Messages of records that are not kept go to the first one that is. */
function bequeath(work: Work, channel: Channel, name: string, left: readonly Stored[]): void {
  const group = channel.groups.get(name)!;
  const heir = group.placeholder ?? group.members[0]!;
  const isHeld = (sequence: Sequence) =>
    heir.pending.has(sequence) || group.members.some((each) => each.pending.has(sequence));
  const sequences = left.flatMap(({ pending }) => pending)
    .filter((sequence, i, all) => sequence <= channel.last && !isHeld(sequence) && all.indexOf(sequence) === i)
    .sort((a, b) => a - b);
  if (sequences.length === 0) return;
  for (const sequence of sequences) heir.pending.set(sequence, 0);
  work.repairs.push({ kind: "sent", channel: channel.name, id: heir.id, sequences });
}
