/**
 * The clients of the NATS server: a session each, its commands, what it is sent.
 * Knows the client protocol and the rights a client has; the server is asked through `session_host.ts`.
 * Must not know: routes, monitoring pages, or how connections are accepted.
 */
export { clientInfo, type ClusterView, hostPort, initialCluster, ownUrls } from "./client_info.ts";
export { endSubscription } from "./client_output.ts";
export { ClientSession } from "./client_session.ts";
export { ClosedClients } from "./closed_clients.ts";
export type { ConnectRequest } from "./connect_request.ts";
export type { Admission, InfoReader, SessionHost } from "./session_host.ts";
