/**
 * Snapshots: when one is taken, where they are kept, and how their messages come from other nodes.
 * Knows the directory of snapshots and the requests for bulk data.
 * Must not know: elections, or what a snapshot's state means.
 */
export { Backfill } from "./backfill.ts";
export { BulkService } from "./bulk_service.ts";
export { chooseSnapshot } from "./choosing.ts";
export { type Snapshot, Snapshots } from "./snapshots.ts";
export { Snapshotting } from "./snapshotting.ts";
