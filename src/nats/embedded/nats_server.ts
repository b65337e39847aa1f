/** The NATS server inside: accepts clients, advertises itself, opens buses for this process, closes. */
import { Account, GLOBAL_ACCOUNT, type LocalInterestListener } from "./account.ts";
import { type Address, type Connection, type Listener, type Network, NetworkFailed } from "../../ports/network.ts";
import { Authorization } from "./security/mod.ts";
import { hostPort, ownUrls } from "./addresses.ts";
import { clientInfo, ClientSession, type InfoReader, type SessionHost } from "./clients/mod.ts";
import { type ClusterView, initialCluster } from "./cluster_view.ts";
import type { Page } from "../../protocol/json_page.ts";
import { ClosedClients, monitoringPage, type ShownServer, viewOfSession } from "./pages/mod.ts";
import { ConnectionRate } from "./connection_rate.ts";
import { closeOneByOne } from "./lame_duck.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import { Delivery } from "./delivery.ts";
import { type EmbeddedNatsOptions, type Limits, limitsOf } from "./options.ts";
import { errorFrame, infoFrame } from "../wire/frames.ts";
import { greet } from "./greeting.ts";
import { InProcessBus } from "./in_process_bus.ts";
import type { Log } from "../../ports/log.ts";
import type { MessageBus } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import { newNonce, newServerId } from "./identity.ts";
import { effectiveOptions, notReloadable, reloadSessions } from "./reload.ts";
import { noRoutes, type RouteHost, type Routes, type RouteTable } from "./routes/mod.ts";
import { Nuid } from "../../protocol/nuid.ts";
import type { PasswordHasher } from "../../ports/password_hasher.ts";
import type { Random } from "../../ports/random.ts";
import { Slabs } from "./slabs.ts";
import { Totals } from "./totals.ts";
import { Turn } from "./turn.ts";

/** What the server stands on. */
export interface NatsServerPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Needed where passwords are configured as bcrypt hashes. The server does not close it. */
  readonly passwords?: PasswordHasher;
}

/** How long to wait before accepting again after a failure. */
const ACCEPT_PAUSE: Millis = 100;

export class NatsServer implements SessionHost, RouteHost, ShownServer {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly limits: Limits;
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly turn: Turn;
  readonly delivery: Delivery;
  readonly slabs = new Slabs();
  readonly globalAccount: Account;
  readonly accounts = new Map<string, Account>();
  readonly sessions = new Map<number, ClientSession>();
  readonly closedClients = new ClosedClients();
  readonly buses = new Set<InProcessBus>();
  readonly totals = new Totals();
  readonly started: bigint;
  /** When the options last changed, wall time. */
  configured: bigint;
  infoVersion = 0;
  lameDuckMode = false;
  routes: RouteTable = noRoutes;
  #options: EmbeddedNatsOptions;
  readonly #listener: Listener;
  readonly #nuid: Nuid;
  readonly #passwords: PasswordHasher | undefined;
  readonly #rate: ConnectionRate;
  #authorization: Authorization;
  #cluster: ClusterView;
  /** Connections that are not sessions yet. */
  readonly #arriving = new Set<Connection>();
  /** Ends with the listener: only then the port is free. */
  readonly #accepting: Promise<void>;
  #lastClientId = 0;
  #closing = false;
  #nextSweep: Cancel | undefined;
  #localInterestChanged: LocalInterestListener = () => {};

  constructor(options: EmbeddedNatsOptions, ports: NatsServerPorts, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.network = ports.network;
    this.clock = ports.clock;
    this.log = ports.log;
    this.#passwords = ports.passwords;
    this.random = ports.random;
    this.limits = limitsOf(options);
    this.serverId = newServerId(ports.random);
    this.serverName = options.serverName || this.serverId;
    this.version = options.version ?? "2.9.24";
    this.started = this.configured = ports.clock.wall();
    this.turn = new Turn(ports.clock);
    this.delivery = new Delivery(ports.random);
    this.#rate = new ConnectionRate(ports.clock, ports.log);
    this.#nuid = new Nuid(ports.random);
    this.#cluster = initialCluster(options.cluster);
    this.globalAccount = this.account(GLOBAL_ACCOUNT);
    this.#setAccounts(options);
    this.#authorization = this.#authorizationOf(options);
    this.#accepting = this.#accept();
    this.#sweep();
  }

  get options(): EmbeddedNatsOptions {
    return this.#options;
  }

  /** Where clients connect. */
  get address(): Address {
    return this.#listener.address;
  }

  /** e.g. `nats://127.0.0.1:4222`. */
  get url(): string {
    return `nats://${hostPort(this.address.host, this.address.port)}`;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** A bus of this process, in the global account. `listed`: monitoring shows it among the connections. */
  openBus(name: string, listed = false): MessageBus {
    const bus = new InProcessBus(name, listed ? ++this.#lastClientId : 0, this);
    this.buses.add(bus);
    return bus;
  }

  /** Answers a monitoring path such as `/varz`; `undefined` for paths that are not NATS' own. */
  monitoring(path: string, query: URLSearchParams): Page | undefined {
    return monitoringPage(this, path, query);
  }

  /** Becomes part of a mesh with other servers. */
  join(routes: Routes): void {
    this.routes = routes;
    this.#localInterestChanged = routes.localInterestChanged;
    routes.start();
  }

  nextConnectionId(): number {
    return ++this.#lastClientId;
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

  /** Client URLs of this server, as `host:port`. */
  get clientUrls(): string[] {
    return ownUrls(this.#options, this.address.port);
  }

  /** What clients are told of the cluster; they hear of a change at once. */
  setCluster(cluster: ClusterView): void {
    this.#cluster = cluster;
    this.#tellInfo();
  }

  routeAdded(): void {
    for (const bus of this.buses) bus.tellTopology();
  }

  get cluster(): ClusterView {
    return this.#cluster;
  }

  /** Applies what can change while clients are connected; answers the names of what cannot. */
  reload(options: EmbeddedNatsOptions): string[] {
    const before = this.#options;
    const refused = notReloadable(before, options);
    const effective = effectiveOptions(before, options);
    const maxPayload = this.limits.maxPayload;
    this.#options = effective;
    this.configured = this.clock.wall();
    Object.assign(this.limits, limitsOf(effective));
    this.#setAccounts(effective);
    this.#authorization = this.#authorizationOf(effective);
    if (effective.cluster !== undefined) this.routes.reload(effective.cluster);
    reloadSessions([...this.sessions.values()], this, before, effective);
    if (maxPayload !== this.limits.maxPayload) this.#tellInfo();
    return refused;
  }

  /** Takes no new clients and sends the present ones away, a few at a time; resolves when all are gone. */
  async lameDuck(): Promise<void> {
    if (this.lameDuckMode || this.#closing) return;
    this.lameDuckMode = true;
    this.#listener.close();
    this.routes.lameDuck();
    this.#tellInfo();
    await closeOneByOne({
      clock: this.clock,
      duration: this.limits.lameDuckDuration,
      grace: this.limits.lameDuckGrace,
      sessions: () => [...this.sessions.values()],
    });
  }

  /** Stops; what clients were sent before still goes out, for a second at most. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#nextSweep?.();
    this.#rate.close();
    this.#listener.close();
    for (const connection of this.#arriving) connection.close();
    await this.routes.close();
    for (const bus of [...this.buses]) await bus.close();
    const sessions = [...this.sessions.values()];
    for (const session of sessions) session.close("Server Shutdown", true);
    await Promise.all(sessions.map((session) => session.ended));
    await this.#accepting;
  }

  get credentialsRequired(): boolean {
    return this.#authorization.required;
  }

  get headers(): boolean {
    return this.#options.noHeaders !== true;
  }

  knowsUser(name: string): boolean {
    return this.#authorization.knows(name);
  }

  anonymous() {
    return this.#authorization.anonymous();
  }

  authenticate(session: ClientSession) {
    const { request, nonce, connection } = session;
    return this.#authorization.check({ request, nonce, certificate: connection.tls?.peer });
  }

  infoFor(client: InfoReader): object {
    return clientInfo({
      serverId: this.serverId,
      serverName: this.serverName,
      version: this.version,
      options: this.#options,
      port: this.address.port,
      maxPayload: client.limits?.maxPayload ?? this.limits.maxPayload,
      authRequired: this.credentialsRequired,
      cluster: this.#cluster,
      lameDuck: this.lameDuckMode,
    }, {
      id: client.id,
      address: client.connection.remote.host,
      nonce: client.nonce === "" ? undefined : client.nonce,
    });
  }

  spread(upTo: Millis): Millis {
    return this.random.below(1_000) / 1_000 * upTo;
  }

  uniqueId(): string {
    return this.#nuid.next();
  }

  slowConsumer(session: ClientSession): void {
    this.totals.slowConsumers++;
    this.log.notice(`${session} - Slow Consumer Detected: MaxPending of ${this.limits.maxPending} Exceeded`);
  }

  sessionClosed(session: ClientSession): void {
    this.closedClients.add(viewOfSession(session), this.limits.maxClosedClients);
    if (this.sessions.delete(session.id)) this.totals.add(session);
  }

  busClosed(bus: InProcessBus): void {
    if (this.buses.delete(bus)) this.totals.add(bus);
  }

  #authorizationOf(options: EmbeddedNatsOptions): Authorization {
    return new Authorization(options.authorization ?? {}, {
      clock: this.clock,
      passwords: this.#passwords,
      account: (name) => name === undefined ? this.globalAccount : this.account(name),
      mapCertificates: options.tls?.verifyAndMap === true,
    });
  }

  #setAccounts({ accounts }: EmbeddedNatsOptions): void {
    for (const { name, ...limits } of accounts ?? []) this.account(name).limits = limits;
  }

  #tellInfo(): void {
    this.infoVersion++;
    for (const session of this.sessions.values()) session.tellInfo();
  }

  async #accept(): Promise<void> {
    for (;;) {
      let connection: Connection | undefined;
      try {
        connection = await this.#listener.accept();
      } catch (error) {
        if (!(error instanceof NetworkFailed)) throw error;
        if (this.#closing) return;
        // Out of file descriptors, most likely: others will be closed.
        this.log.error(`Error accepting a client: ${error.message}`);
        await new Promise<void>((resolve) => void this.clock.wakeAt(this.clock.now() + ACCEPT_PAUSE, resolve));
        continue;
      }
      if (connection === undefined) return;
      if (this.#closing) connection.close();
      else this.#welcome(connection);
    }
  }

  #welcome(connection: Connection): void {
    const id = ++this.#lastClientId;
    const nonce = this.#authorization.challenges ? newNonce(this.random) : "";
    this.totals.connections++;
    const { maxConnections } = this.limits;
    const { tls } = this.#options;
    if (maxConnections > 0 && this.sessions.size + this.#arriving.size >= maxConnections) {
      const session = new ClientSession(id, connection, this, nonce);
      this.#refuse(session, "maximum connections exceeded");
    } else if (tls === undefined) {
      this.#begin(new ClientSession(id, connection, this, nonce), false);
    } else if (!this.#rate.admits(tls.connectionRate ?? 0)) {
      const session = new ClientSession(id, connection, this, nonce);
      this.#refuse(session, "Connection throttling is active. Please try again later.");
    } else {
      void this.#secure(id, connection, nonce);
    }
  }

  /** Says why, in plain text, unless not even INFO may be said so. */
  #refuse(session: ClientSession, text: string): void {
    if (this.#options.tls?.handshakeFirst !== true) {
      session.outbox.write(infoFrame(this.infoFor(session)));
      session.outbox.write(errorFrame(text));
    }
    session.close("Maximum Connections Exceeded", true);
  }

  /** TLS takes its time: until it is done, the connection is no session. */
  async #secure(id: number, connection: Connection, nonce: string): Promise<void> {
    this.#arriving.add(connection);
    try {
      const greeted = await greet(connection, {
        network: this.network,
        clock: this.clock,
        tls: this.#options.tls!,
        info: () => infoFrame(this.infoFor({ id, connection, nonce })),
      });
      if (this.#closing) greeted.connection.close();
      else this.#begin(new ClientSession(id, greeted.connection, this, nonce), greeted.informed);
    } catch (error) {
      if (!(error instanceof NetworkFailed)) throw error;
      this.log.error(`${connection.remote.host}:${connection.remote.port} - cid:${id} - ${error.message}`);
      new ClientSession(id, connection, this, nonce).close("TLS Handshake Failure");
    } finally {
      this.#arriving.delete(connection);
    }
  }

  #begin(session: ClientSession, informed: boolean): void {
    this.sessions.set(session.id, session);
    void session.run(informed);
  }

  /** Closes clients whose write has been stuck for too long. */
  #sweep(): void {
    const { writeDeadline } = this.limits;
    const now = this.clock.now();
    for (const session of this.sessions.values()) {
      const since = session.outbox.writingSince;
      if (since === 0 || now - since < writeDeadline) continue;
      this.totals.slowConsumers++;
      this.log.notice(`${session} - Slow Consumer Detected: WriteDeadline of ${writeDeadline / 1000}s exceeded`);
      session.close("Slow Consumer (Write Deadline)");
    }
    this.#nextSweep = this.clock.wakeAt(now + Math.min(1_000, writeDeadline / 4), () => this.#sweep());
  }
}
