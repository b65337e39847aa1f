/** Which options a running server can change, and what that does to clients that are connected. */
import { type ClientSession, endSubscription, type SessionHost } from "./clients/mod.ts";
import type { ClientTlsOptions, EmbeddedNatsOptions } from "./options.ts";
import { isLater } from "../../protocol/units.ts";
import { quoted } from "../wire/frames.ts";
import { effectiveCluster, fixedInCluster } from "./routes/mod.ts";
import { tlsFault } from "./security/mod.ts";

/** Options whose change needs a restart, by name; those of `next` that differ. */
export function notReloadable(current: EmbeddedNatsOptions, next: EmbeddedNatsOptions): string[] {
  const names: string[] = [];
  if (current.host !== next.host) names.push("host");
  // Any free port stays the one that was found.
  if (current.port !== next.port && next.port !== 0) names.push("port");
  if (current.serverName !== next.serverName) names.push("server_name");
  if ((current.tls === undefined) !== (next.tls === undefined)) names.push("tls");
  return [...names, ...fixedInCluster(current.cluster, next.cluster)];
}

/** The options that hold from now on: what cannot change stays. */
export function effectiveOptions(current: EmbeddedNatsOptions, next: EmbeddedNatsOptions): EmbeddedNatsOptions {
  const { host, port, serverName, tls, cluster } = current;
  const kept = { host, port, ...(serverName === undefined ? {} : { serverName }) };
  const newTls = tls === undefined || next.tls === undefined ? tls : next.tls;
  const newCluster = cluster === undefined || next.cluster === undefined
    ? cluster
    : effectiveCluster(cluster, next.cluster);
  const { tls: _, cluster: __, ...rest } = next;
  return { ...rest, ...kept, ...(newTls && { tls: newTls }), ...(newCluster && { cluster: newCluster }) };
}

/** Puts connected clients, the oldest first, under the options that hold now. */
export function reloadSessions(
  sessions: readonly ClientSession[],
  host: SessionHost,
  before: EmbeddedNatsOptions,
  after: EmbeddedNatsOptions,
): void {
  const asBefore = sameAuthorization(before, after);
  for (const session of sessions) {
    if (!staysSecured(session, after.tls)) session.close("TLS Handshake Failure");
    else if (asBefore) session.applyLimits();
    else void reauthorize(session, host);
  }
  const { maxConnections } = host.limits;
  if (maxConnections <= 0) return;
  for (const session of sessions.filter(({ closed }) => !closed).slice(maxConnections)) {
    session.fail("maximum connections exceeded", "Maximum Connections Exceeded");
  }
}

/** Whether everybody may do what it might before. */
function sameAuthorization(before: EmbeddedNatsOptions, after: EmbeddedNatsOptions): boolean {
  const said = ({ authorization, accounts, tls }: EmbeddedNatsOptions) =>
    JSON.stringify([authorization ?? {}, accounts ?? [], tls?.verifyAndMap === true]);
  return said(before) === said(after);
}

/** Whether a client's TLS session would still be taken. */
function staysSecured({ connection }: ClientSession, tls: ClientTlsOptions | undefined): boolean {
  return tls === undefined || connection.tls === undefined || tlsFault(connection.tls, tls) === undefined;
}

/**
 * Puts a connected client under the new rules: out, or with the rights that it has now. One whose user is gone, or belongs
 * to another account, is not told why, as in the reference: it may come again as somebody else.
 */
async function reauthorize(session: ClientSession, host: SessionHost): Promise<void> {
  const { request } = session;
  const name = request.nkey || request.user || session.user;
  if (name !== "" && !host.knowsUser(name)) return session.close("Client Closed");
  const answer = session.connected ? host.authenticate(session) : host.anonymous();
  const admission = isLater(answer) ? await answer : answer;
  if (session.closed) return;
  if (admission === undefined) return session.fail("Authorization Violation", "Authentication Failure");
  if (admission.account !== session.account) return session.close("Client Closed");
  session.admit(admission);
  for (const subscription of [...session.subscriptions.values()]) {
    if (session.permissions?.maySubscribe(subscription.subject, subscription.queue) ?? true) continue;
    endSubscription(session, subscription);
    const subject = quoted(subscription.subject);
    session.complain(`Permissions Violation for Subscription to ${subject} (sid ${quoted(subscription.sid)})`);
  }
}
