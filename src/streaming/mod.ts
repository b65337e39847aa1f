/**
 * What the server decides: who is connected, which messages go to whom, and when again.
 * Knows the protocol's words; state goes in and comes out as plain data and effects.
 * Must not know clocks, sockets, files, stores, agreement, or whether it runs alone.
 */
export * from "./admission.ts";
export { publishTime } from "./channel.ts";
export { connIdKey } from "./clients.ts";
export { DIGEST_SCHEME } from "./digest.ts";
export * from "./effects.ts";
export * from "../protocol/limits.ts";
export * from "./machine.ts";
export { type KnownPublishes } from "./recent_publishes.ts";
export * from "./recovery.ts";
export { type ChannelSnapshot, decodeSnapshot, SnapshotWriting, type StateSnapshot } from "./snapshot.ts";
export * from "./start_position.ts";
export * from "./state.ts";
export { ackWait, recordOf } from "./subscription.ts";
