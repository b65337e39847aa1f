/**
 * What the server decides: who is connected, which messages go to whom, and when again.
 * Knows the protocol's words; state goes in and comes out as plain data and effects.
 * Must not know clocks, sockets, files, stores, agreement, or whether it runs alone.
 */
export * from "./effects.ts";
export * from "./machine.ts";
export * from "./state.ts";
