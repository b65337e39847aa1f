/** The NATS server inside: accepts clients, advertises itself, opens buses for this process, closes. */
import { Account, GLOBAL_ACCOUNT, type LocalInterestListener } from "./account.ts";
import type { Address, Connection, Listener, Network } from "../../ports/network.ts";
import { Authorization } from "./authorization.ts";
import { ClientSession } from "./client_session.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import { Delivery } from "./delivery.ts";
import { type EmbeddedNatsOptions, type Limits, limitsOf } from "./options.ts";
import { errorFrame, infoFrame } from "../wire/frames.ts";
import { InProcessBus } from "./in_process_bus.ts";
import type { Log } from "../../ports/log.ts";
import type { MessageBus } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import { newNonce, newServerId } from "./identity.ts";
import { Nuid } from "../../protocol/nuid.ts";
import type { Random } from "../../ports/random.ts";
import type { SessionHost } from "./session_host.ts";
import { Slabs } from "./slabs.ts";
import { Turn } from "./turn.ts";

/** What the server stands on. */
export interface NatsServerPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Messages and bytes of connections that are gone. */
export class Totals {
  connections = 0;
  slowConsumers = 0;
  inMessages = 0;
  inBytes = 0;
  outMessages = 0;
  outBytes = 0;
}

/** Starts a server; resolves when clients can connect. Rejects with NetworkFailed, e.g. when the port is taken. */
export async function startNatsServer(options: EmbeddedNatsOptions, ports: NatsServerPorts): Promise<NatsServer> {
  const listener = await ports.network.listen({
    host: options.host,
    port: options.port,
    ...(options.tls === undefined ? {} : { upgradable: true }),
  });
  return new NatsServer(options, ports, listener);
}

export class NatsServer implements SessionHost {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly turn: Turn;
  readonly delivery: Delivery;
  readonly slabs = new Slabs();
  readonly globalAccount: Account;
  readonly accounts = new Map<string, Account>();
  readonly sessions = new Map<number, ClientSession>();
  readonly totals = new Totals();
  readonly started: bigint;
  infoVersion = 0;
  #options: EmbeddedNatsOptions;
  readonly #ports: NatsServerPorts;
  readonly #listener: Listener;
  readonly #nuid: Nuid;
  readonly #buses = new Set<InProcessBus>();
  #authorization: Authorization;
  #lastClientId = 0;
  #closing = false;
  #nextSweep: Cancel | undefined;
  #localInterestChanged: LocalInterestListener = () => {};

  constructor(options: EmbeddedNatsOptions, ports: NatsServerPorts, listener: Listener) {
    this.#options = options;
    this.#ports = ports;
    this.#listener = listener;
    this.clock = ports.clock;
    this.log = ports.log;
    this.random = ports.random;
    this.limits = limitsOf(options);
    this.serverId = newServerId(ports.random);
    this.serverName = options.serverName ?? this.serverId;
    this.version = options.version ?? "2.9.24";
    this.started = ports.clock.wall();
    this.turn = new Turn(ports.clock);
    this.delivery = new Delivery(ports.random);
    this.#nuid = new Nuid(ports.random);
    this.globalAccount = this.account(GLOBAL_ACCOUNT);
    for (const name of options.accounts ?? []) this.account(name);
    this.#authorization = new Authorization(options.authorization ?? {}, this.globalAccount);
    void this.#accept();
    this.#sweep();
  }

  /** Where clients connect. */
  get address(): Address {
    return this.#listener.address;
  }

  /** e.g. `nats://127.0.0.1:4222`. */
  get url(): string {
    const { host, port } = this.address;
    return `nats://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  /** A bus of this process; counts as an internal client that monitoring does not list. */
  openBus(name: string): MessageBus {
    const bus = new InProcessBus(name, this);
    this.#buses.add(bus);
    return bus;
  }

  /** Tells routes which subjects this server's own clients want. One listener. */
  onLocalInterest(listener: LocalInterestListener): void {
    this.#localInterestChanged = listener;
  }

  /** The account of a name, made when missing. */
  account(name: string): Account {
    let account = this.accounts.get(name);
    if (account === undefined) {
      account = new Account(name, (...change) => this.#localInterestChanged(...change));
      this.accounts.set(name, account);
    }
    return account;
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#nextSweep?.();
    this.#listener.close();
    for (const bus of [...this.#buses]) await bus.close();
    for (const session of [...this.sessions.values()]) session.close("Server Shutdown", true);
  }

  get credentialsRequired(): boolean {
    return this.#authorization.required;
  }

  anonymous() {
    return this.#authorization.anonymous();
  }

  authenticate(session: ClientSession) {
    return this.#authorization.check(session);
  }

  infoFor(session: ClientSession): object {
    return {
      server_id: this.serverId,
      server_name: this.serverName,
      version: this.version,
      proto: 1,
      go: "deno",
      host: this.#options.host,
      port: this.address.port,
      headers: true,
      ...(this.credentialsRequired ? { auth_required: true } : {}),
      max_payload: this.limits.maxPayload,
      client_id: session.id,
      client_ip: session.connection.remote.host,
    };
  }

  spread(upTo: Millis): Millis {
    return this.random.below(1_000) / 1_000 * upTo;
  }

  uniqueId(): string {
    return this.#nuid.next();
  }

  slowConsumer(session: ClientSession): void {
    this.totals.slowConsumers++;
    this.log.warn(`${session} - Slow Consumer Detected: MaxPending of ${this.limits.maxPending} Exceeded`);
  }

  sessionClosed(session: ClientSession, _reason: string): void {
    if (!this.sessions.delete(session.id)) return;
    this.totals.inMessages += session.inMessages;
    this.totals.inBytes += session.inBytes;
    this.totals.outMessages += session.outMessages;
    this.totals.outBytes += session.outBytes;
  }

  busClosed(bus: InProcessBus): void {
    this.#buses.delete(bus);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.#listener.accept();
      if (connection === undefined) return;
      if (this.#closing) connection.close();
      else this.#welcome(connection);
    }
  }

  #welcome(connection: Connection): void {
    const session = new ClientSession(++this.#lastClientId, connection, this, newNonce(this.random));
    this.totals.connections++;
    const { maxConnections } = this.limits;
    if (maxConnections > 0 && this.sessions.size >= maxConnections) {
      session.outbox.write(infoFrame(this.infoFor(session)));
      session.outbox.write(errorFrame("maximum connections exceeded"));
      session.close("Maximum Connections Exceeded", true);
      return;
    }
    this.sessions.set(session.id, session);
    void session.run(false);
  }

  /** Closes clients whose write has been stuck for too long. */
  #sweep(): void {
    const { writeDeadline } = this.limits;
    const now = this.clock.now();
    for (const session of this.sessions.values()) {
      const since = session.outbox.writingSince;
      if (since === 0 || now - since < writeDeadline) continue;
      this.totals.slowConsumers++;
      this.log.warn(`${session} - Slow Consumer Detected: WriteDeadline of ${writeDeadline / 1000}s exceeded`);
      session.close("Slow Consumer (Write Deadline)");
    }
    this.#nextSweep = this.clock.wakeAt(now + Math.min(1_000, writeDeadline / 4), () => this.#sweep());
  }
}
