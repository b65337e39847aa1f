/** Why the connection to a NATS server failed, in the words operators know from the NATS clients (spec cli-config-monitoring, section 7). */
import { NetworkFailed } from "../../ports/network.ts";

export type NatsFailureCode =
  | "NO_SERVERS"
  | "AUTHORIZATION"
  | "SECURE_NOT_AVAILABLE"
  | "CERTIFICATE"
  | "TIMEOUT"
  | "BAD_URL"
  | "BAD_CREDENTIALS"
  | "INVALID_SUBJECT"
  | "DISCONNECTED"
  | "PROTOCOL"
  | "OTHER";

/** An operating error of the connection to NATS. */
export class NatsFailed extends Error {
  override readonly name = "NatsFailed";
  constructor(readonly code: NatsFailureCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** What {@link connectBus} rejects with when no server of the list took the connection; `cause` is what the last one said. */
export function connectFailure(cause: unknown): NatsFailed {
  if (cause instanceof NatsFailed) return cause;
  const text = textOf(cause);
  const known = serverText(text);
  if (known !== undefined) return new NatsFailed(known.code, `nats: ${known.text}`, { cause });
  if (isNetworkCode(cause, "ECONNREFUSED")) return noServers(cause);
  if (isNetworkCode(cause, "ETIMEDOUT") || text === "timeout") {
    return new NatsFailed("TIMEOUT", "nats: timeout", { cause });
  }
  const certificate = certificateText(cause);
  if (certificate !== undefined) return new NatsFailed("CERTIFICATE", certificate, { cause });
  return new NatsFailed("OTHER", text.startsWith("nats: ") ? text : `nats: ${text}`, { cause });
}

/** Nobody listens at any address of the list. */
export function noServers(cause: unknown): NatsFailed {
  return new NatsFailed("NO_SERVERS", "nats: no servers available for connection", { cause });
}

/** The text of anything thrown. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The refusals that a server sends in `-ERR`, spelled as the Go client spells them. */
function serverText(text: string): { code: NatsFailureCode; text: string } | undefined {
  const lower = text.toLowerCase();
  if (lower.includes("authorization violation")) return { code: "AUTHORIZATION", text: "Authorization Violation" };
  if (lower.includes("authentication timeout")) return { code: "AUTHORIZATION", text: "Authentication Timeout" };
  if (lower.includes("user authentication expired")) return { code: "AUTHORIZATION", text: "authentication expired" };
  if (lower.includes("user authentication revoked")) return { code: "AUTHORIZATION", text: "authentication revoked" };
  if (lower.includes("account authentication expired")) {
    return { code: "AUTHORIZATION", text: "account authentication expired" };
  }
  return undefined;
}

/** What is wrong with a certificate, ours or the server's, in the words of Go's `crypto/x509` and `crypto/tls`. */
function certificateText(cause: unknown): string | undefined {
  if (!(cause instanceof NetworkFailed)) return undefined;
  switch (cause.code) {
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return "x509: certificate signed by unknown authority";
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return "x509: certificate has expired or is not yet valid";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return wrongNameText(cause.message);
  }
  const alert = /fatal alert: (\w+)/.exec(cause.message)?.[1];
  return alert && `remote error: tls:${alert.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`;
}

/** From `… Host: other. is not in the cert's altnames: DNS:localhost, IP Address:127.0.0.1`. */
function wrongNameText(text: string): string {
  const wanted = /Host: (\S+?)\.? is not|IP: (\S+) is not/.exec(text);
  const [name, address] = [wanted?.[1], wanted?.[2]];
  const kind = address === undefined ? "DNS" : "IP Address";
  const names = [...text.matchAll(new RegExp(`${kind}:([^,\\s]+)`, "g"))].map((match) => match[1]);
  const other = name ?? address;
  if (other === undefined) return `x509: ${text}`;
  if (names.length > 0) return `x509: certificate is valid for ${names.join(", ")}, not ${other}`;
  return address === undefined
    ? `x509: certificate is not valid for any names, but wanted to match ${other}`
    : `x509: cannot validate certificate for ${other} because it doesn't contain any IP SANs`;
}

function isNetworkCode(thrown: unknown, code: string): boolean {
  return thrown instanceof NetworkFailed && thrown.code === code;
}
