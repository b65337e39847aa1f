/**
 * How replicas agree: the journal of a cluster, over NATS and this node's disk.
 * Knows entries, members, snapshots and who leads; the algorithm is in `core/`, and it is pure.
 * Must not know: what operations mean, clients, stores, or where the bus and the disk come from.
 */
export { openForcing } from "./forcing.ts";
export { openRaftJournal, RaftJournal } from "./journal.ts";
export type { RaftPorts } from "./raft_ports.ts";
export type { RaftJournalStatus } from "./raft_status.ts";
export { checkOptions, DEFAULT_TIMEOUTS, type RaftOptions } from "./options.ts";
