/** Which options a running server can change, and what that does to clients that are connected. */
import { type ClientSession, endSubscription, type SessionHost } from "./clients/mod.ts";
import type { ClientTlsOptions, EmbeddedNatsOptions } from "./options.ts";
import { isLater } from "../../protocol/units.ts";
import { quoted } from "../wire/frames.ts";
import { tlsFault } from "./security/mod.ts";

/** Options whose change needs a restart, by name; those of `next` that differ. */
export function notReloadable(current: EmbeddedNatsOptions, next: EmbeddedNatsOptions): string[] {
  const names: string[] = [];
  if (current.host !== next.host) names.push("host");
  // Any free port stays the one that was found.
  if (current.port !== next.port && next.port !== 0) names.push("port");
  if (current.serverName !== next.serverName) names.push("server_name");
  if ((current.tls === undefined) !== (next.tls === undefined)) names.push("tls");
  if (JSON.stringify(current.cluster) !== JSON.stringify(next.cluster)) names.push("cluster");
  return names;
}

/** The options that hold from now on: what cannot change stays. */
export function effectiveOptions(current: EmbeddedNatsOptions, next: EmbeddedNatsOptions): EmbeddedNatsOptions {
  const { host, port, serverName, tls, cluster } = current;
  const kept = { host, port, ...(serverName === undefined ? {} : { serverName }) };
  const newTls = tls === undefined || next.tls === undefined ? tls : next.tls;
  const { tls: _, cluster: __, ...rest } = next;
  return { ...rest, ...kept, ...(newTls && { tls: newTls }), ...(cluster && { cluster }) };
}

/** Closes the youngest connections beyond a limit that may have become lower; 0 or less: no limit. */
export function closeSurplus(sessions: readonly ClientSession[], maxConnections: number): void {
  if (maxConnections <= 0) return;
  for (const session of sessions.slice(maxConnections)) {
    session.fail("maximum connections exceeded", "Maximum Connections Exceeded");
  }
}

/** Puts a connected client under the new rules: out, or with the rights that it has now. */
export async function reauthorize(
  session: ClientSession,
  host: SessionHost,
  tls: ClientTlsOptions | undefined,
): Promise<void> {
  const secured = session.connection.tls;
  if (tls !== undefined && secured !== undefined && tlsFault(secured, tls) !== undefined) {
    return session.close("TLS Handshake Failure");
  }
  const answer = session.connected ? host.authenticate(session) : host.anonymous();
  const admission = isLater(answer) ? await answer : answer;
  if (session.closed) return;
  if (admission === undefined) return session.fail("Authorization Violation", "Authentication Failure");
  session.admit(admission);
  for (const subscription of [...session.subscriptions.values()]) {
    if (session.permissions?.maySubscribe(subscription.subject, subscription.queue) ?? true) continue;
    endSubscription(session, subscription);
    const subject = quoted(subscription.subject);
    session.complain(`Permissions Violation for Subscription to ${subject} (sid ${quoted(subscription.sid)})`);
  }
}
