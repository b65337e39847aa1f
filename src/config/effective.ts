/** Fills in what is decided at start: values of the NATS block that were not set, Raft timeouts, the environment's encryption key. */
import type { NatsOptions } from "./nats_options.ts";
import type { Options } from "./options.ts";

/** Name of the environment variable that holds the encryption key (spec cli-config-monitoring, section 1.2). */
export const ENCRYPTION_KEY_VARIABLE = "NATS_STREAMING_ENCRYPTION_KEY";

const SECOND = 1_000;
/** Values of the NATS block that stand for "not set" and what they become (spec cli-config-monitoring, section 2.5). */
export const NATS_FILLED_IN = {
  host: "0.0.0.0",
  port: 4222,
  maxConnections: 65536,
  maxControlLine: 4096,
  maxPayload: 1024 * 1024,
  maxPending: 64 * 1024 * 1024,
  pingInterval: 120 * SECOND,
  pingMax: 2,
  writeDeadline: 10 * SECOND,
  lameDuckDuration: 120 * SECOND,
  lameDuckGracePeriod: 10 * SECOND,
  connectErrorReports: 3600,
  reconnectErrorReports: 1,
  systemAccount: "$SYS",
} as const satisfies Partial<NatsOptions>;

/** Seconds. */
const DEFAULT_TLS_TIMEOUT = 2;
const DEFAULT_AUTH_TIMEOUT = 2;

/** A copy of `options` with every value that a part can use as it stands. `env` answers a variable of the environment. */
export function effectiveOptions(options: Options, env: (name: string) => string | undefined): Options {
  const effective = structuredClone(options);
  fillNats(effective.nats);
  fillStreaming(effective, env);
  return effective;
}

function fillNats(nats: NatsOptions): void {
  for (const [name, value] of Object.entries(NATS_FILLED_IN)) {
    const field = name as keyof typeof NATS_FILLED_IN;
    if (nats[field] === 0 || nats[field] === "") Object.assign(nats, { [name]: value });
  }
  if (nats.noSystemAccount) nats.systemAccount = "";
  if (nats.tls !== undefined && nats.tls.timeout === 0) nats.tls.timeout = DEFAULT_TLS_TIMEOUT;
  if (nats.authTimeout === 0) {
    nats.authTimeout = nats.tls === undefined ? DEFAULT_AUTH_TIMEOUT : nats.tls.timeout + 1;
  }
  const cluster = nats.cluster;
  if (cluster.port !== 0 && cluster.host === "") cluster.host = NATS_FILLED_IN.host;
  if (cluster.tls !== undefined && cluster.tls.timeout === 0) cluster.tls.timeout = DEFAULT_TLS_TIMEOUT;
  if (cluster.authTimeout === 0) {
    cluster.authTimeout = cluster.tls === undefined ? DEFAULT_AUTH_TIMEOUT : cluster.tls.timeout + 1;
  }
  if (nats.httpBasePath === "") nats.httpBasePath = "/";
  if (nats.httpHost === "") nats.httpHost = nats.host;
}

function fillStreaming(options: Options, env: (name: string) => string | undefined): void {
  const { streaming } = options;
  const { cluster } = streaming;
  const key = streaming.encrypt ? env(ENCRYPTION_KEY_VARIABLE) : undefined;
  if (key !== undefined && key !== "") streaming.encryptionKey = key;
  if (cluster.peers !== null) cluster.peers = cluster.peers.filter((peer) => peer !== cluster.nodeId);
}
