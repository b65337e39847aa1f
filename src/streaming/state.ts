/**
 * Clients, channels and subscriptions as plain data. Maps are in order of insertion, which is part of the replicated state;
 * what only a leader knows is marked so, and is rebuilt when a server begins to lead.
 */
import { type ChannelLimits, DEFAULT_LIMITS, type ResolvedLimits } from "../protocol/limits.ts";
import type { Millis, Nanos, Sequence } from "../protocol/units.ts";

export interface Client {
  readonly id: string;
  readonly heartbeatInbox: string;
  readonly connId: Uint8Array;
  readonly protocol: number;
  readonly pingInterval: number;
  readonly pingMaxOut: number;
  readonly subscriptions: Set<Subscription>;
  /** Leader only: heartbeats missed in a row. */
  missedHeartbeats: number;
  /** Leader only: a heartbeat was asked for and nothing is known of it yet. */
  awaitingHeartbeat: boolean;
  /** Leader only: it pinged meanwhile, so ask again at once if it missed this one. */
  pinged: boolean;
}

/** A subscription of any kind. A durable that is offline and the placeholder of an empty durable group are subscriptions too. */
export interface Subscription {
  /** Unique within the channel's life, from 1. */
  readonly id: number;
  readonly channel: Channel;
  /** Empty for the placeholder of an empty durable group. */
  clientId: string;
  /** Of a placeholder: the member that left last, for the monitoring pages; empty when that was before a restart. */
  formerClientId: string;
  readonly durableName: string;
  /** Whether it outlives its client; a member's own choice in a group. */
  isDurable: boolean;
  inbox: string;
  /** `inbox` in bytes, ready to publish to. */
  inboxBytes: Uint8Array;
  ackInbox: string;
  maxInFlight: number;
  ackWaitInSecs: number;
  /** The group it belongs to; where delivery goes on is the group's `lastSent` then. */
  readonly group: QueueGroup | undefined;
  /** The highest sequence that this very subscription was sent; before the first one, where it begins less one. */
  lastSent: Sequence;
  /** Delivered and not acked. Value: leader only, when it is due for redelivery (monotonic); 0 when unknown. */
  readonly pending: Map<Sequence, Millis>;
  /** A durable without a client at the moment. */
  offline: boolean;
  /** Leader only: it kept a place before its present client came. */
  resumed: boolean;
  /** Pending has reached maxInFlight; as far as known. */
  stalled: boolean;
  /** Leader only: nothing may be sent before the client has heard that it is subscribed. */
  initialised: boolean;
  /** Leader only: only redeliveries pass, until what was pending has been sent again. */
  onHold: boolean;
  /** Leader only: its client misses heartbeats. */
  suspect: boolean;
  /** Leader only: times each pending message was redelivered (groups: see the group). */
  readonly redeliveries: Map<Sequence, number>;
  /** Leader only: pending, but known not to have gone out: next time they count as delivered for the first time. */
  readonly unsent: Set<Sequence>;
  /** Leader only: messages up to this one may have been delivered by an earlier leader; they go out flagged. */
  uncertainUpTo: Sequence;
  /** Leader only: when its wake-up is set (monotonic); `Infinity` when none is. */
  wakeAt: Millis;
  /** Leader only: the latest deadline in `pending`, and by how much entries behind it may be earlier. */
  latestDeadline: Millis;
  disorder: Millis;
  /** Leader only: when unsent messages may be tried again (monotonic), and the wait after the next failure. */
  retryAt: Millis;
  retryAfter: Millis;
}

export interface QueueGroup {
  /** As stored: `<durable>:<group>` for a durable one. */
  readonly name: string;
  lastSent: Sequence;
  /** In the order in which their turn comes. */
  readonly members: Subscription[];
  /** Keeps an empty durable group's place. */
  placeholder: Subscription | undefined;
  /** Ids of members that left: what is reported of them late belongs to the group. The newest few, oldest first. */
  readonly formerIds: number[];
  /** Leader only. */
  readonly redeliveries: Map<Sequence, number>;
  /** Leader only: a member is on hold, so nothing new goes to any. */
  onHold: boolean;
}

export interface Channel {
  readonly name: string;
  /** Index of the operation that created it, 0 when a store brought it: tells it from earlier channels of the same name. */
  readonly incarnation: number;
  limits: ChannelLimits;
  /** Messages below this one have expired by agreement; 0 when none has. */
  expiredBefore: Sequence;
  /** The newest sequence ever applied. */
  last: Sequence;
  lastTimestamp: Nanos;
  /** Plain subscriptions and online durables by ack inbox, members included. */
  readonly byAckInbox: Map<string, Subscription>;
  /** Every record, offline ones and placeholders included, by id: what max_subs counts. */
  readonly subscriptions: Map<number, Subscription>;
  /** By `clientID-channel-durableName`. */
  readonly durables: Map<string, Subscription>;
  readonly groups: Map<string, QueueGroup>;
  /** The highest id ever given. */
  lastSubscriptionId: number;
  /** Leader only: last publish, or creation (monotonic). */
  lastActivity: Millis;
  /** Leader only: its deletion is under way. */
  deleting: boolean;
  /** Leader only: the store's first sequence as last heard. */
  first: Sequence;
  /** Leader only: "more" was asked for and has not come yet. */
  moreAsked: boolean;
}

export interface State {
  readonly clients: Map<string, Client>;
  /** By connection id (its bytes as Latin-1 text). The latest registration owns it. */
  readonly clientsByConnId: Map<string, Client>;
  readonly channels: Map<string, Channel>;
  /** Lower-cased name → channel: names must differ in more than case. */
  readonly channelsByFold: Map<string, Channel>;
  /** What `set limits` agreed upon last. */
  limits: ResolvedLimits;
  /** Hash over everything applied so far, see `digest.ts`; 0 when unknown. */
  digest: number;
}

/** The state of a server that has just been made. */
export function emptyState(limits: ResolvedLimits = DEFAULT_LIMITS): State {
  return {
    clients: new Map(),
    clientsByConnId: new Map(),
    channels: new Map(),
    channelsByFold: new Map(),
    limits,
    digest: 1,
  };
}
