/** Reads accounts with their users, imports, exports, mappings and limits (spec cli-config-monitoring, section 2.5). */
import { readMappings } from "./nats_mappings.ts";
import type { AccountExport, AccountImport, NatsAccount, NatsOptions } from "./nats_options.ts";
import { readPermissions } from "./nats_permissions.ts";
import { addUsers, readUsers, type Users } from "./nats_users.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { isPublicKey } from "./nkeys.ts";
import { canonicalKey } from "./option_rows.ts";
import { ConfigMap, type Entry, natsKind, type Node, shownValue } from "./tree.ts";
import { quoted } from "./values.ts";

const GLOBAL_ACCOUNT = "$G";
const UNLIMITED = -1;

/** Puts the accounts and their users into the options. */
export function readAccounts(entry: Entry, nats: NatsOptions, problems: NatsProblems): void {
  if (Array.isArray(entry.value)) return readAccountNames(entry, nats, problems);
  if (!(entry.value instanceof ConfigMap)) return;
  const declared: Declared = { imports: [], exports: [] };
  for (const account of entry.value.entries.values()) readAccount(account, nats, problems, declared);
  checkAccountNames(entry, nats.accounts, declared, problems);
}

function readAccountNames(entry: Entry, nats: NatsOptions, problems: NatsProblems): void {
  for (const element of entry.value as Node[]) {
    const name = problems.string(element);
    if (name !== undefined && isFree(element, name, nats, problems)) nats.accounts.push(emptyAccount(name));
  }
}

function isFree(node: Node, name: string, nats: NatsOptions, problems: NatsProblems): boolean {
  if (name === GLOBAL_ACCOUNT) problems.error(node, `"${GLOBAL_ACCOUNT}" is a Reserved Account`);
  else if (nats.accounts.some((account) => account.name === name)) {
    problems.error(node, `Duplicate Account Entry: ${name}`);
  } else return true;
  return false;
}

function emptyAccount(name: string): NatsAccount {
  return {
    name,
    nkey: "",
    imports: [],
    exports: [],
    mappings: [],
    limits: { maxConnections: UNLIMITED, maxSubscriptions: UNLIMITED, maxPayload: UNLIMITED, maxLeafNodes: UNLIMITED },
  };
}

/** What all accounts declare together, whose account names are checked at the end. */
interface Declared {
  readonly imports: AccountImport[];
  readonly exports: AccountExport[];
}

function readAccount(entry: Entry, nats: NatsOptions, problems: NatsProblems, declared: Declared): void {
  if (!(entry.value instanceof ConfigMap)) return problems.error(entry, "Expected map entries for accounts");
  if (!isFree(entry, entry.key, nats, problems)) return;
  const account = emptyAccount(entry.key);
  nats.accounts.push(account);
  let users: { readonly place: Entry; readonly list: Users } | undefined;
  let defaults: ReturnType<typeof readPermissions>;
  for (const part of entry.value.entries.values()) {
    switch (canonicalKey("nats.accounts", part.key)) {
      case "nkey":
        readNkey(part, account, problems);
        break;
      case "users":
        users = { place: part, list: readUsers(part, problems, true) };
        break;
      case "default_permissions":
        defaults = readPermissions(part, problems);
        break;
      case "imports":
        readDirections(part, "Imports", problems, (map) => readImport(map, account, problems, declared));
        break;
      case "exports":
        readDirections(part, "Exports", problems, (map) => readExport(map, account, problems, declared));
        break;
      case "mappings":
        account.mappings = readMappings(part, problems);
        break;
      case "limits":
        readLimits(part, account, problems);
        break;
      case "jetstream":
        if (part.value !== false) problems.error(part, "JetStream is not supported by this server");
        break;
      default:
        problems.unknownField(part);
    }
  }
  if (users === undefined) return;
  addUsers(users.list, { place: users.place, account: account.name, permissions: defaults }, nats, problems);
}

function readNkey(part: Entry, account: NatsAccount, problems: NatsProblems): void {
  const nkey = problems.string(part);
  if (nkey === undefined) return;
  if (!isPublicKey(nkey, "account")) problems.error(part, `Not a valid public nkey for an account: ${quoted(nkey)}`);
  account.nkey = nkey;
}

function readLimits(entry: Entry, account: NatsAccount, problems: NatsProblems): void {
  if (!(entry.value instanceof ConfigMap)) {
    return problems.error(entry, `Expected account limits to be a map/struct, got ${shownValue(entry.value)}`);
  }
  for (const part of entry.value.entries.values()) {
    const field = LIMITS.get(part.key.toLowerCase());
    if (field === undefined) {
      if (!part.used) problems.error(part, `Unknown field "${part.key}" parsing account limits`);
      continue;
    }
    account.limits[field] = problems.integer(part) ?? UNLIMITED;
  }
}

const LIMITS = new Map<string, keyof NatsAccount["limits"]>([
  ["max_connections", "maxConnections"],
  ["max_conn", "maxConnections"],
  ["max_subscriptions", "maxSubscriptions"],
  ["max_subs", "maxSubscriptions"],
  ["max_payload", "maxPayload"],
  ["max_pay", "maxPayload"],
  ["max_leafnodes", "maxLeafNodes"],
  ["max_leafs", "maxLeafNodes"],
]);

function readDirections(
  entry: Entry,
  name: "Imports" | "Exports",
  problems: NatsProblems,
  read: (map: ConfigMap) => void,
): void {
  if (!Array.isArray(entry.value)) {
    return problems.error(entry, `${name} should be an array, got ${natsKind(entry.value)}`);
  }
  for (const node of entry.value) {
    if (node.value instanceof ConfigMap) read(node.value);
    else {problems.error(
        node,
        `${name.slice(0, -1)} Items should be a map with type entry, got ${natsKind(node.value)}`,
      );}
  }
}

function readExport(
  map: ConfigMap,
  account: NatsAccount,
  problems: NatsProblems,
  declared: Declared,
): void {
  const result: AccountExport = {
    kind: "stream",
    subject: "",
    accounts: undefined,
    responseType: "",
    responseThreshold: 0,
  };
  for (const part of map.entries.values()) {
    const key = part.key.toLowerCase();
    if (key === "stream" || key === "service") {
      if (typeof part.value !== "string") {
        return problems.error(part, `Expected ${key} name to be string, got ${natsKind(part.value)}`);
      }
      if (result.subject !== "") {
        const other = key === "stream" ? "service" : "stream";
        return problems.error(part, `Detected ${key} ${quoted(part.value)} but already saw a ${other}`);
      }
      result.kind = key;
      result.subject = part.value;
    } else if (key === "accounts") result.accounts = readNames(part, problems);
    else if (key === "response_type" || key === "response") result.responseType = readResponseType(part, problems);
    else if (!["response_threshold", "threshold", "latency", "account_token_position"].includes(key)) {
      problems.unknownField(part);
    }
  }
  if (result.subject === "") return;
  account.exports.push(result);
  declared.exports.push(result);
}

function readResponseType(part: Entry, problems: NatsProblems): string {
  const type = problems.string(part)?.toLowerCase();
  if (type !== undefined && !["single", "singleton", "stream", "chunk", "chunked"].includes(type)) {
    problems.error(part, `Unknown response type: ${quoted(type)}`);
  }
  return type ?? "";
}

function readNames(entry: Entry, problems: NatsProblems): string[] {
  if (!Array.isArray(entry.value)) {
    problems.error(entry, `interface conversion: interface {} is ${natsKind(entry.value)}, not []interface {}`);
    return [];
  }
  return entry.value.map((node) => problems.string(node) ?? "");
}

function readImport(
  map: ConfigMap,
  account: NatsAccount,
  problems: NatsProblems,
  declared: Declared,
): void {
  const result: AccountImport = { kind: "stream", account: "", subject: "", to: "", prefix: "", share: false };
  for (const part of map.entries.values()) {
    const key = part.key.toLowerCase();
    if (key === "stream" || key === "service") {
      const kind = key === "stream" ? "Stream" : "Service";
      if (!(part.value instanceof ConfigMap)) {
        return problems.error(part, `${kind} entry should be an account map, got ${natsKind(part.value)}`);
      }
      result.kind = key;
      result.account = textOf(part.value.find("account"));
      result.subject = textOf(part.value.find("subject"));
      if (result.account === "" || result.subject === "") {
        return problems.error(part, "Expect an account name and a subject");
      }
    } else if (key === "to" || key === "prefix") result[key] = problems.string(part) ?? "";
    else if (key === "share") result.share = problems.boolean(part) ?? false;
    else problems.unknownField(part);
  }
  if (result.subject === "") return;
  account.imports.push(result);
  declared.imports.push(result);
}

function textOf(entry: Entry | undefined): string {
  return typeof entry?.value === "string" ? entry.value : "";
}

/** Imports and exports may only name accounts that there are. */
function checkAccountNames(
  place: Entry,
  accounts: readonly NatsAccount[],
  declared: Declared,
  problems: NatsProblems,
): void {
  const known = new Set(accounts.map((account) => account.name));
  const check = (name: string, what: string): void => {
    if (!known.has(name)) problems.error(place, `"${name}" account not defined for ${what}`);
  };
  for (const { kind, accounts: names } of declared.exports) {
    for (const name of names ?? []) check(name, `${kind} export`);
  }
  for (const { kind, account } of declared.imports) check(account, `${kind} import`);
}
