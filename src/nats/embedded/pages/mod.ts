/**
 * The monitoring pages of the NATS server, as functions of its state.
 * Knows the form of the reference's answers (spec nats-server, section 5); the server is read through `shown_server.ts`.
 * Must not know: HTTP, or how to change anything.
 */
export { ClosedClients } from "./closed_clients.ts";
export { viewOfSession } from "./connection_view.ts";
export { monitoringPage } from "./monitoring.ts";
export type { ShownServer } from "./shown_server.ts";
