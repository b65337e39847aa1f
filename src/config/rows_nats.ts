/** Rows of the embedded NATS server: top-level keys and their flags (spec cli-config-monitoring, sections 1.4 and 2.5). */
import type { OptionRow } from "./option_row.ts";
import { natsLimitRows } from "./rows_nats_limits.ts";

const MAIN = { group: "nats", section: "Embedded NATS Server Options" } as const;
const LOGGING = { group: "nats", section: "Logging Options" } as const;
const KEY = { group: "nats" } as const;

const addressRows: readonly OptionRow[] = [
  {
    ...KEY,
    kind: "special",
    keys: ["listen"],
    help: "Client address: `host:port` or a port",
    more: "Addresses of IP version 6 need quotes.",
    defaultText: "none",
  },
  {
    ...MAIN,
    field: "nats.host",
    kind: "string",
    flags: ["a", "net", "addr"],
    keys: ["host", "net"],
    help: "Address to listen on",
  },
  {
    ...MAIN,
    field: "nats.port",
    kind: "int",
    flags: ["p", "port"],
    keys: ["port"],
    help: "Port for clients; -1 picks a free one",
  },
  {
    ...KEY,
    field: "nats.serverName",
    kind: "string",
    flags: ["n", "name", "server_name"],
    keys: ["server_name"],
    help: "Name of the server; unique in a NATS cluster",
    defaultText: "the server id",
  },
  {
    ...KEY,
    field: "nats.clientAdvertise",
    kind: "string",
    flags: ["client_advertise"],
    keys: ["client_advertise"],
    help: "Address told to clients instead of the one listened on",
  },
  {
    ...MAIN,
    field: "nats.pidFile",
    kind: "string",
    flags: ["P", "pid"],
    keys: ["pid_file", "pidfile"],
    help: "File for the process id",
  },
  {
    ...KEY,
    field: "nats.portsFileDir",
    kind: "string",
    flags: ["ports_file_dir"],
    keys: ["ports_file_dir"],
    help: "Folder for a file that lists the ports in use",
  },
];

const monitoringRows: readonly OptionRow[] = [
  {
    ...MAIN,
    field: "nats.httpPort",
    kind: "int",
    flags: ["m", "http_port"],
    keys: ["http_port", "monitor_port"],
    help: "Port for monitoring; -1 picks a free one",
    defaultText: "off",
  },
  {
    ...MAIN,
    field: "nats.httpsPort",
    kind: "int",
    flags: ["ms", "https_port"],
    keys: ["https_port"],
    help: "Port for monitoring by HTTPS, with the certificate of the `tls` block",
    defaultText: "off",
  },
  { ...KEY, kind: "special", keys: ["http"], help: "Monitoring address: `host:port` or a port", defaultText: "off" },
  { ...KEY, kind: "special", keys: ["https"], help: "The same by HTTPS", defaultText: "off" },
  {
    ...KEY,
    kind: "special",
    keys: ["http_base_path"],
    help: "Path in front of the NATS monitoring pages; `/streaming` stays at the root",
    defaultText: "`/`",
  },
  {
    ...KEY,
    field: "nats.profPort",
    kind: "int",
    flags: ["profile"],
    keys: ["prof_port"],
    help: "Accepted; this server has no profiling port",
  },
];

const loggingRows: readonly OptionRow[] = [
  {
    ...LOGGING,
    field: "nats.logFile",
    kind: "string",
    flags: ["l", "log"],
    keys: ["log_file", "logfile"],
    help: "File for log lines",
  },
  {
    ...KEY,
    field: "nats.logSizeLimit",
    kind: "int",
    flags: ["log_size_limit"],
    keys: ["log_size_limit", "logfile_size_limit"],
    help: "Bytes from which the log file is rotated; 0 never",
  },
  {
    ...LOGGING,
    field: "nats.logtime",
    kind: "bool",
    flags: ["T", "logtime"],
    keys: ["logtime"],
    help: "Put the time into log lines",
  },
  {
    ...KEY,
    field: "nats.logtimeUtc",
    kind: "bool",
    flags: ["logtime_utc"],
    keys: ["logtime_utc"],
    help: "Times in UTC",
    more: "As in the reference it has no effect before a reload changes the logging.",
  },
  {
    ...LOGGING,
    field: "nats.syslog",
    kind: "bool",
    flags: ["s", "syslog"],
    keys: ["syslog"],
    help: "Log to the system's log",
  },
  {
    ...LOGGING,
    field: "nats.remoteSyslog",
    kind: "string",
    flags: ["r", "remote_syslog"],
    keys: ["remote_syslog"],
    help: "Log to a syslog server, e.g. udp://localhost:514",
  },
  {
    ...LOGGING,
    field: "nats.debug",
    kind: "bool",
    flags: ["D", "debug"],
    keys: ["debug"],
    help: "Debug lines of the NATS part",
  },
  {
    ...LOGGING,
    field: "nats.trace",
    kind: "bool",
    flags: ["V", "trace"],
    keys: ["trace"],
    help: "Trace lines of the NATS part",
  },
  {
    kind: "bool",
    section: "Logging Options",
    flags: ["DV"],
    help: "Debug and trace lines of the NATS part",
    defaultText: "false",
  },
  {
    ...KEY,
    field: "nats.traceVerbose",
    kind: "bool",
    flags: ["VV"],
    keys: ["trace_verbose"],
    help: "Trace, those of the system account too",
  },
  { kind: "bool", flags: ["DVV"], help: "Debug and verbose trace", defaultText: "false" },
  {
    ...KEY,
    field: "nats.maxTracedMsgLen",
    kind: "int",
    flags: ["max_traced_msg_len"],
    keys: ["max_traced_msg_len"],
    help: "Most bytes of a payload in a trace line; 0 shows all",
  },
];

const tlsFlagRows: readonly OptionRow[] = [
  {
    kind: "bool",
    section: "TLS Options",
    flags: ["tls"],
    help: "TLS for clients, who need no certificate; false removes the TLS of the file",
    more: "True needs `-tlscert` and `-tlskey`, also next to a `tls` block.",
    defaultText: "false",
  },
  { kind: "string", section: "TLS Options", flags: ["tlscert"], help: "Server certificate", defaultText: "none" },
  {
    kind: "string",
    section: "TLS Options",
    flags: ["tlskey"],
    help: "Private key of the server certificate",
    defaultText: "none",
  },
  {
    kind: "bool",
    section: "TLS Options",
    flags: ["tlsverify"],
    help: "TLS with client certificates",
    defaultText: "false",
  },
  {
    kind: "string",
    section: "TLS Options",
    flags: ["tlscacert"],
    help: "Authorities for client certificates",
    defaultText: "none",
  },
];

const routingFlagRows: readonly OptionRow[] = [
  {
    section: "NATS Clustering Options",
    field: "nats.routesFlag",
    kind: "string",
    flags: ["routes"],
    placeholder: "<string, ...>",
    help: "Routes to dial, comma separated",
  },
  {
    section: "NATS Clustering Options",
    field: "nats.cluster.listenFlag",
    kind: "string",
    flags: ["cluster_listen", "cluster"],
    help: "URL to listen on for routes, e.g. nats://0.0.0.0:6222; empty switches routing off",
  },
];

export const natsRows: readonly OptionRow[] = [
  ...addressRows,
  ...monitoringRows,
  ...loggingRows,
  ...natsLimitRows,
  ...tlsFlagRows,
  ...routingFlagRows,
];
