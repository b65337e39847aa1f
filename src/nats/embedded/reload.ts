/** Which options a running server can change, and what that does to clients that are connected. */
import { type ClientSession, endSubscription, type SessionHost } from "./clients/mod.ts";
import type { EmbeddedNatsOptions } from "./options.ts";
import { isLater } from "../../protocol/units.ts";
import { quoted } from "../wire/frames.ts";

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

/** Puts a connected client under the new rules: out, or with the rights that it has now. */
export async function reauthorize(session: ClientSession, host: SessionHost): Promise<void> {
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
