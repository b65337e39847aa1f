/**
 * The process: takes requests, has them decided and agreed, does what follows.
 * Knows the ports, the protocol and the streaming machine.
 * Must not know which store, journal or NATS is plugged in.
 */
export { clusterLines, limitsTable, subjectLines } from "./banner.ts";
export { detectOther } from "./detecting.ts";
export { FaultTolerance } from "./fault_tolerance.ts";
export { errorPage } from "./page_texts.ts";
export { type LimitsPage, type Monitored, streamingPage } from "./monitoring.ts";
export { Partitions } from "./partitions.ts";
export { StreamingServer } from "./server.ts";
export type { ServerParts, ServerSettings } from "./server_parts.ts";
