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

function isNetworkCode(thrown: unknown, code: string): boolean {
  return thrown instanceof NetworkFailed && thrown.code === code;
}
