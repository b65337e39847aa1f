/** What a reload changes, what it cannot change, and how the log tells (spec cli-config-monitoring, section 4.1). */
import { checkValues } from "./check_start.ts";
import { gatherOptions } from "./command_line.ts";
import { defaultOptions } from "./defaults.ts";
import { effectiveOptions } from "./effective.ts";
import { ConfigError } from "./errors.ts";
import { parseFlags } from "./flags.ts";
import type { NatsOptions } from "./nats_options.ts";
import type { Options } from "./options.ts";
import type { ConfigIo } from "./parser.ts";
import { millisText } from "./values.ts";

/** The outcome of comparing the options in use with those read again. */
export type ReloadResult = ReloadApplied | ReloadRefused;

/** Take `options`; log `lines` as notices, then `Reloaded server configuration`. */
export interface ReloadApplied {
  readonly kind: "applied";
  /** The options to use from now on: the NATS block and our own credentials are new, the rest is as it was. */
  readonly options: Options;
  /** Groups of options that changed, for who has to act. */
  readonly changed: readonly ReloadGroup[];
  /** Without level, e.g. `Reloaded: max_payload = 2097152`. */
  readonly lines: readonly string[];
  /** Streaming options that differ in the file but stay as they were; to be logged as warnings. */
  readonly warnings: readonly string[];
}

/** Nothing changes; log `line` as an error. */
export interface ReloadRefused {
  readonly kind: "refused";
  readonly line: string;
}

/** `users` is always among the changed groups: clients are checked against them anew. */
export type ReloadGroup = "logging" | "tls" | "users" | "routes" | "limits" | "timers" | "files" | "other";

/** The line after the others when a reload was applied. */
export const RELOADED = "Reloaded server configuration";

/** The line when there is no file to read again; an error. */
export const RELOAD_WITHOUT_FILE =
  "STREAM: Reload: can only reload config when a file is provided using -c or --config";

/** The line when the server uses an external NATS server and does no monitoring; a warning. */
export const RELOAD_EXTERNAL = "STREAM: Reload supported only for embedded NATS Server's configuration";

interface Reloadable {
  readonly field: keyof NatsOptions;
  readonly group: ReloadGroup;
  /** What stands behind `Reloaded: `; `undefined` where nothing is logged. */
  readonly line: ((nats: NatsOptions) => string) | undefined;
}

/**
 * Reads files and flags again and compares them with the options in use. `args` are those that the process was started
 * with. Warnings of the files are not fatal here.
 */
export function reloadOptions(args: readonly string[], before: Options, io: ConfigIo): ReloadResult {
  const { configFile, streamingConfigFile } = before.process;
  if (configFile === "" && streamingConfigFile === "") return { kind: "refused", line: RELOAD_WITHOUT_FILE };
  const flags = parseFlags(args);
  if ("mistake" in flags) return { kind: "refused", line: `STREAM: Reload: ${flags.mistake}` };
  const gathered = { options: defaultOptions(), warnings: [], stderr: "", lenient: true };
  try {
    gatherOptions(flags, io, gathered);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return { kind: "refused", line: `STREAM: Reload: ${cause.message.trimEnd()}` };
  }
  const after = effectiveOptions(gathered.options, io.env);
  const refusal = checkValues({ ...before, nats: after.nats });
  if (refusal === undefined) return diffForReload(before, after);
  return { kind: "refused", line: `STREAM: Reload: ${refusal.hint ?? refusal.line}` };
}

/** Compares effective options. `after` may come from a file with any content that parses. */
export function diffForReload(before: Options, after: Options): ReloadResult {
  for (const { field, name, unset, span } of FIXED) {
    const [old, now] = [before.nats[field], after.nats[field]];
    const shownHere = (value: unknown) => span === true ? millisText(Number(value)) : value === unset ? "" : value;
    if (!same(old, now)) return refused(name, shownHere(old), shownHere(now));
  }
  const cluster = fixedCluster(before.nats, after.nats);
  if (cluster !== undefined) return cluster;
  const changes = RELOADABLE.filter(({ field }) => !same(before.nats[field], after.nats[field]));
  const lines = ["Reloaded: authorization users", "Reloaded: accounts"];
  for (const { line } of changes) if (line !== undefined) lines.push(`Reloaded: ${line(after.nats)}`);
  if (before.nats.tls?.timeout !== after.nats.tls?.timeout) {
    lines.push(`Reloaded: tls timeout = ${after.nats.tls?.timeout ?? 2}`);
  }
  const changed = new Set<ReloadGroup>(["users", ...changes.map(({ group }) => group)]);
  return {
    kind: "applied",
    options: { ...before, streaming: { ...before.streaming, ...credentials(after) }, nats: after.nats },
    changed: [...changed],
    lines,
    warnings: streamingWarnings(before, after),
  };
}

/** Our own connections must be able to log in with what is configured now. */
function credentials({ streaming }: Options): Pick<Options["streaming"], "username" | "password" | "token"> {
  return { username: streaming.username, password: streaming.password, token: streaming.token };
}

function refused(name: string, old: unknown, now: unknown): ReloadRefused {
  const line = `STREAM: Reload: config reload not supported for ${name}: old=${shown(old)}, new=${shown(now)}`;
  return { kind: "refused", line };
}

/** Host and port of the routing cannot change; the rest of the block can. */
function fixedCluster(before: NatsOptions, after: NatsOptions): ReloadRefused | undefined {
  const { cluster: old } = before;
  const { cluster: now } = after;
  if (old.host !== now.host) return refused("cluster host", old.host, now.host);
  return old.port === now.port ? undefined : refused("cluster port", old.port, now.port);
}

/** The fields that stay, with the names by which errors call them; `unset` is shown as nothing. */
const FIXED: readonly {
  readonly field: keyof NatsOptions;
  readonly name: string;
  readonly unset?: string;
  readonly span?: true;
}[] = [
  { field: "host", name: "Host" },
  { field: "port", name: "Port" },
  { field: "serverName", name: "ServerName" },
  { field: "httpHost", name: "HTTPHost" },
  { field: "httpPort", name: "HTTPPort" },
  { field: "httpsPort", name: "HTTPSPort" },
  { field: "httpBasePath", name: "HTTPBasePath", unset: "/" },
  { field: "maxPending", name: "MaxPending" },
  { field: "maxSubscriptions", name: "MaxSubs" },
  { field: "maxSubTokens", name: "MaxSubTokens" },
  { field: "lameDuckDuration", name: "LameDuckDuration", span: true },
  { field: "lameDuckGracePeriod", name: "LameDuckGracePeriod", span: true },
  { field: "noAuthUser", name: "NoAuthUser" },
  { field: "systemAccount", name: "SystemAccount", unset: "$SYS" },
  { field: "noSystemAccount", name: "NoSystemAccount" },
  { field: "logSizeLimit", name: "LogSizeLimit" },
  { field: "profPort", name: "ProfPort" },
  { field: "noHeaderSupport", name: "NoHeaderSupport" },
  { field: "disableSublistCache", name: "NoSublistCache" },
  { field: "allowNonTls", name: "AllowNonTLS" },
];

const RELOADABLE: readonly Reloadable[] = [
  plain("debug", "logging", "debug"),
  plain("trace", "logging", "trace"),
  plain("traceVerbose", "logging", "trace_verbose"),
  plain("logtime", "logging", "logtime"),
  plain("logtimeUtc", "logging", "logtime_utc"),
  plain("logFile", "logging", "log_file"),
  plain("syslog", "logging", "syslog"),
  plain("remoteSyslog", "logging", "remote_syslog"),
  { field: "tls", group: "tls", line: (nats) => `tls = ${nats.tls === undefined ? "disabled" : "enabled"}` },
  { field: "user", group: "users", line: () => "authorization username" },
  { field: "password", group: "users", line: () => "authorization password" },
  { field: "token", group: "users", line: () => "authorization token" },
  { field: "authTimeout", group: "users", line: (nats) => `authorization timeout = ${nats.authTimeout}` },
  { field: "nkeys", group: "users", line: () => "authorization nkey users" },
  { field: "serverTags", group: "other", line: () => "tags" },
  { field: "mappings", group: "other", line: undefined },
  { field: "cluster", group: "routes", line: () => "cluster" },
  { field: "routes", group: "routes", line: () => "cluster routes" },
  plain("maxConnections", "limits", "max_connections"),
  plain("pidFile", "files", "pid_file"),
  plain("portsFileDir", "files", "ports_file_dir"),
  plain("maxControlLine", "limits", "max_control_line"),
  plain("maxPayload", "limits", "max_payload"),
  { field: "pingInterval", group: "timers", line: (nats) => `ping_interval = ${millisText(nats.pingInterval)}` },
  plain("pingMax", "timers", "ping_max"),
  { field: "writeDeadline", group: "timers", line: (nats) => `write_deadline = ${millisText(nats.writeDeadline)}` },
  plain("clientAdvertise", "other", "client_advertise"),
  plain("maxTracedMsgLen", "logging", "max_traced_msg_len"),
  plain("connectErrorReports", "other", "connect_error_reports"),
  plain("reconnectErrorReports", "other", "reconnect_error_reports"),
];

function plain(field: keyof NatsOptions, group: ReloadGroup, key: string): Reloadable {
  return { field, group, line: (nats) => `${key} = ${shown(nats[field])}` };
}

function streamingWarnings(before: Options, after: Options): string[] {
  return Object.entries(before.streaming).flatMap(([name, old]) => {
    const now = after.streaming[name as keyof Options["streaming"]];
    if (same(old, now) || name in credentials(after)) return [];
    return [`STREAM: Reload: the change of the streaming options (${name}) takes effect with the next start`];
  });
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(" ")}]`;
  return String(value);
}

/** Equal as plain data. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].every((key) =>
    same((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key])
  );
}
