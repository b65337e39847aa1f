/** Checks options as a whole before anything is opened or written: what would make the start fail is known first. */
import { parseNatsUrl, splitHostPort } from "./addresses.ts";
import { hasWildcard, isValidChannelPattern } from "./channel_names.ts";
import type { ConfigError } from "./errors.ts";
import type { NatsOptions } from "./nats_options.ts";
import { getField, type OptionField, type OptionRow } from "./option_row.ts";
import type { Options, StreamingOptions } from "./options.ts";
import { clusterRows } from "./rows_cluster.ts";
import { fileStoreRows, limitRows } from "./rows_stores.ts";
import { millisText } from "./values.ts";

/** Why the server must not start. */
export interface StartRefusal {
  /** The fatal log line without level, e.g. `STREAM: Failed to start: unsupported store type: XYZ`. */
  readonly line: string;
  /** What would help, where the line alone does not say it: to be logged before. */
  readonly hint?: string;
}

/**
 * What is wrong before there is a logger: to be printed on stdout, exit code 1 (spec cli-config-monitoring, section 3.1).
 */
export function checkBeforeLogging({ streaming }: Options): string | undefined {
  if (!streaming.cluster.clustered) return undefined;
  if (streaming.store === "MEMORY") return "stan: clustering mode not supported with MEMORY store type";
  if (streaming.partitioning) return "stan: channels partitioning in clustering mode is not supported";
  if (streaming.ftGroup !== "") return "stan: fault tolerance in clustering mode is not supported";
  return undefined;
}

/** The first reason against starting; `undefined` when the options are fine as far as can be known without doing anything. */
export function checkStart(options: Options): StartRefusal | undefined {
  return checkValues(options) ?? checkCredentials(options);
}

/** The same without regard to how our own connections log in. */
export function checkValues({ streaming, nats }: Options): StartRefusal | undefined {
  const reason = checkEncryption(streaming) ?? checkStore(streaming) ?? checkNatsUrl(streaming) ??
    checkClusterId(streaming) ??
    checkCluster(streaming);
  if (reason !== undefined) return { line: `STREAM: Failed to start: ${reason}` };
  return checkNats(streaming, nats) ?? checkModes(streaming);
}

function checkEncryption({ encrypt, encryptionKey, encryptionCipher }: StreamingOptions): string | undefined {
  if (!encrypt) return undefined;
  if (encryptionKey === null || encryptionKey === "") return "encryption key required";
  return ["", "AES", "CHACHA"].includes(encryptionCipher.toUpperCase()) ? undefined : "encryption cipher not supported";
}

function checkStore(streaming: StreamingOptions): string | undefined {
  if (!["MEMORY", "FILE", "SQL"].includes(streaming.store)) return `unsupported store type: ${streaming.store}`;
  if (streaming.store === "FILE" && streaming.dir === "") return "for FILE stores, root directory must be specified";
  if (streaming.store === "SQL" && !["mysql", "postgres"].includes(streaming.sql.driver)) {
    return `sql: unknown driver "${streaming.sql.driver}" (forgotten import?)`;
  }
  const limits = checkRows(limitRows, streaming) ?? checkChannels(streaming);
  if (limits !== undefined) return limits;
  return streaming.store === "FILE" ? checkRows(fileStoreRows, streaming) : undefined;
}

function checkRows(rows: readonly OptionRow[], streaming: StreamingOptions): string | undefined {
  const options = { streaming } as Options;
  for (const { check, field } of rows) {
    const fault = check === undefined || field === undefined
      ? undefined
      : check(getField(options, field as OptionField) as never);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** `<n>` of the error is the first count above the limit. */
function checkChannels({ limits }: StreamingOptions): string | undefined {
  const wrong = limits.channels.find(({ name }) => !isValidChannelPattern(name));
  if (wrong !== undefined) return `invalid channel name "${wrong.name}"`;
  const literal = limits.channels.filter(({ name }) => !hasWildcard(name)).length;
  if (limits.maxChannels === 0 || literal <= limits.maxChannels) return undefined;
  return `too many channels defined (${
    limits.maxChannels + 1
  }). The max channels limit is set to ${limits.maxChannels}`;
}

/** One URL without credentials must be `scheme://host:port`; lists are taken as they are. */
function checkNatsUrl({ natsServer }: StreamingOptions): string | undefined {
  if (natsServer === "" || /[@,]/.test(natsServer)) return undefined;
  try {
    const { address } = parseNatsUrl(natsServer);
    if (!natsServer.includes("://")) return `malformed url: ${natsServer}`;
    splitHostPort(address);
    return undefined;
  } catch (cause) {
    return (cause as ConfigError).message;
  }
}

/** The id is part of subjects. */
function checkClusterId({ clusterId }: StreamingOptions): string | undefined {
  const usable = /^[^\s]+$/.test(clusterId) &&
    !clusterId.split(".").some((token) => token === "" || token === "*" || token === ">");
  return usable ? undefined : "could not subscribe to discover subject: nats: invalid subject";
}

function checkCluster({ cluster }: StreamingOptions): string | undefined {
  if (!cluster.clustered) return undefined;
  return checkNodeId(cluster) ?? checkPeers(cluster) ?? checkClusterRows(cluster) ?? checkTimeouts(cluster);
}

type Cluster = StreamingOptions["cluster"];

function checkNodeId({ nodeId, peers }: Cluster): string | undefined {
  // A comma is warned of by whoever takes the list: the others may be right.
  for (const id of [nodeId, ...(peers ?? []).filter((peer) => !peer.includes(","))]) {
    if (id !== "" && !/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(id)) {
      return `cluster node ID "${id}" is not valid; use letters, digits, "_", "-" and single dots`;
    }
  }
  return undefined;
}

function checkPeers({ peers }: Cluster): string | undefined {
  const list = peers ?? [];
  if (list.includes("")) return `empty ID in configuration: [${list.join(" ")}]`;
  const twice = list.find((peer, index) => list.indexOf(peer) !== index);
  return twice === undefined ? undefined : `found duplicate ID in configuration: ${twice}`;
}

function checkClusterRows(cluster: Cluster): string | undefined {
  return checkRows(clusterRows, { cluster } as StreamingOptions);
}

/** Values that the reference assumes where only some of the timeouts are set, milliseconds. */
const REFERENCE_TIMEOUTS = { heartbeat: 2_000, election: 2_000, lease: 1_000 } as const;

function checkTimeouts(cluster: Cluster): string | undefined {
  const heartbeat = cluster.raftHeartbeatTimeout || REFERENCE_TIMEOUTS.heartbeat;
  const election = cluster.raftElectionTimeout || REFERENCE_TIMEOUTS.election;
  const lease = cluster.raftLeaseTimeout || REFERENCE_TIMEOUTS.lease;
  if (election < heartbeat) {
    return `ElectionTimeout (${millisText(election)}) must be equal or greater than Heartbeat Timeout (${
      millisText(heartbeat)
    })`;
  }
  if (lease > heartbeat) {
    return `LeaderLeaseTimeout (${millisText(lease)}) cannot be larger than heartbeat timeout (${
      millisText(heartbeat)
    })`;
  }
  return undefined;
}

/** The embedded server's own checks. */
function checkNats(streaming: StreamingOptions, nats: NatsOptions): StartRefusal | undefined {
  const hint = natsHint(nats);
  if (hint !== undefined) return { line: "STREAM: Failed to start: no NATS Server object returned", hint };
  if (nats.jetstream) return { line: "STREAM: Failed to start: JetStream is not supported; remove -js and jetstream" };
  if (nats.httpPort !== 0 && nats.httpsPort !== 0) {
    return {
      line: `Can't start monitoring: can't specify both HTTP (${nats.httpPort}) and HTTPs (${nats.httpsPort}) ports`,
    };
  }
  if (nats.httpsPort !== 0 && (nats.tls === undefined || nats.tls.certFile === "")) {
    return { line: "Can't start monitoring: TLS cert and key required for HTTPS" };
  }
  if (streaming.natsServer === "" && nats.routes !== null && nats.routes.length > 0 && nats.cluster.port === 0) {
    return { line: "STREAM: Failed to start: solicited routes require cluster capabilities, e.g. --cluster" };
  }
  return undefined;
}

function natsHint(nats: NatsOptions): string | undefined {
  if (nats.maxPayload > nats.maxPending) {
    return `max_payload (${nats.maxPayload}) cannot be higher than max_pending (${nats.maxPending})`;
  }
  if (nats.lameDuckGracePeriod >= nats.lameDuckDuration) {
    return `lame_duck_grace_period (${millisText(nats.lameDuckGracePeriod)}) must be below lame_duck_duration ` +
      `(${millisText(nats.lameDuckDuration)})`;
  }
  if (nats.noAuthUser === "") return undefined;
  const known = nats.users.some(({ user }) => user === nats.noAuthUser);
  return known ? undefined : `no_auth_user: "${nats.noAuthUser}" is not one of the users`;
}

function checkModes({ ftGroup, store, partitioning, limits }: StreamingOptions): StartRefusal | undefined {
  if (ftGroup !== "" && store === "MEMORY") {
    return { line: "STREAM: Failed to start: ft: only FILE or SQL stores supported in FT mode" };
  }
  if (partitioning && limits.channels.length === 0) {
    return { line: "STREAM: Failed to start: stan: no configured channel" };
  }
  return undefined;
}

const BCRYPT = /^\$2[abxy]\$\d\d\$/;

/**
 * Our own connections to the embedded server log in like any client's (spec cli-config-monitoring, section 7). What
 * cannot work is refused; hashes of users and keys in files are left to the login itself.
 */
function checkCredentials({ streaming, nats }: Options): StartRefusal | undefined {
  if (streaming.natsServer !== "" || streaming.credentials !== "" || streaming.nkeySeedFile !== "") return undefined;
  const refusal = (hint: string): StartRefusal => ({
    line: "STREAM: Failed to start: nats: Authorization Violation",
    hint,
  });
  if (nats.users.length + nats.nkeys.length === 0) {
    if (!BCRYPT.test(nats.password) && !BCRYPT.test(nats.token)) return undefined;
    return refusal(
      "the only user's password is a hash, with which our own connections cannot log in: use a users array",
    );
  }
  const name = nats.user || streaming.username;
  const password = nats.user === "" ? streaming.password : nats.password;
  if (name === "" && nats.noAuthUser !== "") return undefined;
  const user = nats.users.find((candidate) => candidate.user === name);
  if (user === undefined) return refusal("streaming.username must name one of the configured users");
  if (BCRYPT.test(user.password) || user.password === password) return undefined;
  return refusal(`streaming.password is not that of the user "${name}"`);
}
