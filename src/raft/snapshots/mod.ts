/**
 * Snapshots: where they are kept, and how they and their messages come from other nodes.
 * Knows the directory of snapshots and the requests for bulk data.
 * Must not know: when one is taken or installed, elections, or what a snapshot's state means.
 */
export { Abandoned, Backfill, type IsDeleted } from "./backfill.ts";
export { BulkService } from "./bulk_service.ts";
export { ChannelLives } from "./channel_lives.ts";
export { chooseSnapshot } from "./choosing.ts";
export { type Snapshot, Snapshots } from "./snapshots.ts";
