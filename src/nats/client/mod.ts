/**
 * The message bus to an external NATS server: a library keeps the connection, the server's messages pass as bytes.
 * Knows the NATS client protocol, `@nats-io/nats-core`, and the ports.
 * Must not know what the messages mean, nor the embedded server.
 */
export { type ClientBusPorts, connectBus } from "./client_bus.ts";
export { NatsFailed, type NatsFailureCode } from "./errors.ts";
export { type ClientBusOptions, redactedUrl, serverUrls } from "./options.ts";
export type { ClientTls } from "./tls_options.ts";
