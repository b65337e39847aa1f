/**
 * The clients of the NATS server: a session each, its commands, what it is sent.
 * Knows the client protocol and the rights a client has; the server is asked through `session_host.ts`.
 * Must not know: routes, monitoring pages, or how connections are accepted.
 */
export { clientInfo } from "./client_info.ts";
export { endSubscription } from "./client_output.ts";
export { ClientSession } from "./client_session.ts";
export type { InfoReader, SessionHost } from "./session_host.ts";
