/** Rows of the keys inside the blocks of the NATS server: authorization, accounts, tls, cluster (spec cli-config-monitoring, section 2.5). */
import type { OptionRow } from "./option_row.ts";

const AUTHORIZATION = { group: "nats.authorization", kind: "special" } as const;
const USERS = { group: "nats.authorization.users", kind: "special", defaultText: "none" } as const;
const PERMISSIONS = { group: "nats.permissions", kind: "special" } as const;
const ACCOUNTS = { group: "nats.accounts", kind: "special", defaultText: "none" } as const;
const TLS = { group: "nats.tls", kind: "special" } as const;
const CLUSTER = { group: "nats.cluster" } as const;
const CLUSTER_AUTHORIZATION = { group: "nats.cluster.authorization", kind: "special" } as const;

const authorizationRows: readonly OptionRow[] = [
  {
    ...AUTHORIZATION,
    field: "nats.authTimeout",
    keys: ["timeout"],
    help: "Seconds for a client to identify itself",
    defaultText: "2, with TLS its timeout and 1",
  },
  { ...AUTHORIZATION, field: "nats.users", keys: ["users"], help: "Array of users, below", defaultText: "none" },
  {
    ...AUTHORIZATION,
    keys: ["default_permissions", "default_permission", "permissions"],
    help: "Permissions of users that have none of their own",
    defaultText: "everything",
  },
  { ...USERS, keys: ["user", "username"], help: "Name" },
  { ...USERS, keys: ["password", "pass"], help: "Password, plain or a bcrypt hash" },
  { ...USERS, keys: ["nkey"], help: "Public user key instead of name and password" },
  {
    ...USERS,
    keys: ["permissions", "permission", "authorization"],
    help: "What the user may do, below",
    defaultText: "default_permissions",
  },
  {
    ...USERS,
    keys: ["allowed_connection_types", "connection_types", "clients"],
    help: "Array of STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS",
    defaultText: "all",
  },
  {
    ...PERMISSIONS,
    keys: ["publish", "pub", "import"],
    help: "Subject, array of subjects, or map with `allow` and `deny`",
    defaultText: "everything",
  },
  {
    ...PERMISSIONS,
    keys: ["subscribe", "sub", "export"],
    help: "The same for subscriptions; `subject queue` names queue groups",
    defaultText: "everything",
  },
  {
    ...PERMISSIONS,
    keys: ["allow_responses", "publish_allow_responses"],
    help: "True, or map with `max` (1) and `expires` (2m): may answer what was received",
    more: "Without a publish list nothing else may be published.",
    defaultText: "false",
  },
];

const accountRows: readonly OptionRow[] = [
  { ...ACCOUNTS, keys: ["nkey"], help: "Public key of the account" },
  { ...ACCOUNTS, keys: ["users"], help: "Array of users, as above" },
  { ...ACCOUNTS, keys: ["default_permissions"], help: "Permissions of users that have none of their own" },
  { ...ACCOUNTS, keys: ["exports"], help: "Array of streams and services that others may import; nobody can here" },
  { ...ACCOUNTS, keys: ["imports"], help: "Refused: accounts share nothing here" },
  { ...ACCOUNTS, keys: ["mappings", "maps"], help: "Refused: subjects are not mapped here" },
  {
    ...ACCOUNTS,
    keys: ["limits"],
    help: "Map: max_connections, max_subscriptions, max_payload, max_leafnodes",
    defaultText: "unlimited",
  },
  { ...ACCOUNTS, keys: ["jetstream"], help: "Refused unless switched off: there is no JetStream here" },
];

const tlsRows: readonly OptionRow[] = [
  { ...TLS, keys: ["cert_file"], help: "Certificate", defaultText: "none" },
  { ...TLS, keys: ["key_file"], help: "Its private key", defaultText: "none" },
  { ...TLS, keys: ["ca_file"], help: "Authorities for the other side's certificate", defaultText: "the system's" },
  { ...TLS, keys: ["verify"], help: "Ask for a client certificate", defaultText: "false" },
  { ...TLS, keys: ["verify_and_map"], help: "The same, and take the user from it", defaultText: "false" },
  {
    ...TLS,
    keys: ["verify_cert_and_check_known_urls"],
    help: "Routes only: the certificate must name a known URL",
    defaultText: "false",
  },
  { ...TLS, keys: ["insecure"], help: "Do not verify the server that is dialled", defaultText: "false" },
  {
    ...TLS,
    keys: ["cipher_suites"],
    help: "Array of names, see `-help_tls`: those that TLS 1.2 may use",
    defaultText: "all",
  },
  {
    ...TLS,
    keys: ["curve_preferences"],
    help: "Array of names, see `-help_tls`; without effect, which is logged",
    defaultText: "all",
  },
  { ...TLS, keys: ["timeout"], help: "Seconds, or a duration, for the handshake", defaultText: "2" },
  { ...TLS, keys: ["connection_rate_limit"], help: "Handshakes a second", defaultText: "0, unlimited" },
  {
    ...TLS,
    keys: ["pinned_certs"],
    help: "Array of SHA-256 of the public keys that are accepted",
    defaultText: "none",
  },
  {
    ...TLS,
    keys: ["handshake_first", "first", "immediate"],
    help: "TLS before INFO: true, false, `auto` (50ms) or how long to wait for the client's first byte",
    defaultText: "false",
  },
];

const clusterRows: readonly OptionRow[] = [
  {
    ...CLUSTER,
    field: "nats.cluster.name",
    kind: "string",
    flags: ["cluster_name"],
    keys: ["name"],
    help: "Name of the NATS cluster",
    defaultText: "generated",
  },
  { ...CLUSTER, kind: "special", keys: ["listen"], help: "Route address: `host:port` or a port", defaultText: "off" },
  {
    ...CLUSTER,
    field: "nats.cluster.host",
    kind: "string",
    keys: ["host", "net"],
    help: "Address for routes",
    defaultText: "0.0.0.0",
  },
  {
    ...CLUSTER,
    field: "nats.cluster.port",
    kind: "int",
    keys: ["port"],
    help: "Port for routes; -1 picks a free one",
    defaultText: "off",
  },
  {
    ...CLUSTER,
    field: "nats.routes",
    kind: "special",
    keys: ["routes"],
    help: "Array of URLs of other servers' route ports",
    defaultText: "none",
  },
  {
    ...CLUSTER,
    kind: "special",
    keys: ["authorization"],
    help: "Map: what routes must present, below",
    defaultText: "none",
  },
  {
    ...CLUSTER,
    field: "nats.cluster.permissions",
    kind: "special",
    keys: ["permissions"],
    help: "Map with `import` and `export`: subjects that routes may exchange",
    defaultText: "everything",
  },
  { ...CLUSTER, kind: "special", keys: ["tls"], help: "Map: TLS between routes, as above", defaultText: "off" },
  {
    ...CLUSTER,
    field: "nats.cluster.advertise",
    kind: "string",
    flags: ["cluster_advertise"],
    keys: ["cluster_advertise", "advertise"],
    help: "Address told to other servers",
  },
  {
    ...CLUSTER,
    field: "nats.cluster.noAdvertise",
    kind: "bool",
    flags: ["no_advertise"],
    keys: ["no_advertise"],
    help: "Do not tell clients of the other servers",
  },
  {
    ...CLUSTER,
    field: "nats.cluster.connectRetries",
    kind: "int",
    flags: ["connect_retries"],
    keys: ["connect_retries"],
    help: "How often a route that was learnt is dialled again",
  },
  { ...CLUSTER_AUTHORIZATION, field: "nats.cluster.user", keys: ["user", "username"], help: "User of routes" },
  { ...CLUSTER_AUTHORIZATION, field: "nats.cluster.password", keys: ["password", "pass"], help: "Password of routes" },
  {
    ...CLUSTER_AUTHORIZATION,
    field: "nats.cluster.authTimeout",
    keys: ["timeout"],
    help: "Seconds for a route to identify itself",
    defaultText: "2, with TLS its timeout and 1",
  },
];

export const natsBlockRows: readonly OptionRow[] = [...authorizationRows, ...accountRows, ...tlsRows, ...clusterRows];

/** Top-level keys of NATS features that this server does not have: refused by name instead of being ignored. */
export const UNSUPPORTED_NATS_KEYS: readonly string[] = [
  "gateway",
  "leaf",
  "leafnodes",
  "websocket",
  "ws",
  "mqtt",
  "jetstream",
  "operator",
  "operators",
  "root",
  "roots",
  "root_operator",
  "root_operators",
  "resolver",
  "resolver_tls",
  "resolver_preload",
  "resolver_pinned_accounts",
  "trusted",
  "trusted_keys",
  "ocsp",
  "ocsp_cache",
  "default_js_domain",
];
