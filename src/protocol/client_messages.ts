/** What clients and server exchange, apart from the hot path (spec streaming, section 1.2). */
import { bool, bytes, int32, int64, type Message, message, string, uint32, uint64, uint64Capped } from "./schema.ts";

export const ConnectRequest = message({
  clientId: string(1),
  heartbeatInbox: string(2),
  protocol: int32(3),
  connId: bytes(4),
  /** Seconds; only echoed, as is `pingMaxOut`. */
  pingInterval: int32(5),
  pingMaxOut: int32(6),
});
export type ConnectRequest = Message<typeof ConnectRequest>;

export const ConnectResponse = message({
  pubPrefix: string(1),
  subRequests: string(2),
  unsubRequests: string(3),
  closeRequests: string(4),
  error: string(5),
  subCloseRequests: string(6),
  pingRequests: string(7),
  pingInterval: int32(8),
  pingMaxOut: int32(9),
  protocol: int32(10),
  publicKey: string(100),
});
export type ConnectResponse = Message<typeof ConnectResponse>;

/** Decoded by hand where it is hot: {@link ./publish_request.ts}. */
export const PubMsg = message({
  clientId: string(1),
  guid: string(2),
  subject: string(3),
  reply: string(4),
  data: bytes(5),
  connId: bytes(6),
  sha256: bytes(10),
});
export type PubMsg = Message<typeof PubMsg>;

export const PubAck = message({ guid: string(1), error: string(2) });
export type PubAck = Message<typeof PubAck>;

/** As delivered; the stored form lacks the redelivery fields. */
export const MsgProto = message({
  sequence: uint64(1),
  subject: string(2),
  reply: string(3),
  data: bytes(4),
  timestamp: int64(5),
  redelivered: bool(6),
  redeliveryCount: uint32(7),
});
export type MsgProto = Message<typeof MsgProto>;

export const Ack = message({ subject: string(1), sequence: uint64(2) });
export type Ack = Message<typeof Ack>;

/** The wire's start positions. */
export const StartPosition = { newOnly: 0, lastReceived: 1, timeDelta: 2, sequence: 3, first: 4 } as const;

export const SubscriptionRequest = message({
  clientId: string(1),
  subject: string(2),
  queueGroup: string(3),
  inbox: string(4),
  maxInFlight: int32(5),
  ackWaitInSecs: int32(6),
  durableName: string(7),
  startPosition: int32(10),
  startSequence: uint64Capped(11),
  /** Nanoseconds before the server's present. */
  startTimeDelta: int64(12),
});
export type SubscriptionRequest = Message<typeof SubscriptionRequest>;

export const SubscriptionResponse = message({ ackInbox: string(2), error: string(3) });
export type SubscriptionResponse = Message<typeof SubscriptionResponse>;

export const UnsubscribeRequest = message({
  clientId: string(1),
  subject: string(2),
  inbox: string(3),
  durableName: string(4),
});
export type UnsubscribeRequest = Message<typeof UnsubscribeRequest>;

export const CloseRequest = message({ clientId: string(1) });
export type CloseRequest = Message<typeof CloseRequest>;

export const CloseResponse = message({ error: string(1) });
export type CloseResponse = Message<typeof CloseResponse>;

export const Ping = message({ connId: bytes(1) });
export type Ping = Message<typeof Ping>;

export const PingResponse = message({ error: string(1) });
export type PingResponse = Message<typeof PingResponse>;

/** Between servers, and ignored where clients send it (spec streaming, sections 1.3 and 1.4). */
export const CtrlMsg = message({ type: int32(1), serverId: string(2), data: bytes(3), refId: string(4) });
export type CtrlMsg = Message<typeof CtrlMsg>;

export const CtrlType = { faultToleranceHeartbeat: 3, partitioning: 4 } as const;
