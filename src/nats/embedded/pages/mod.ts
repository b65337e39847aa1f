/**
 * The monitoring pages of the NATS server, as functions of its state.
 * Knows the form of the reference's answers (spec nats-server, section 5).
 * Must not know: HTTP, or how to change anything.
 */
export { type ConnectionView, viewOfSession } from "./connection_view.ts";
export { monitoringPage } from "./monitoring.ts";
