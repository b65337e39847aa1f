/**
 * The Raft algorithm as a state machine: inputs in, obligations out.
 * Knows terms, logs, votes, membership; time is a count of ticks and chance an argument.
 * Must not know: clocks, sockets, files, promises, or what entries mean.
 */
export * from "./log_end.ts";
export * from "./membership.ts";
export * from "./messages.ts";
export * from "./options.ts";
export * from "./raft.ts";
export * from "./ready.ts";
export * from "./status.ts";
