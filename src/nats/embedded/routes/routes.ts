/**
 * The mesh with other NATS servers (spec nats-server, section 3): accepts and dials routes, keeps one to each server,
 * agrees on the cluster's name, spreads who is there. Messages take one hop, so every server has a route to every other.
 */
import type { Account, LocalInterestListener } from "../account.ts";
import type { Address, Connection, Listener } from "../../../ports/network.ts";
import type { Awaitable, Millis } from "../../../protocol/units.ts";
import { NetworkFailed } from "../../../ports/network.ts";
import type { Cancel } from "../../../ports/clock.ts";
import type { ClusterOptions } from "../options.ts";
import { connectLine, gossipLine, type OwnInfo, ownInfoLine, type PeerConnect, type PeerInfo } from "./route_info.ts";
import type { ClusterView } from "../cluster_view.ts";
import { hostPort } from "../addresses.ts";
import { nameOf, parseGossipAddress, parseRouteUrl, type RouteUrl } from "./route_urls.ts";
import { quoted, utf8 } from "../../wire/frames.ts";
import type { PasswordHasher } from "../../../ports/password_hasher.ts";
import { certificateAdmits, certificatesDecide } from "./route_certificates.ts";
import { isHash, samePassword } from "../security/mod.ts";
import type { RouteTable } from "./route_table.ts";
import { RouteDialer } from "./route_dialer.ts";
import type { RouteHost } from "./route_host.ts";
import { RoutePermissions } from "./route_permissions.ts";
import { securedRoute } from "./route_tls.ts";
import { type RouteMesh, RouteSession } from "./route_session.ts";

const USUAL_AUTH_TIMEOUT: Millis = 2_000;
/** Two connections registered within this time may have crossed. Less than the wait before a lost route is dialed again. */
const AT_THE_SAME_MOMENT: Millis = 500;
/** Characters of another server's cluster name that may become this one's: clients are told it. */
const LONGEST_NAME = 256;
/** Routes that have not said who they are, or only repeat another; more are not accepted. */
const MOST_STRANGERS = 256;

/**
 * Opens the route port; {@link Routes.start} begins to dial. Rejects with RoutePortFailed, e.g. when the port is taken, and
 * with RangeError for a route that is no URL.
 */
export async function openRoutes(
  options: ClusterOptions,
  host: RouteHost,
  passwords: PasswordHasher | undefined,
): Promise<Routes> {
  // What is wrong with the options shows before anything is opened.
  for (const url of options.routes ?? []) parseRouteUrl(url);
  if (isHash(options.authorization?.password) && passwords === undefined) {
    throw new RangeError("bcrypt passwords need a password hasher");
  }
  const { host: address, port, tls } = options;
  try {
    const listener = await host.network.listen({
      host: address,
      port,
      ...(tls === undefined ? {} : { upgradable: true }),
    });
    return new Routes(options, host, passwords, listener);
  } catch (cause) {
    if (!(cause instanceof NetworkFailed)) throw cause;
    throw new RoutePortFailed(cause.code, `cannot listen for routes: ${cause.message}`, { cause });
  }
}

/** The route port could not be opened. */
export class RoutePortFailed extends NetworkFailed {}

export class Routes implements RouteMesh, RouteTable {
  readonly permissions: RoutePermissions;
  authTimeout: Millis | undefined;
  readonly past = { inMessages: 0, outMessages: 0, inBytes: 0, outBytes: 0 };
  #options: ClusterOptions;
  readonly #host: RouteHost;
  readonly #passwords: PasswordHasher | undefined;
  readonly #listener: Listener;
  readonly #dialer: RouteDialer;
  /** All connections, registered or not. */
  readonly #sessions = new Set<RouteSession>();
  /** The one route to each server. */
  readonly #byServer = new Map<string, RouteSession>();
  #name: string;
  #dynamic: boolean;
  /** What clients were told last. */
  #told: ClusterView = { name: undefined, peerUrls: [] };
  #isLameDuck = false;
  #closing = false;
  #sweepTimer: Cancel | undefined;

  constructor(options: ClusterOptions, host: RouteHost, passwords: PasswordHasher | undefined, listener: Listener) {
    this.#options = options;
    this.#host = host;
    this.#passwords = passwords;
    this.#listener = listener;
    this.permissions = new RoutePermissions(options.permissions);
    this.authTimeout = authTimeoutOf(options);
    this.#dynamic = options.name === undefined || options.name === "";
    this.#name = this.#dynamic ? host.uniqueId() : options.name!;
    host.log.notice(`Cluster name is ${this.#name}`);
    if (this.#dynamic) host.log.warn("Cluster name was dynamically generated, consider setting one");
    host.log.notice(`Listening for route connections on ${hostPort(this.address.host, this.address.port)}`);
    const solicited = (connection: Connection, url: RouteUrl) => this.#solicited(connection, url);
    this.#dialer = new RouteDialer(options, host, solicited, (serverId) => this.#byServer.has(serverId));
    void this.#accept();
    this.#sweep();
  }

  /** Where other servers connect. */
  get address(): Address {
    return this.#listener.address;
  }

  /** The routes to other servers, one each. */
  list(): readonly RouteSession[] {
    return [...this.#byServer.values()];
  }

  get urls(): readonly string[] {
    return this.#dialer.urls.map(nameOf);
  }

  /** Begins to dial the configured routes. */
  start(): void {
    this.#tellCluster();
    this.#dialer.start();
  }

  /** Tells every other server of a change in what is wanted here. */
  readonly localInterestChanged: LocalInterestListener = (
    account: Account,
    subject: string,
    queue: string | undefined,
    count: number,
  ) => {
    for (const session of this.#byServer.values()) session.tellChange(account, subject, queue, count);
  };

  lameDuck(): void {
    this.#isLameDuck = true;
    this.#listener.close();
    for (const session of this.#byServer.values()) session.write(ownInfoLine(this.#ownInfo()));
  }

  /** Takes over other routes and credentials. Connections whose URL is gone are closed, others stay as they are. */
  reload(options: ClusterOptions): void {
    this.#options = options;
    this.authTimeout = authTimeoutOf(options);
    const removed = this.#dialer.reload(options);
    for (const session of [...this.#sessions]) {
      for (const url of removed) session.configured.delete(url);
      if (session.dialed !== undefined && removed.includes(session.dialed)) session.close("Route Removed");
    }
  }

  /** What routes were sent before still goes out, for a second at most. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#sweepTimer?.();
    this.#listener.close();
    this.#dialer.close();
    const sessions = [...this.#sessions];
    for (const session of sessions) session.close("Server Shutdown", true);
    await Promise.all(sessions.map((session) => session.ended));
  }

  admits(session: RouteSession, connect: PeerConnect): Awaitable<boolean> {
    const { authorization, tls } = this.#options;
    if (tls !== undefined && certificatesDecide(tls)) {
      return certificateAdmits(session.connection.tls?.peer, tls, {
        urls: this.#dialer.urls,
        user: authorization?.user,
      });
    }
    if (authorization === undefined) return true;
    return connect.user === authorization.user &&
      samePassword(authorization.password, connect.password, this.#passwords!);
  }

  named(session: RouteSession, connect: PeerConnect): boolean {
    if (this.#agrees(session, connect.cluster, connect.clusterDynamic, true)) return true;
    const text = `Rejecting connection, cluster name ${quoted(utf8(connect.cluster))} does not match "${this.#name}"`;
    session.fail(text, "Cluster Name Conflict");
    return false;
  }

  informed(session: RouteSession, info: PeerInfo): void {
    if (session.peer === undefined) this.#introduced(session, info);
    else if (info.serverId !== session.peer.serverId) this.#heardOf(info);
    else if (session.registered) {
      session.peer = info;
      this.#tellCluster();
    }
  }

  closed(session: RouteSession, reason: string): void {
    this.#sessions.delete(session);
    this.past.inMessages += session.inMessages;
    this.past.inBytes += session.inBytes;
    this.past.outMessages += session.outMessages;
    this.past.outBytes += session.outBytes;
    const wasRoute = session.registered && this.#byServer.get(session.peer!.serverId) === session;
    if (wasRoute) this.#byServer.delete(session.peer!.serverId);
    if (this.#closing) return;
    for (const url of session.configured) this.#dialer.again(url);
    if (wasRoute && session.dialed?.configured === false) {
      this.#dialer.heardOf(session.dialed, session.peer!.serverId, true);
    }
    if (wasRoute) this.#tellCluster();
    if (reason === "Cluster Name Conflict") {
      this.#host.log.error(`${session} - cluster name from remote server conflicts`);
    }
  }

  /** Tells clients the cluster's name and where the other servers take clients, when that has changed. */
  #tellCluster(): void {
    if (this.#closing) return;
    const urls = new Set<string>();
    for (const { peer } of this.#byServer.values()) {
      if (!peer!.lameDuck) { for (const url of peer!.connectUrls) urls.add(url); }
    }
    const { name, peerUrls } = this.#told;
    if (name === this.#name && peerUrls.length === urls.size && peerUrls.every((url) => urls.has(url))) return;
    this.#told = { name: this.#name, peerUrls: [...urls] };
    this.#host.setCluster(this.#told);
  }

  /** A peer's first INFO: it becomes a route, unless there is a reason against it. */
  #introduced(session: RouteSession, info: PeerInfo): void {
    const { serverId, serverName } = this.#host;
    session.peer = info;
    if (info.forClients) {
      this.#host.log.error(`${session} - attempted to connect to client port`);
      return session.close("Incorrect Port", true);
    }
    if (info.serverId === serverId) {
      // One of the configured routes leads back here: it is not dialed again.
      session.configured.clear();
      return session.close("Duplicate Route", true);
    }
    if (info.serverName !== "" && info.serverName === serverName) {
      this.#host.log.error(`Remote server has a duplicate name: ${JSON.stringify(serverName)}`);
      return session.close("Duplicate Server Name", true);
    }
    if (info.cluster !== undefined && !this.#agrees(session, info.cluster, info.clusterDynamic, false)) {
      return session.close("Cluster Name Conflict", true);
    }
    if (info.dedicated) return;
    const present = this.#byServer.get(info.serverId);
    if (present === undefined) return this.#register(session, info);
    const loser = this.#replaces(session, present) ? present : session;
    const winner = loser === present ? session : present;
    for (const url of loser.configured) winner.configured.add(url);
    loser.configured.clear();
    loser.close("Duplicate Route", true);
    if (winner === session) this.#register(session, info);
  }

  /**
   * Which of two connections to the same server stays. Usually the one that is there; but where two servers have dialed
   * each other at the same moment each may see another one first, and both would be lost. Servers of this kind then keep
   * the one that the smaller id has dialed.
   */
  #replaces(session: RouteSession, present: RouteSession): boolean {
    const crossed = session.didSolicit !== present.didSolicit &&
      this.#host.clock.now() - present.registeredAt < AT_THE_SAME_MOMENT;
    if (!crossed || !session.peer!.sameKind) return false;
    return session.didSolicit === this.#host.serverId < session.peer!.serverId;
  }

  #register(session: RouteSession, info: PeerInfo): void {
    session.register();
    this.#byServer.set(info.serverId, session);
    session.tellInterest();
    const { remote } = session.connection;
    const news = gossipLine(info, hostPort(remote.host, info.port));
    for (const other of this.#byServer.values()) if (other !== session) other.write(news);
    this.#tellCluster();
    this.#host.routeAdded();
  }

  /** Another server tells of one that it has a route to. */
  #heardOf(info: PeerInfo): void {
    if (info.serverId === this.#host.serverId || this.#byServer.has(info.serverId)) return;
    const address = info.ip === "" ? { host: info.host, port: info.port } : parseGossipAddress(info.ip);
    if (address === undefined || address.host === "" || address.port === 0) return;
    const { authorization } = this.#options;
    const own = info.authRequired ? authorization : undefined;
    const url = { ...address, user: own?.user, password: own?.password, configured: false };
    this.#dialer.heardOf(url, info.serverId, false);
  }

  /** Whether the cluster's name is, or becomes, that of the peer (spec nats-server, section 3.6). */
  #agrees(session: RouteSession, name: string, dynamic: boolean, fixes: boolean): boolean {
    if (name === this.#name) return true;
    if (!this.#dynamic || name === "" || (dynamic && this.#name >= name) || name.length > LONGEST_NAME) return false;
    this.#name = name;
    if (fixes && !dynamic) this.#dynamic = false;
    this.#host.log.notice(`Cluster name updated to ${name}`);
    for (const other of [...this.#sessions]) if (other !== session) other.close("Cluster Name Conflict");
    this.#tellCluster();
    return true;
  }

  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.#listener.accept();
      if (connection === undefined) return;
      if (this.#closing || this.#sessions.size - this.#byServer.size >= MOST_STRANGERS) connection.close();
      else void this.#welcome(connection);
    }
  }

  async #welcome(raw: Connection): Promise<void> {
    const connection = await this.#secured(raw, undefined);
    if (connection !== undefined) await this.#serve(connection, undefined);
  }

  /** A dialed connection. Resolves when it has become a session, which from then on sees to dialing again. */
  async #solicited(raw: Connection, url: RouteUrl): Promise<boolean> {
    const connection = await this.#secured(raw, url);
    if (connection === undefined) return false;
    void this.#serve(connection, url);
    return true;
  }

  async #serve(connection: Connection, url: RouteUrl | undefined): Promise<void> {
    if (this.#closing) return connection.close();
    const session = new RouteSession(connection, this.#host, this, url);
    this.#sessions.add(session);
    const own = this.#ownInfo();
    const info = ownInfoLine(own);
    await session.run(url === undefined ? info : concatenated(connectLine(own, url.user, url.password), info));
  }

  async #secured(raw: Connection, url: RouteUrl | undefined): Promise<Connection | undefined> {
    const { tls } = this.#options;
    return tls === undefined ? raw : await securedRoute(raw, url, tls, this.#host);
  }

  #ownInfo(): OwnInfo {
    const options = this.#options;
    return {
      serverId: this.#host.serverId,
      serverName: this.#host.serverName,
      version: this.#host.version,
      host: options.host,
      port: this.address.port,
      advertise: advertised(options.advertise, this.address.port),
      headers: this.#host.headers,
      maxPayload: this.#host.limits.maxPayload,
      authRequired: options.authorization !== undefined,
      tls: options.tls !== undefined,
      cluster: this.#name,
      clusterDynamic: this.#dynamic,
      connectUrls: options.noAdvertise === true ? [] : this.#host.clientUrls,
      lameDuck: this.#isLameDuck,
    };
  }

  /** Closes routes whose peer has taken nothing at all for too long. */
  #sweep(): void {
    const { clock, log, limits } = this.#host;
    const now = clock.now();
    for (const session of [...this.#sessions]) {
      const since = session.outbox.writingSince;
      if (since === 0 || now - since < limits.writeDeadline) continue;
      log.warn(`${session} - Slow Consumer Detected: WriteDeadline of ${limits.writeDeadline / 1_000}s exceeded`);
      session.close("Slow Consumer (Write Deadline)");
    }
    this.#sweepTimer = clock.wakeAt(now + Math.min(1_000, limits.writeDeadline / 4), () => this.#sweep());
  }
}

/** How long a dialing server may take to say who it is; `undefined`: nobody asks. */
function authTimeoutOf({ authorization, tls }: ClusterOptions): Millis | undefined {
  if (authorization === undefined && !certificatesDecide(tls)) return undefined;
  return authorization?.timeout ?? USUAL_AUTH_TIMEOUT;
}

/** `advertise` with a port; `undefined` when nothing is to be advertised. */
function advertised(advertise: string | undefined, port: number): string | undefined {
  if (advertise === undefined || advertise === "") return undefined;
  const address = parseGossipAddress(advertise);
  return address === undefined ? hostPort(advertise, port) : nameOf(address);
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
