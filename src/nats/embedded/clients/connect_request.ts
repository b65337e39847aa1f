/** Reads the JSON of CONNECT (spec nats-server, section 1.3). */

/** What a client asked for; the values before its first CONNECT are the protocol's defaults. */
export class ConnectRequest {
  verbose = true;
  pedantic = true;
  echo = true;
  protocol = 0;
  headers = false;
  noResponders = false;
  user = "";
  password = "";
  token = "";
  nkey = "";
  signature = "";
  jwt = "";
  name = "";
  lang = "";
  version = "";
  account = "";
  newAccount = false;
}

type Kind = "boolean" | "string" | "integer" | "ignored boolean";

const keys: Record<string, { readonly kind: Kind; readonly field: keyof ConnectRequest | undefined }> = {
  verbose: { kind: "boolean", field: "verbose" },
  pedantic: { kind: "boolean", field: "pedantic" },
  echo: { kind: "boolean", field: "echo" },
  headers: { kind: "boolean", field: "headers" },
  no_responders: { kind: "boolean", field: "noResponders" },
  tls_required: { kind: "ignored boolean", field: undefined },
  new_account: { kind: "boolean", field: "newAccount" },
  protocol: { kind: "integer", field: "protocol" },
  user: { kind: "string", field: "user" },
  pass: { kind: "string", field: "password" },
  auth_token: { kind: "string", field: "token" },
  nkey: { kind: "string", field: "nkey" },
  sig: { kind: "string", field: "signature" },
  jwt: { kind: "string", field: "jwt" },
  name: { kind: "string", field: "name" },
  lang: { kind: "string", field: "lang" },
  version: { kind: "string", field: "version" },
  account: { kind: "string", field: "account" },
};

const decoder = new TextDecoder();

/**
 * Lays what the JSON says over `request`. Keys match in any case, unknown ones and nulls change nothing. Returns `false`
 * for bad JSON and wrong types: the connection is closed without a word.
 */
export function readConnect(json: Uint8Array, request: ConnectRequest): boolean {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(json));
  } catch {
    return false;
  }
  if (parsed === null) return true;
  if (typeof parsed !== "object" || Array.isArray(parsed)) return false;
  for (const [key, value] of Object.entries(parsed)) {
    const rule = Object.hasOwn(keys, key.toLowerCase()) ? keys[key.toLowerCase()] : undefined;
    if (rule === undefined || value === null) continue;
    if (!fits(rule.kind, value)) return false;
    if (rule.field !== undefined) Object.assign(request, { [rule.field]: value });
  }
  return true;
}

function fits(kind: Kind, value: unknown): boolean {
  if (kind === "string") return typeof value === "string";
  if (kind === "integer") return Number.isSafeInteger(value);
  return typeof value === "boolean";
}
