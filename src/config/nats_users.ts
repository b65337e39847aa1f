/** Reads users of the NATS server and their credentials (spec cli-config-monitoring, section 2.5). */
import type { NatsNkeyUser, NatsOptions, NatsPermissions, NatsUser } from "./nats_options.ts";
import { readPermissions } from "./nats_permissions.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { isPublicKey } from "./nkeys.ts";
import { canonicalKey } from "./option_rows.ts";
import { ConfigMap, type Entry, natsKind, type Node, shownValue } from "./tree.ts";
import { quoted } from "./values.ts";

const CONNECTION_TYPES = ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS"];

/** Users of both kinds, in file order. */
export interface Users {
  readonly users: NatsUser[];
  readonly nkeys: NatsNkeyUser[];
}

/** Reads a `users` array. */
export function readUsers(entry: Entry, problems: NatsProblems, inAccount = false): Users {
  const result: Users = { users: [], nkeys: [] };
  if (!Array.isArray(entry.value)) {
    const text = `Expected users field to be an array, got ${shownValue(entry.value)}`;
    if (inAccount) problems.errors.push(text);
    else problems.error(entry, text);
    return result;
  }
  for (const element of entry.value) readUser(element, result, problems);
  return result;
}

interface Draft {
  user: string;
  password: string;
  nkey: string;
  permissions?: NatsPermissions;
  allowedConnectionTypes?: string[];
}

function readUser(node: Node, into: Users, problems: NatsProblems): void {
  if (!(node.value instanceof ConfigMap)) {
    problems.error(node, `Expected user entry to be a map/struct, got ${shownValue(node.value)}`);
    return;
  }
  const draft: Draft = { user: "", password: "", nkey: "" };
  for (const part of node.value.entries.values()) if (!readUserPart(draft, part, problems)) return;
  const { user, password, nkey, ...rest } = draft;
  if (nkey !== "") {
    if (!isPublicKey(nkey, "user")) problems.error(node, "Not a valid public nkey for a user");
    else if (user !== "" || password !== "") problems.error(node, "Nkey users do not take usernames or passwords");
    else into.nkeys.push({ nkey, ...rest });
  } else if (user === "") problems.error(node, "User entry requires a user");
  else into.users.push({ user, password, ...rest });
}

/** Whether reading the user goes on. */
function readUserPart(draft: Draft, part: Entry, problems: NatsProblems): boolean {
  switch (canonicalKey("nats.authorization.users", part.key)) {
    case "user":
      return assignString(draft, "user", part, problems);
    case "password":
      return assignString(draft, "password", part, problems);
    case "nkey":
      return assignString(draft, "nkey", part, problems);
    case "permissions": {
      const permissions = readPermissions(part, problems);
      if (permissions !== undefined) draft.permissions = permissions;
      return permissions !== undefined;
    }
    case "allowed_connection_types": {
      const types = readConnectionTypes(part, problems);
      if (types !== undefined) draft.allowedConnectionTypes = types;
      return true;
    }
    default:
      problems.unknownField(part);
      return true;
  }
}

function assignString(draft: Draft, field: "user" | "password" | "nkey", part: Entry, problems: NatsProblems): boolean {
  const value = problems.string(part);
  if (value !== undefined) draft[field] = value;
  return value !== undefined;
}

function readConnectionTypes(entry: Entry, problems: NatsProblems): string[] | undefined {
  const nodes = Array.isArray(entry.value) ? entry.value : [entry];
  const types: string[] = [];
  for (const element of nodes) {
    if (typeof element.value !== "string") {
      const where = Array.isArray(entry.value) ? " in array" : "";
      problems.error(
        element,
        `error parsing allowed connection types: unsupported type${where} ${natsKind(element.value)}`,
      );
      return undefined;
    }
    types.push(element.value.toUpperCase());
  }
  const unknown = types.filter((type) => !CONNECTION_TYPES.includes(type));
  if (unknown.length > 0) {
    problems.error(entry, `invalid connection types [${unknown.map((type) => `"${type}"`).join(" ")}]`);
    return undefined;
  }
  return types;
}

/** Where users go: their account, and the permissions of those without their own. */
export interface Placement {
  /** Errors point to it. */
  readonly place: Entry;
  /** `undefined`: the global account. */
  readonly account: string | undefined;
  readonly permissions: NatsPermissions | undefined;
}

/** Puts users into the options; a name or key that is there already is an error. */
export function addUsers(
  list: Users,
  { place, account, permissions }: Placement,
  nats: NatsOptions,
  problems: NatsProblems,
): void {
  const common = {
    ...(permissions === undefined ? {} : { permissions }),
    ...(account === undefined ? {} : { account }),
  };
  const names = new Set(nats.users.map(({ user }) => user));
  for (const user of list.users) {
    if (names.has(user.user)) problems.error(place, `Duplicate user ${quoted(user.user)} detected`);
    names.add(user.user);
    nats.users.push({ ...common, ...user });
  }
  const keys = new Set(nats.nkeys.map(({ nkey }) => nkey));
  for (const user of list.nkeys) {
    if (keys.has(user.nkey)) problems.error(place, `Duplicate nkey ${quoted(user.nkey)} detected`);
    keys.add(user.nkey);
    nats.nkeys.push({ ...common, ...user });
  }
}
