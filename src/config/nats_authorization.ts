/** Reads the `authorization` block of the NATS server (spec cli-config-monitoring, section 2.5). */
import { readSeconds } from "./nats_cluster.ts";
import type { NatsOptions, NatsPermissions } from "./nats_options.ts";
import { readPermissions } from "./nats_permissions.ts";
import { addUsers, readUsers, type Users } from "./nats_users.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { canonicalKey } from "./option_rows.ts";
import { ConfigMap, type Entry } from "./tree.ts";

interface Draft {
  user: string;
  password: string;
  token: string;
  users: Users | undefined;
  permissions: NatsPermissions | undefined;
}

/** Puts the block into the options. */
export function readAuthorization(entry: Entry, nats: NatsOptions, problems: NatsProblems): void {
  if (!(entry.value instanceof ConfigMap)) return problems.wrongType(entry, "map[string]interface {}");
  const draft: Draft = { user: "", password: "", token: "", users: undefined, permissions: undefined };
  for (const part of entry.value.entries.values()) readPart(part, draft, nats, problems);
  nats.user = draft.user;
  nats.password = draft.password;
  nats.token = draft.token;
  if ((draft.user !== "" || draft.password !== "") && draft.token !== "") {
    return problems.error(entry, "Cannot have a user/pass and token");
  }
  if (draft.users === undefined && nats.users.length + nats.nkeys.length === 0) return;
  if (draft.user !== "") return problems.error(entry, "Can not have a single user/pass and a users array");
  if (draft.token !== "") return problems.error(entry, "Can not have a token and a users array");
  if (draft.users !== undefined) {
    addUsers(draft.users, { place: entry, account: undefined, permissions: draft.permissions }, nats, problems);
  }
}

function readPart(part: Entry, draft: Draft, nats: NatsOptions, problems: NatsProblems): void {
  switch (canonicalKey("nats.authorization", part.key)) {
    case "user":
      draft.user = problems.string(part) ?? "";
      break;
    case "password":
      draft.password = problems.string(part) ?? "";
      break;
    case "token":
      draft.token = problems.string(part) ?? "";
      break;
    case "timeout":
      nats.authTimeout = readSeconds(part) ?? nats.authTimeout;
      break;
    case "users":
      draft.users = readUsers(part, problems);
      break;
    case "default_permissions":
      draft.permissions = readPermissions(part, problems);
      break;
    default:
      problems.unknownField(part);
  }
}
