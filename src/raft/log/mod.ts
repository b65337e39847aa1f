/**
 * What a node remembers over a restart: its log, its term and vote, in files.
 * Knows the bytes of a segment, what a torn end and what damage is, and when to sync.
 * Must not know: who leads, other nodes, or what entries mean.
 */
export { HardStateFile } from "./hard_state.ts";
export { Reserve, RESERVE_BYTES } from "./reserve.ts";
export { Storing } from "./storing.ts";
export { SEGMENT_BYTES, Wal, type WalEntry } from "./wal.ts";
