/** A connection as monitoring shows it, as plain values: nothing of a closed session is kept but these. */
import type { ClientSession } from "../clients/mod.ts";
import { GLOBAL_ACCOUNT } from "../account.ts";
import type { InProcessBus } from "../in_process_bus.ts";
import type { Millis, Nanos } from "../../../protocol/units.ts";
import type { Subscription } from "../subjects/mod.ts";

/** What pages say of a subscription; texts hold one character a byte. */
export interface SubscriptionFacts {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly sid: string;
  readonly delivered: number;
  readonly max: number;
}

export interface ConnectionView {
  readonly id: number;
  readonly ip: string;
  readonly port: number;
  readonly started: Nanos;
  readonly lastActivity: Nanos;
  /** 0 while it is open. */
  readonly stopped: Nanos;
  readonly reason: string;
  /** 0 when unknown. */
  readonly roundTrip: Millis;
  readonly pending: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly subscriptionCount: number;
  readonly subscriptions: readonly SubscriptionFacts[];
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  readonly user: string;
  readonly account: string;
  readonly tlsVersion: string;
  readonly tlsCipher: string;
}

/** Subscriptions of a closed connection that are remembered. */
const REMEMBERED = 64;

/** The round trip of a bus, which is a call. */
const IN_PROCESS: Millis = 0.001;

/** A client. Of a closed one, only the first few subscriptions are told. */
export function viewOfSession(session: ClientSession): ConnectionView {
  const { connection, request } = session;
  const subscriptions: SubscriptionFacts[] = [];
  for (const subscription of session.subscriptions.values()) {
    if (session.closed && subscriptions.length >= REMEMBERED) break;
    subscriptions.push(factsOf(subscription));
  }
  return {
    id: session.id,
    ip: connection.remote.host,
    port: connection.remote.port,
    started: session.started,
    lastActivity: session.lastActivity,
    stopped: session.stopped,
    reason: session.closeReason,
    roundTrip: session.roundTrip,
    pending: session.outbox.pending,
    inMessages: session.inMessages,
    outMessages: session.outMessages,
    inBytes: session.inBytes,
    outBytes: session.outBytes,
    subscriptionCount: session.subscriptions.size,
    subscriptions,
    name: request.name,
    lang: request.lang,
    version: request.version,
    user: session.user,
    account: session.account.name,
    tlsVersion: connection.tls?.version ?? "",
    tlsCipher: connection.tls?.cipher ?? "",
  };
}

/** A bus of this process, at the address that clients connect to, with the server's own `version`. */
export function viewOfBus(
  bus: InProcessBus,
  address: { host: string; port: number },
  now: Nanos,
  version: string,
): ConnectionView {
  const subscriptions: SubscriptionFacts[] = [];
  bus.forEachSubscription((subscription) => subscriptions.push(factsOf(subscription)));
  return {
    id: bus.id,
    ip: address.host,
    port: address.port,
    started: bus.started,
    lastActivity: now,
    stopped: 0n,
    reason: "",
    roundTrip: IN_PROCESS,
    pending: 0,
    inMessages: bus.inMessages,
    outMessages: bus.outMessages,
    inBytes: bus.inBytes,
    outBytes: bus.outBytes,
    subscriptionCount: subscriptions.length,
    subscriptions,
    name: bus.name,
    lang: "deno",
    version,
    user: "",
    account: GLOBAL_ACCOUNT,
    tlsVersion: "",
    tlsCipher: "",
  };
}

function factsOf({ subject, queue, sid, delivered, max }: Subscription): SubscriptionFacts {
  return { subject, queue, sid, delivered, max };
}
