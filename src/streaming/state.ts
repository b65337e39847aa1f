/**
 * Clients, channels and subscriptions as plain data. Maps are in order of insertion, which is part of the replicated state;
 * what only a leader knows is marked so, and is rebuilt when a server begins to lead.
 */
import type { ChannelLimits } from "./limits.ts";
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
}

/** A subscription of any kind. A durable that is offline and the placeholder of an empty durable group are subscriptions too. */
export interface Subscription {
  /** Unique within the channel's life, from 1. */
  readonly id: number;
  readonly channel: Channel;
  /** Empty for the placeholder of an empty durable group. */
  clientId: string;
  readonly durableName: string;
  readonly isDurable: boolean;
  inbox: string;
  /** `inbox` in bytes, ready to publish to. */
  inboxBytes: Uint8Array;
  ackInbox: string;
  maxInFlight: number;
  ackWaitInSecs: number;
  /** The group it belongs to; its `lastSent` is the group's then. */
  readonly group: QueueGroup | undefined;
  lastSent: Sequence;
  /** Delivered and not acked. Value: leader only, when it is due for redelivery (monotonic); 0 when unknown. */
  readonly pending: Map<Sequence, Millis>;
  /** A durable without a client at the moment. */
  offline: boolean;
  /** Leader only: pending has reached maxInFlight. */
  stalled: boolean;
  /** Leader only: nothing may be sent before the client has heard that it is subscribed. */
  initialised: boolean;
  /** Leader only: only redeliveries pass, until what was pending has been sent again. */
  onHold: boolean;
  /** Leader only: its client misses heartbeats. */
  suspect: boolean;
  /** Leader only: times each pending message was redelivered (groups: see the group). */
  readonly redeliveries: Map<Sequence, number>;
}

export interface QueueGroup {
  /** As stored: `<durable>:<group>` for a durable one. */
  readonly name: string;
  lastSent: Sequence;
  /** In the order in which their turn comes. */
  readonly members: Subscription[];
  /** Keeps an empty durable group's place. */
  placeholder: Subscription | undefined;
  /** Leader only. */
  readonly redeliveries: Map<Sequence, number>;
  onHold: boolean;
}

export interface Channel {
  readonly name: string;
  /** Index of the operation that created it: tells it from earlier channels of the same name. */
  readonly incarnation: number;
  readonly limits: ChannelLimits;
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
}

export interface State {
  readonly clients: Map<string, Client>;
  /** By connection id (its bytes as Latin-1 text). The latest registration owns it. */
  readonly clientsByConnId: Map<string, Client>;
  readonly channels: Map<string, Channel>;
  /** Lower-cased name → channel: names must differ in more than case. */
  readonly channelsByFold: Map<string, Channel>;
}
