/** Rows of the streaming part: identity, connection to NATS, heartbeats, logging, encryption (spec cli-config-monitoring, 1.3 and 2.4). */
import type { OptionRow } from "./option_row.ts";

const MAIN = { group: "streaming", section: "Streaming Server Options" } as const;
const KEY_ONLY = { group: "streaming" } as const;
const TLS = { group: "streaming.tls" } as const;

const identityRows: readonly OptionRow[] = [
  {
    ...MAIN,
    field: "streaming.clusterId",
    kind: "string",
    flags: ["cid", "cluster_id"],
    keys: ["id", "cid", "cluster_id"],
    help: "Name of the streaming cluster that clients ask for",
    more: "Part of NATS subjects. Must be that of an existing store.",
  },
  {
    ...MAIN,
    field: "streaming.store",
    kind: "special",
    flags: ["st", "store"],
    keys: ["store", "st", "store_type", "storetype"],
    placeholder: "<string>",
    help: "Where messages are kept: MEMORY, FILE or SQL",
    more: "In any letter case.",
  },
  {
    ...MAIN,
    field: "streaming.dir",
    kind: "string",
    flags: ["dir"],
    keys: ["dir", "datastore"],
    help: "Root folder of a FILE store",
    more: "Needed with a FILE store.",
  },
  {
    ...KEY_ONLY,
    field: "streaming.discoverPrefix",
    kind: "string",
    keys: ["discover_prefix"],
    help: "Subject prefix under which clients find the server",
    more: "Clients must be told the same prefix.",
  },
  {
    ...KEY_ONLY,
    field: "streaming.partitioning",
    kind: "bool",
    keys: ["partitioning"],
    help: "Serve only the channels listed in `store_limits.channels`",
    more: "Not together with clustering.",
  },
  {
    ...MAIN,
    field: "streaming.ftGroup",
    kind: "string",
    flags: ["ft_group"],
    keys: ["ft_group", "ft_group_name"],
    help: "Name of the fault tolerance group: several servers share one store, one of them is active",
    more: "Needs a FILE or SQL store.",
  },
  {
    ...MAIN,
    field: "streaming.replaceDurable",
    kind: "bool",
    flags: ["replace_durable"],
    keys: ["replace_durable", "replace_durables", "replace_duplicate_durable", "replace_duplicate_durables"],
    help: "A new request for a durable subscription closes the one in use instead of being refused",
  },
];

const connectionRows: readonly OptionRow[] = [
  {
    ...MAIN,
    field: "streaming.natsServer",
    kind: "string",
    flags: ["ns", "nats_server"],
    keys: ["ns", "nats_server", "nats_server_url"],
    help: "URLs of external NATS servers, comma separated; without it the embedded server runs",
  },
  {
    ...KEY_ONLY,
    field: "streaming.credentials",
    kind: "string",
    keys: ["credentials"],
    help: "Credentials file (JWT and seed) for our connections to NATS",
  },
  {
    ...KEY_ONLY,
    field: "streaming.nkeySeedFile",
    kind: "string",
    keys: ["nkey_seed_file"],
    help: "File with the user nkey seed for our connections to NATS",
  },
  {
    ...KEY_ONLY,
    field: "streaming.username",
    kind: "string",
    keys: ["username", "user"],
    help: "User of our connections to NATS",
    more: "`-user`, or a single user in the `authorization` block, comes first.",
  },
  {
    ...KEY_ONLY,
    field: "streaming.password",
    kind: "string",
    keys: ["password", "pass"],
    help: "Password of our connections to NATS",
  },
  {
    ...KEY_ONLY,
    field: "streaming.token",
    kind: "string",
    keys: ["token"],
    help: "Token of our connections to NATS",
    more: "`-auth`, or the token of the `authorization` block, comes first.",
  },
  {
    ...MAIN,
    section: "Streaming Server TLS Options",
    field: "streaming.secure",
    kind: "bool",
    flags: ["secure"],
    keys: ["secure"],
    help: "Use TLS towards the NATS server; its certificate is verified",
    more: "Against the system's roots unless `tls.client_ca` names others.",
  },
  {
    ...TLS,
    section: "Streaming Server TLS Options",
    field: "streaming.tls.clientKey",
    kind: "string",
    flags: ["tls_client_key"],
    keys: ["client_key"],
    help: "Private key of our client certificate",
    more:
      "As flags the three client files also need `-tlscert` and `-tlskey`, or `-tls=false`; the keys of the file do not.",
  },
  {
    ...TLS,
    section: "Streaming Server TLS Options",
    field: "streaming.tls.clientCert",
    kind: "string",
    flags: ["tls_client_cert"],
    keys: ["client_cert"],
    help: "Our client certificate towards NATS",
  },
  {
    ...TLS,
    section: "Streaming Server TLS Options",
    field: "streaming.tls.clientCa",
    kind: "string",
    flags: ["tls_client_cacert"],
    keys: ["client_ca", "client_cacert"],
    help: "Authorities that the NATS server's certificate is verified against",
  },
  {
    ...TLS,
    field: "streaming.tls.serverName",
    kind: "string",
    keys: ["server_name", "server_hostname"],
    help: "Host name expected in the NATS server's certificate",
  },
  {
    ...TLS,
    field: "streaming.tls.insecure",
    kind: "bool",
    keys: ["insecure", "skip_verify"],
    help: "Do not verify the NATS server's certificate",
  },
  {
    ...TLS,
    kind: "special",
    keys: ["timeout"],
    help: "Accepted and ignored",
    defaultText: "none",
  },
];

const heartbeatRows: readonly OptionRow[] = [
  {
    ...MAIN,
    field: "streaming.heartbeatInterval",
    kind: "duration",
    flags: ["hbi", "hb_interval"],
    keys: ["hb_interval", "hbi", "server_to_client_hb_interval"],
    help: "Time between heartbeats to a client",
  },
  {
    ...MAIN,
    field: "streaming.heartbeatTimeout",
    kind: "duration",
    flags: ["hbt", "hb_timeout"],
    keys: ["hb_timeout", "hbt", "server_to_client_hb_timeout"],
    help: "How long a client has to answer a heartbeat",
  },
  {
    ...MAIN,
    field: "streaming.heartbeatFailCount",
    kind: "int",
    flags: ["hbf", "hb_fail_count"],
    keys: ["hb_fail_count", "hbf", "server_to_client_hb_fail_count"],
    help: "Heartbeats without answer after which a client is closed",
  },
];

const encryptionRows: readonly OptionRow[] = [
  {
    ...MAIN,
    field: "streaming.encrypt",
    kind: "bool",
    flags: ["encrypt"],
    keys: ["encrypt"],
    help: "Encrypt stored messages",
    more: "Needs a key.",
  },
  {
    ...MAIN,
    field: "streaming.encryptionCipher",
    kind: "string",
    flags: ["encryption_cipher"],
    keys: ["encryption_cipher"],
    help: "AES or CHACHA, in any letter case",
    defaultText: "AES on x86, CHACHA elsewhere",
  },
  {
    ...MAIN,
    field: "streaming.encryptionKey",
    kind: "string",
    flags: ["encryption_key"],
    keys: ["encryption_key"],
    help: "Encryption key; better given in the variable NATS_STREAMING_ENCRYPTION_KEY of the environment",
    more:
      "A key switches encryption on. The key of the file wins over the flag, and the environment over both, but the " +
      "environment alone does not switch encryption on.",
    defaultText: "none",
  },
];

const loggingRows: readonly OptionRow[] = [
  {
    group: "streaming",
    section: "Streaming Server Logging Options",
    field: "streaming.debug",
    kind: "bool",
    flags: ["SD", "stan_debug"],
    keys: ["sd", "stan_debug"],
    help: "Debug lines of the streaming part",
  },
  {
    group: "streaming",
    section: "Streaming Server Logging Options",
    field: "streaming.trace",
    kind: "bool",
    flags: ["SV", "stan_trace"],
    keys: ["sv", "stan_trace"],
    help: "Trace lines of the streaming part",
  },
  {
    kind: "bool",
    section: "Streaming Server Logging Options",
    flags: ["SDV"],
    help: "Debug and trace lines of the streaming part",
    defaultText: "false",
  },
  {
    group: "streaming",
    section: "Streaming Server Logging Options",
    field: "streaming.syslogName",
    kind: "string",
    flags: ["syslog_name"],
    keys: ["syslog_name"],
    help: "Windows: name of the event source, to tell several servers apart",
  },
];

const tuningRows: readonly OptionRow[] = [
  {
    field: "streaming.ioBatchSize",
    kind: "int",
    flags: ["io_batch_size"],
    help: "Publishes that are gathered into one write at most",
  },
  {
    field: "streaming.ioSleepTime",
    kind: "int",
    flags: ["io_sleep_time"],
    help: "Microseconds to wait for more publishes before writing",
  },
];

export const streamingRows: readonly OptionRow[] = [
  ...identityRows,
  ...connectionRows,
  ...heartbeatRows,
  ...encryptionRows,
  ...loggingRows,
  ...tuningRows,
];
