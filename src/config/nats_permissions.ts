/** Reads permissions of users and routes of the NATS server (spec cli-config-monitoring, section 2.5). */
import type { NatsPermissions, ResponsePermission, SubjectPermission } from "./nats_options.ts";
import type { NatsProblems } from "./nats_problems.ts";
import { canonicalKey } from "./option_rows.ts";
import { ConfigMap, type Entry, natsKind, type Node, shownValue } from "./tree.ts";
import { parseDuration } from "./values.ts";

const DEFAULT_RESPONSES: ResponsePermission = { max: 1, expires: 120_000 };

/** Reads a permissions map; `undefined` after noting an error. `placed`: the error about its type names a place. */
export function readPermissions(entry: Node, problems: NatsProblems, placed = true): NatsPermissions | undefined {
  if (!(entry.value instanceof ConfigMap)) {
    const text = `Expected permissions to be a map/struct, got ${shownValue(entry.value)}`;
    if (placed) problems.error(entry, text);
    else problems.errors.push(text);
    return undefined;
  }
  const permissions: NatsPermissions = {};
  for (const part of entry.value.entries.values()) {
    switch (canonicalKey("nats.permissions", part.key)) {
      case "publish": {
        const subjects = readSubjectPermission(part, problems);
        if (subjects !== undefined) permissions.publish = subjects;
        break;
      }
      case "subscribe": {
        const subjects = readSubjectPermission(part, problems);
        if (subjects !== undefined) permissions.subscribe = subjects;
        break;
      }
      case "allow_responses": {
        const responses = readResponses(part, problems);
        if (responses !== undefined) permissions.allowResponses = responses;
        break;
      }
      default:
        if (!part.used) problems.error(part, `Unknown field "${part.key}" parsing permissions`);
    }
  }
  if (permissions.allowResponses !== undefined) {
    permissions.publish ??= {};
    permissions.publish.allow ??= [];
  }
  return permissions;
}

function readSubjectPermission(entry: Entry, problems: NatsProblems): SubjectPermission | undefined {
  if (!(entry.value instanceof ConfigMap)) {
    const allow = readSubjects(entry, problems, false);
    return allow === undefined ? undefined : { allow };
  }
  const permission: SubjectPermission = {};
  for (const part of entry.value.entries.values()) {
    const name = part.key.toLowerCase();
    if (name !== "allow" && name !== "deny") {
      if (part.used) continue;
      problems.error(
        part,
        `Unknown field name "${part.key}" parsing subject permissions, only 'allow' or 'deny' are permitted`,
      );
      continue;
    }
    const subjects = readSubjects(part, problems, true);
    if (subjects !== undefined) permission[name] = subjects;
  }
  return permission;
}

/** One subject or several. Some of these errors name no place, as operators know them. */
function readSubjects(entry: Node, problems: NatsProblems, placed: boolean): string[] | undefined {
  const nodes = Array.isArray(entry.value) ? entry.value : [entry];
  const subjects: string[] = [];
  for (const node of nodes) {
    const { value } = node;
    if (typeof value !== "string") {
      const inArray = Array.isArray(entry.value);
      const text = inArray
        ? "Subject in permissions array cannot be cast to string"
        : `Expected subject permissions to be a subject, or array of subjects, got ${natsKind(value)}`;
      if (placed || inArray) problems.error(node, text);
      else problems.errors.push(text);
      return undefined;
    }
    if (!isValidPermissionSubject(value)) {
      problems.errors.push(`subject "${value}" is not a valid subject`);
      return undefined;
    }
    subjects.push(value);
  }
  return subjects;
}

/** A subject, with or without a queue group behind it. */
function isValidPermissionSubject(text: string): boolean {
  const parts = text.trim().split(/[ \t]+/);
  return parts.length <= 2 && isValidSubject(parts[0] ?? "");
}

/** No empty token, `>` only at the end. */
export function isValidSubject(subject: string): boolean {
  const tokens = subject.split(".");
  return tokens.every((token, index) => token !== "" && (token !== ">" || index === tokens.length - 1));
}

function readResponses(entry: Entry, problems: NatsProblems): ResponsePermission | undefined {
  if (typeof entry.value === "boolean") return entry.value ? { ...DEFAULT_RESPONSES } : undefined;
  if (!(entry.value instanceof ConfigMap)) {
    problems.error(entry, "error parsing response permissions, expected a boolean or a map");
    return undefined;
  }
  const responses = { ...DEFAULT_RESPONSES };
  for (const part of entry.value.entries.values()) {
    const key = part.key.toLowerCase();
    if (["max", "max_msgs", "max_messages", "max_responses"].includes(key)) {
      const max = problems.integer(part);
      if (max !== undefined && max !== 0) responses.max = max;
    } else if (["expires", "expiration", "ttl"].includes(key)) {
      const expires = readExpires(part, problems);
      if (expires !== undefined && expires !== 0) responses.expires = expires;
    } else if (!part.used) problems.error(part, `Unknown field "${part.key}" parsing permissions`);
  }
  return responses;
}

function readExpires(entry: Entry, problems: NatsProblems): number | undefined {
  if (typeof entry.value !== "string") {
    problems.error(entry, "error parsing expires, not a duration string");
    return undefined;
  }
  try {
    return Number(parseDuration(entry.value)) / 1e6;
  } catch (cause) {
    problems.error(entry, `error parsing expires: ${(cause as Error).message}`);
    return undefined;
  }
}
