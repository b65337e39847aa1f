/** What a client's session asks of its server. */
import type { Account } from "../account.ts";
import type { Awaitable, Millis } from "../../../protocol/units.ts";
import type { ClientSession } from "./client_session.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Connection } from "../../../ports/network.ts";
import type { Delivery } from "../delivery.ts";
import type { Limits } from "../options.ts";
import type { Log } from "../../../ports/log.ts";
import type { Admission } from "../security/mod.ts";
import type { Slabs } from "../slabs.ts";
import type { Turn } from "../turn.ts";

/** Who an INFO is for. */
export interface InfoReader {
  readonly id: number;
  readonly connection: Connection;
  readonly nonce: string;
  /** Its own, where it is known already. */
  readonly limits?: { readonly maxPayload: number };
}

export interface SessionHost {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly turn: Turn;
  readonly delivery: Delivery;
  readonly slabs: Slabs;
  /** The account of connections that are nobody in particular. */
  readonly globalAccount: Account;
  /** Whether clients may use headers. */
  readonly headers: boolean;
  /** Whether a connection must say who it is before anything else. */
  readonly credentialsRequired: boolean;
  /** Whether a user or key of this name is configured. */
  knowsUser(name: string): boolean;
  /** As whom commands before CONNECT are taken; `undefined` while credentials are required. */
  anonymous(): Admission | undefined;
  /** Checks what CONNECT said; `undefined`: no. Slow checks answer later. */
  authenticate(session: ClientSession): Awaitable<Admission | undefined>;
  /** The INFO for this client, as of now. */
  infoFor(client: InfoReader): object;
  /** Counts up with each change that clients are told of. */
  readonly infoVersion: number;
  /** A random wait to be added to a first ping, at most `upTo`. */
  spread(upTo: Millis): Millis;
  slowConsumer(session: ClientSession): void;
  /** Called once when the session is over; its counters no longer change. */
  sessionClosed(session: ClientSession): void;
}
