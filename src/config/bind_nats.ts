/** Puts the NATS part of a file into the options (spec cli-config-monitoring, section 2.5). */
import { readAuthorization } from "./nats_authorization.ts";
import { readAccounts } from "./nats_accounts.ts";
import { readCluster } from "./nats_cluster.ts";
import { readListen } from "./nats_listen.ts";
import { readMappings } from "./nats_mappings.ts";
import { NatsProblems } from "./nats_problems.ts";
import { readTls } from "./nats_tls.ts";
import { type OptionRow, setField } from "./option_row.ts";
import { rowOfKey } from "./option_rows.ts";
import type { Options } from "./options.ts";
import type { ConfigIo } from "./parser.ts";
import { cleanPath } from "./paths.ts";
import { UNSUPPORTED_NATS_KEYS } from "./rows_nats_blocks.ts";
import { ConfigMap, type Entry, natsKind } from "./tree.ts";
import { durationText, parseDuration } from "./values.ts";

const MAX_INT32 = 2147483647;
const MAX_SUB_TOKENS = 255;
/** Payloads above this are allowed with a warning when the server starts. */
export const LARGE_PAYLOAD = 8 * 1024 * 1024;
const MIN_LAME_DUCK_NANOSECONDS = 30_000_000_000n;

/**
 * Binds the top-level keys of a file. Answers all that is wrong instead of throwing, since warnings are fatal in some uses
 * only (spec cli-config-monitoring, section 1.2).
 */
export function bindNats(tree: ConfigMap, options: Options, file: string, io: ConfigIo): NatsProblems {
  const problems = new NatsProblems();
  const { nats } = options;
  nats.configFile = file;
  if (tree.entries.size === 0) problems.warnings.push(`${file}: config has no values or is empty`);
  // Accounts and users of a repeated read replace what was there.
  nats.users = [];
  nats.nkeys = [];
  nats.accounts = [];
  for (const entry of tree.entries.values()) {
    const row = rowOfKey("nats", entry.key);
    if (row === undefined) refuseUnsupported(entry, problems);
    else if (row.kind === "special") SPECIAL.get(row.keys?.[0] ?? "")?.({ entry, options, problems, io });
    else readPlain(row, entry, options, problems);
  }
  return problems;
}

function readPlain(row: OptionRow, entry: Entry, options: Options, problems: NatsProblems): void {
  if (row.field === undefined) return;
  const value = row.kind === "bool"
    ? problems.boolean(entry)
    : row.kind === "string"
    ? problems.string(entry)
    : problems.integer(entry);
  if (value !== undefined) setField(options, row.field, value);
}

/** What the server does not have must not be ignored silently, unless it is switched off. */
function refuseUnsupported(entry: Entry, problems: NatsProblems): void {
  if (!UNSUPPORTED_NATS_KEYS.includes(entry.key.toLowerCase()) || entry.used || entry.value === false) return;
  problems.error(entry, `"${entry.key}" is not supported by this server`);
}

interface Reading {
  readonly entry: Entry;
  readonly options: Options;
  readonly problems: NatsProblems;
  readonly io: ConfigIo;
}

/** Readers of the special keys, by the first key of their rows. */
const SPECIAL = new Map<string, (reading: Reading) => void>([
  ["listen", readClientAddress],
  ["http", (reading) => readMonitoring(reading, "httpPort")],
  ["https", (reading) => readMonitoring(reading, "httpsPort")],
  ["http_base_path", readBasePath],
  ["max_sub_tokens", readSubTokens],
  ["max_control_line", (reading) => readInt32(reading, "maxControlLine", "max_control_line")],
  ["max_payload", (reading) => readInt32(reading, "maxPayload", "max_payload")],
  ["ping_interval", (reading) => readSecondsOrDuration(reading, "pingInterval", "ping_interval")],
  ["write_deadline", (reading) => readSecondsOrDuration(reading, "writeDeadline", "write_deadline")],
  ["lame_duck_duration", readLameDuckDuration],
  ["lame_duck_grace_period", readLameDuckGracePeriod],
  ["authorization", ({ entry, options, problems }) => readAuthorization(entry, options.nats, problems)],
  ["accounts", ({ entry, options, problems }) => readAccountsChecked(entry, options, problems)],
  ["system_account", readSystemAccount],
  ["server_tags", readServerTags],
  ["mappings", ({ entry, options, problems }) => void (options.nats.mappings = readMappings(entry, problems))],
  ["cluster", ({ entry, options, problems, io }) => readCluster(entry, options.nats, problems, io)],
  ["tls", ({ entry, options, problems, io }) => {
    options.nats.tls = readTls(entry, false, problems, io) ?? options.nats.tls;
  }],
]);

function readClientAddress({ entry, options: { nats }, problems }: Reading): void {
  const address = readListen(entry, problems);
  if (address === undefined) return;
  nats.host = address.host;
  nats.port = address.port;
}

function readMonitoring({ entry, options: { nats }, problems }: Reading, field: "httpPort" | "httpsPort"): void {
  const address = readListen(entry, problems);
  if (address === undefined) return;
  nats.httpHost = address.host;
  nats[field] = address.port;
}

function readBasePath({ entry, options: { nats }, problems }: Reading): void {
  const path = problems.string(entry);
  if (path !== undefined) nats.httpBasePath = cleanPath(`/${path}`);
}

function readSubTokens({ entry, options: { nats }, problems }: Reading): void {
  const tokens = problems.integer(entry);
  if (tokens === undefined) return;
  if (tokens > MAX_SUB_TOKENS) problems.error(entry, `${entry.key.toLowerCase()} value is too big`);
  else if (tokens <= 0) problems.error(entry, `${entry.key.toLowerCase()} value can not be negative`);
  else nats.maxSubTokens = tokens;
}

function readInt32(
  { entry, options: { nats }, problems }: Reading,
  field: "maxControlLine" | "maxPayload",
  name: string,
): void {
  const value = problems.integer(entry);
  if (value === undefined) return;
  if (value > MAX_INT32) problems.error(entry, `${name} value is too big`);
  else nats[field] = value;
}

/** A plain number counts in seconds, with a warning. */
function readSecondsOrDuration(
  { entry, options: { nats }, problems }: Reading,
  field: "pingInterval" | "writeDeadline",
  name: string,
): void {
  const { value } = entry;
  const text = `invalid use of field "${name}": ${name} should be converted to a duration`;
  if (typeof value === "bigint") {
    problems.warn(entry, text);
    nats[field] = Number(value) * 1000;
    return;
  }
  if (typeof value !== "string") {
    problems.warn(entry, text);
    problems.wrongType(entry, "int64");
    return;
  }
  const nanoseconds = readDuration(entry, name, problems);
  if (nanoseconds !== undefined) nats[field] = Number(nanoseconds) / 1e6;
}

function readDuration(entry: Entry, name: string, problems: NatsProblems): bigint | undefined {
  const text = problems.string(entry);
  if (text === undefined) return undefined;
  try {
    return parseDuration(text);
  } catch (cause) {
    problems.error(entry, `error parsing ${name}: ${(cause as Error).message}`);
    return undefined;
  }
}

function readLameDuckDuration({ entry, options: { nats }, problems }: Reading): void {
  const span = readDuration(entry, "lame_duck_duration", problems);
  if (span === undefined) return;
  if (span < MIN_LAME_DUCK_NANOSECONDS) {
    return problems.error(entry, `invalid lame_duck_duration of ${durationText(span)}, minimum is 30 seconds`);
  }
  nats.lameDuckDuration = Number(span) / 1e6;
}

function readLameDuckGracePeriod({ entry, options: { nats }, problems }: Reading): void {
  const span = readDuration(entry, "lame_duck_grace_period", problems);
  if (span === undefined) return;
  if (span < 0n) return problems.error(entry, "invalid lame_duck_grace_period, needs to be positive");
  nats.lameDuckGracePeriod = Number(span) / 1e6;
}

/** Matched in lower case only. */
function readSystemAccount({ entry, options: { nats }, problems }: Reading): void {
  if (entry.key !== entry.key.toLowerCase()) return;
  if (typeof entry.value !== "string") return problems.error(entry, "system account name must be a string");
  nats.systemAccount = entry.value;
}

function readServerTags({ entry, options: { nats }, problems }: Reading): void {
  const nodes = Array.isArray(entry.value) ? entry.value : [entry];
  const tags: string[] = [];
  for (const { value } of nodes) {
    if (typeof value !== "string") {
      return problems.error(entry, `error parsing tags: unsupported type ${natsKind(value)}`);
    }
    tags.push(value.toLowerCase());
  }
  nats.serverTags = [...new Set(tags)];
}

function readAccountsChecked(entry: Entry, options: Options, problems: NatsProblems): void {
  const { nats } = options;
  readAccounts(entry, nats, problems);
  const place = entry.value instanceof ConfigMap ? usersPlace(entry.value) : undefined;
  if (place === undefined) return;
  if (nats.user !== "") problems.error(place, "Can not have a single user/pass and accounts");
  if (nats.token !== "") problems.error(place, "Can not have a token and accounts");
}

/** The first `users` array of the accounts. */
function usersPlace(accounts: ConfigMap): Entry | undefined {
  for (const account of accounts.entries.values()) {
    const users = account.value instanceof ConfigMap ? account.value.find("users") : undefined;
    if (users !== undefined && Array.isArray(users.value) && users.value.length > 0) return users;
  }
  return undefined;
}
