/** How a connection begins: INFO and TLS, in the order that the options say (spec nats-server, section 4.7). */
import type { ClientTlsOptions } from "./options.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Connection, type Network, NetworkFailed } from "../../ports/network.ts";
import type { Millis } from "../../protocol/units.ts";
import { PeekableConnection } from "./peekable.ts";
import { tlsFault } from "./security/mod.ts";

/** The first byte of a TLS handshake. */
const HANDSHAKE = 0x16;

/** A connection ready for its session, and whether the client has had its INFO. */
export interface Greeted {
  readonly connection: Connection;
  readonly informed: boolean;
}

export interface GreetingParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly tls: ClientTlsOptions;
  /** The INFO line for this client. */
  info(): Uint8Array;
}

/** Brings a new connection to where commands begin. Rejects with NetworkFailed; the connection is of no use then. */
export async function greet(raw: Connection, parts: GreetingParts): Promise<Greeted> {
  const { tls } = parts;
  const first = tls.handshakeFirst ?? false;
  if (typeof first === "boolean" && tls.allowNonTls !== true) {
    if (!first) await raw.write(parts.info());
    return { connection: await secure(raw, parts), informed: !first };
  }
  const connection = new PeekableConnection(raw);
  if (first === true) return { connection: await secure(connection, parts), informed: false };
  if (first !== false && await startsTlsWithin(connection, first, parts.clock)) {
    return { connection: await secure(connection, parts), informed: false };
  }
  await connection.write(parts.info());
  if (tls.allowNonTls === true && await connection.peek() !== HANDSHAKE) return { connection, informed: true };
  return { connection: await secure(connection, parts), informed: true };
}

async function secure(connection: Connection, { network, tls }: GreetingParts): Promise<Connection> {
  const verify = tls.verify === true || tls.verifyAndMap === true;
  const secured = await network.secureServer(connection, { ...tls, verify });
  const fault = tlsFault(secured.tls, tls);
  if (fault === undefined) return secured;
  secured.close();
  throw new NetworkFailed("", `TLS handshake error: ${fault}`);
}

/** Whether a TLS handshake begins in time. What is read for that stays readable. */
async function startsTlsWithin(connection: PeekableConnection, wait: Millis, clock: Clock): Promise<boolean> {
  let cancel = () => {};
  const silence = new Promise<number>((resolve) => {
    cancel = clock.wakeAt(clock.now() + wait, () => resolve(-1));
  });
  const look = connection.peek();
  // A failed read is met again by whoever reads next.
  look.catch(() => {});
  try {
    return await Promise.race([look, silence]) === HANDSHAKE;
  } finally {
    cancel();
  }
}
