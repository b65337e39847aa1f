/** INFO and CONNECT between servers (spec nats-server, sections 3.1 and 3.5). */

/** What a server says of itself, or of another one, on a route. */
export interface PeerInfo {
  readonly serverId: string;
  readonly serverName: string;
  readonly host: string;
  readonly port: number;
  /** Whether it takes headers. */
  readonly headers: boolean;
  readonly authRequired: boolean;
  /** `undefined` when it says none. */
  readonly cluster: string | undefined;
  readonly clusterDynamic: boolean;
  /** Where its clients connect, `host:port`. */
  readonly connectUrls: readonly string[];
  /** Where its routes connect, as a URL; empty unless it was advertised. */
  readonly ip: string;
  readonly lameDuck: boolean;
  /** A connection of newer servers for one account alone, which is of no use here. */
  readonly dedicated: boolean;
  /** Whether it is a server of this kind, which settles duplicate routes by the same rule as this one. */
  readonly sameKind: boolean;
  /** Whether it was said to a client: the address that was dialed is no route port. */
  readonly forClients: boolean;
  /** What of it may be passed on. */
  readonly known: Readonly<Record<string, unknown>>;
}

/** What the dialing server says first. */
export interface PeerConnect {
  readonly user: string;
  readonly password: string;
  readonly name: string;
  readonly cluster: string;
  readonly clusterDynamic: boolean;
  readonly verbose: boolean;
  /** Only clients say it: they are at the wrong port. */
  readonly lang: string;
  readonly gateway: string;
}

/** This server as its routes are told. */
export interface OwnInfo {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  /** `host:port` to be reached at by other servers. */
  readonly advertise: string | undefined;
  readonly headers: boolean;
  readonly maxPayload: number;
  readonly authRequired: boolean;
  readonly tls: boolean;
  readonly cluster: string;
  readonly clusterDynamic: boolean;
  readonly connectUrls: readonly string[];
  readonly lameDuck: boolean;
}

/** What this server says under `go`, where others name their compiler. */
const RUNTIME = "deno";

/** Keys of INFO that are passed on to other servers; those of newer protocols are not. */
const FORWARDED = [
  "server_id",
  "server_name",
  "version",
  "proto",
  "go",
  "host",
  "port",
  "headers",
  "auth_required",
  "tls_required",
  "tls_verify",
  "max_payload",
  "cluster",
  "cluster_dynamic",
  "connect_urls",
  "lnoc",
];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The INFO line of this server. */
export function ownInfoLine(own: OwnInfo): Uint8Array {
  const info = {
    server_id: own.serverId,
    server_name: own.serverName,
    version: own.version,
    proto: 2,
    go: RUNTIME,
    host: own.host,
    port: own.port,
    headers: own.headers,
    ...(own.authRequired ? { auth_required: true } : {}),
    ...(own.tls ? { tls_required: true, tls_verify: true } : {}),
    max_payload: own.maxPayload,
    ...(own.advertise === undefined ? {} : { ip: `nats-route://${own.advertise}/` }),
    cluster: own.cluster,
    ...(own.clusterDynamic ? { cluster_dynamic: true } : {}),
    ...(own.connectUrls.length === 0 ? {} : { connect_urls: own.connectUrls }),
    ...(own.lameDuck ? { ldm: true } : {}),
  };
  return encoder.encode(`INFO ${JSON.stringify(info)} \r\n`);
}

/** The line that tells other servers of a peer, reached at `address` unless it advertises itself. */
export function gossipLine(peer: PeerInfo, address: string): Uint8Array {
  const info = { ...peer.known, ip: peer.ip || `nats-route://${address}/` };
  return encoder.encode(`INFO ${JSON.stringify(info)}\r\n`);
}

/** The CONNECT line of a dialing server. */
export function connectLine(own: OwnInfo, user: string | undefined, password: string | undefined): Uint8Array {
  const connect = {
    echo: true,
    verbose: false,
    pedantic: false,
    ...(user === undefined ? {} : { user, pass: password ?? "" }),
    tls_required: own.tls,
    headers: own.headers,
    name: own.serverId,
    cluster: own.cluster,
    ...(own.clusterDynamic ? { cluster_dynamic: true } : {}),
  };
  return encoder.encode(`CONNECT ${JSON.stringify(connect)}\r\n`);
}

/** Reads INFO's JSON; `undefined` when it is none. */
export function readPeerInfo(json: Uint8Array): PeerInfo | undefined {
  const raw = readObject(json);
  if (raw === undefined) return undefined;
  const urls = raw["connect_urls"];
  return {
    serverId: text(raw["server_id"]),
    serverName: text(raw["server_name"]),
    host: text(raw["host"]),
    port: Number.isInteger(raw["port"]) && Number(raw["port"]) < 65_536 ? Math.max(Number(raw["port"]), 0) : 0,
    headers: raw["headers"] === true,
    authRequired: raw["auth_required"] === true,
    cluster: typeof raw["cluster"] === "string" ? raw["cluster"] : undefined,
    clusterDynamic: raw["cluster_dynamic"] === true,
    connectUrls: Array.isArray(urls) ? urls.filter((url) => typeof url === "string") : [],
    ip: text(raw["ip"]),
    lameDuck: raw["ldm"] === true,
    dedicated: text(raw["route_account"]) !== "",
    sameKind: raw["go"] === RUNTIME,
    forClients: "client_id" in raw,
    known: knownOf(raw),
  };
}

/** Reads CONNECT's JSON; `undefined` when it is none. */
export function readPeerConnect(json: Uint8Array): PeerConnect | undefined {
  const raw = readObject(json);
  if (raw === undefined) return undefined;
  return {
    user: text(raw["user"]),
    password: text(raw["pass"]),
    name: text(raw["name"]),
    cluster: text(raw["cluster"]),
    clusterDynamic: raw["cluster_dynamic"] === true,
    verbose: raw["verbose"] === true,
    lang: text(raw["lang"]),
    gateway: text(raw["gateway"]),
  };
}

/** What is passed on: keys of the protocol as it is spoken here, with values of the kinds that they have. */
function knownOf(raw: Record<string, unknown>): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const key of FORWARDED) {
    const value = Object.hasOwn(raw, key) ? raw[key] : undefined;
    const isList = Array.isArray(value) && value.every((part) => typeof part === "string");
    if (isList || ["string", "number", "boolean"].includes(typeof value)) known[key] = value;
  }
  return known;
}

function readObject(json: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(json));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
