/**
 * The NATS server inside the process: clients, subjects, security, buses for the server itself.
 * Knows the wire format, the network, the clock and chance through their ports.
 * Must not know what the messages mean.
 */
export type {
  AccountOptions,
  AuthorizationOptions,
  ClientTlsOptions,
  ClusterOptions,
  EmbeddedNatsOptions,
  NkeyUserOptions,
  PermissionRules,
  ResponseRules,
  RouteTlsOptions,
  SubjectRules,
  TlsRules,
  UserOptions,
} from "./options.ts";
export { NatsServer, type NatsServerPorts } from "./nats_server.ts";
export { startNatsServer } from "./start.ts";
export { RoutePortFailed } from "./routes/mod.ts";
export { unusedNatsServer } from "./unused_server.ts";
