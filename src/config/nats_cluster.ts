/** Reads the `cluster` block of the NATS server (spec cli-config-monitoring, section 2.5). */
import { parseNatsUrl } from "./addresses.ts";
import { ConfigError } from "./errors.ts";
import { readListen } from "./nats_listen.ts";
import type { NatsOptions } from "./nats_options.ts";
import { readPermissions } from "./nats_permissions.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { readTls } from "./nats_tls.ts";
import { canonicalKey } from "./option_rows.ts";
import type { ConfigIo } from "./parser.ts";
import { ConfigMap, type Entry, natsKind, type Node } from "./tree.ts";
import { quoted } from "./values.ts";

/** Puts the block into the options. */
export function readCluster(entry: Entry, nats: NatsOptions, problems: NatsProblems, io: ConfigIo): void {
  if (!(entry.value instanceof ConfigMap)) {
    return problems.error(entry, `Expected map to define cluster, got ${natsKind(entry.value)}`);
  }
  for (const part of entry.value.entries.values()) readPart(part, nats, problems, io);
}

function readPart(part: Entry, nats: NatsOptions, problems: NatsProblems, io: ConfigIo): void {
  const { cluster } = nats;
  switch (canonicalKey("nats.cluster", part.key)) {
    case "name":
      cluster.name = problems.string(part) ?? cluster.name;
      break;
    case "listen": {
      const address = readListen(part, problems);
      if (address === undefined) break;
      cluster.host = address.host;
      cluster.port = address.port;
      break;
    }
    case "host":
      cluster.host = problems.string(part) ?? cluster.host;
      break;
    case "port":
      cluster.port = problems.integer(part) ?? cluster.port;
      break;
    case "routes":
      nats.routes = readRoutes(part, problems) ?? nats.routes;
      break;
    case "authorization":
      readAuthorization(part, nats, problems);
      break;
    case "permissions":
      cluster.permissions = readPermissions(part, problems, false) ?? cluster.permissions;
      break;
    case "tls":
      cluster.tls = readTls(part, true, problems, io) ?? cluster.tls;
      break;
    case "cluster_advertise":
      cluster.advertise = problems.string(part) ?? cluster.advertise;
      break;
    case "no_advertise":
      cluster.noAdvertise = problems.boolean(part) ?? cluster.noAdvertise;
      break;
    case "connect_retries":
      cluster.connectRetries = problems.integer(part) ?? cluster.connectRetries;
      break;
    default:
      problems.unknownField(part);
  }
}

function readAuthorization(entry: Entry, nats: NatsOptions, problems: NatsProblems): void {
  if (!(entry.value instanceof ConfigMap)) return problems.wrongType(entry, "map[string]interface {}");
  const { cluster } = nats;
  for (const part of entry.value.entries.values()) {
    switch (canonicalKey("nats.cluster.authorization", part.key)) {
      case "user":
        cluster.user = problems.string(part) ?? cluster.user;
        break;
      case "password":
        cluster.password = problems.string(part) ?? cluster.password;
        break;
      case "timeout":
        cluster.authTimeout = readSeconds(part) ?? cluster.authTimeout;
        break;
      default:
        readOtherAuthorization(entry, part, nats, problems);
    }
  }
}

function readOtherAuthorization(entry: Entry, part: Entry, nats: NatsOptions, problems: NatsProblems): void {
  const key = part.key.toLowerCase();
  if (key === "users") problems.error(entry, "Cluster authorization does not allow multiple users");
  else if (key === "token") problems.error(entry, "Cluster authorization does not support tokens");
  else if (["default_permission", "default_permissions", "permissions"].includes(key)) {
    const permissions = readPermissions(part, problems);
    if (permissions === undefined) return;
    nats.cluster.permissions = permissions;
    const old = 'setting "permissions" within cluster authorization block is deprecated';
    problems.warn(entry, `invalid use of field "authorization": ${old}`);
  } else problems.unknownField(part);
}

/** Seconds from an integer or float; other types are passed over, as in the reference. */
export function readSeconds(entry: Node): number | undefined {
  return typeof entry.value === "bigint" || typeof entry.value === "number" ? Number(entry.value) : undefined;
}

/** Route URLs; a repeated one is a warning and left out. */
function readRoutes(entry: Entry, problems: NatsProblems): string[] | undefined {
  if (!Array.isArray(entry.value)) return problems.wrongType(entry, "[]interface {}");
  const routes: string[] = [];
  for (const node of entry.value) {
    const route = problems.string(node)?.trim();
    if (route === undefined) continue;
    const fault = routeFault(route);
    if (fault !== undefined) problems.error(node, fault);
    else if (routes.includes(route)) {
      problems.warn(node, `invalid use of field "${route}": Duplicate route entry detected`);
    } else routes.push(route);
  }
  return routes;
}

/** What is wrong with a route URL. */
export function routeFault(route: string): string | undefined {
  try {
    parseNatsUrl(route);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return `error parsing route url [${quoted(route)}]`;
  }
}
