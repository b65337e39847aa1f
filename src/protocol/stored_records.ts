/** What stores keep besides messages. Encodings: {@link ./schema.ts}; field numbers: spec streaming, section 1.3. */
import { bool, bytes, int32, type Message, message, string, uint64 } from "./schema.ts";

/** The server's identity and subjects, written on first start. */
export const ServerInfo = message({
  clusterId: string(1),
  discovery: string(2),
  publish: string(3),
  subscribe: string(4),
  unsubscribe: string(5),
  close: string(6),
  subClose: string(7),
  acksSubs: string(8),
  nodeId: string(9),
  /** The cluster's identity, 32 hexadecimal digits; empty alone. The reference knows no such field and passes over it. */
  clusterIdentity: string(100),
});
export type ServerInfo = Message<typeof ServerInfo>;

/** A registered client. `pingInterval` in seconds. */
export const ClientInfo = message({
  id: string(1),
  heartbeatInbox: string(2),
  connId: bytes(3),
  protocol: int32(4),
  pingInterval: int32(5),
  pingMaxOut: int32(6),
});
export type ClientInfo = Message<typeof ClientInfo>;

export const ClientDelete = message({ id: string(1) });
export type ClientDelete = Message<typeof ClientDelete>;

/** A subscription. Durable queue members have `queueGroup` `<durable>:<group>` and no `durableName`. */
export const SubscriptionState = message({
  id: uint64(1),
  clientId: string(2),
  queueGroup: string(3),
  inbox: string(4),
  ackInbox: string(5),
  maxInFlight: int32(6),
  ackWaitInSecs: int32(7),
  durableName: string(8),
  lastSent: uint64(9),
  isDurable: bool(10),
  isClosed: bool(11),
});
export type SubscriptionState = Message<typeof SubscriptionState>;

export const SubscriptionDelete = message({ id: uint64(1) });
export type SubscriptionDelete = Message<typeof SubscriptionDelete>;

/** One message sent to or acknowledged by a subscription. */
export const SubscriptionUpdate = message({ id: uint64(1), sequence: uint64(2) });
export type SubscriptionUpdate = Message<typeof SubscriptionUpdate>;
