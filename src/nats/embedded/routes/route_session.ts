/** One connection to another server: reads its bytes, keeps its time limits, ends it. What its lines do is in `route_commands.ts`. */
import { type Connection, NetworkFailed } from "../../../ports/network.ts";
import { errorFrame, latin1Bytes, PING } from "../../wire/frames.ts";
import { Failure, FrameParser } from "../../wire/parser.ts";
import { interestLine, tellEverything, WantedThere } from "./route_interest.ts";
import type { Account } from "../account.ts";
import type { Awaitable, Millis } from "../../../protocol/units.ts";
import type { Cancel } from "../../../ports/clock.ts";
import type { Message } from "../message.ts";
import { Outbox } from "../outbox.ts";
import { partWith } from "../parting.ts";
import { RouteCommands } from "./route_commands.ts";
import type { RouteHost } from "./route_host.ts";
import type { PeerConnect, PeerInfo } from "./route_info.ts";
import type { RouteLink } from "../delivery.ts";
import type { RoutePermissions } from "./route_permissions.ts";
import { routeVerbs } from "../../wire/verbs.ts";
import type { RouteView } from "./route_table.ts";
import { type Consumer, slowDown } from "../congestion.ts";
import type { Interest } from "../subjects/mod.ts";
import type { RouteUrl } from "./route_urls.ts";
import { writeRouteMessage } from "./route_output.ts";

const FIRST_BUFFER = 64 * 1024;
/** A flooding route lets others have a turn after so many bytes, or so much time. */
const YIELD_BYTES = 256 * 1024;
const YIELD_TIME: Millis = 2;
/** The first ping comes after this, and up to a fifth later: it measures the round trip. */
const FIRST_PING: Millis = 1_000;
const MOST_BETWEEN_PINGS: Millis = 30_000;
/** Bytes that a route may owe before it is given up: it is dialed again and everything is told anew. */
const MOST_PENDING = 512 * 1024 * 1024;

/** What whoever connects may make this server keep, until it has become a route. */
const STRANGER = { maxPayload: 1 << 20, maxControlLine: 1 << 20 };
/** What another server may: its payloads as its own limit is, since messages were published under that one. */
const PEER = { maxPayload: Infinity, maxControlLine: 16 << 20 };

/** What a route asks of the mesh it belongs to. */
export interface RouteMesh {
  readonly permissions: RoutePermissions;
  /** Whether dialing servers must say who they are, and how long they may take. */
  readonly authTimeout: Millis | undefined;
  admits(session: RouteSession, connect: PeerConnect): Awaitable<boolean>;
  /** Compares cluster names after CONNECT; `false` when the route was closed for it. */
  named(session: RouteSession, connect: PeerConnect): boolean;
  informed(session: RouteSession, info: PeerInfo): void;
  closed(session: RouteSession, reason: string): void;
}

export class RouteSession implements RouteLink, RouteView, Consumer {
  readonly id: number;
  readonly server: RouteHost;
  readonly mesh: RouteMesh;
  readonly connection: Connection;
  /** Where it was dialed; `undefined` when the other server did. */
  readonly dialed: RouteUrl | undefined;
  /** Configured routes that this connection stands for: dialed again when it is lost. */
  readonly configured = new Set<RouteUrl>();
  readonly outbox: Outbox;
  readonly wanted: WantedThere;
  readonly started: bigint;
  /** What the peer said of itself; `undefined` until it did. */
  peer: PeerInfo | undefined = undefined;
  /** Whether it is the route to its peer. */
  registered = false;
  /** When it became that, on the monotonic clock. */
  registeredAt: Millis = 0;
  verbose = false;
  closed = false;
  stuckWrite = 0;
  /** What the next line must wait for. */
  waitFor: Promise<void> | undefined = undefined;
  inMessages = 0;
  inBytes = 0;
  outMessages = 0;
  outBytes = 0;
  lastActivity: bigint;
  /** Round trip of the last ping, milliseconds; 0 before the first. */
  roundTrip: Millis = 0;
  /** Resolves when the connection is closed and nothing more can go out. */
  readonly ended: Promise<void>;
  readonly #parser: FrameParser;
  readonly #ended = Promise.withResolvers<void>();
  readonly #accountNames = new Map<string, Uint8Array>();
  #mustSayWho: boolean;
  #authTimer: Cancel | undefined;
  #pingTimer: Cancel | undefined;
  #pingsOut = 0;
  #pingedAt: Millis = 0;

  constructor(connection: Connection, host: RouteHost, mesh: RouteMesh, dialed: RouteUrl | undefined) {
    this.id = host.nextConnectionId();
    this.connection = connection;
    this.server = host;
    this.mesh = mesh;
    this.dialed = dialed;
    if (dialed?.configured === true) this.configured.add(dialed);
    this.ended = this.#ended.promise;
    this.started = this.lastActivity = host.clock.wall();
    this.outbox = new Outbox(connection, host.slabs, host.clock, { writeFailed: () => this.close("Write Error") });
    this.wanted = new WantedThere(this, mesh.permissions);
    this.#mustSayWho = dialed === undefined && mesh.authTimeout !== undefined;
    this.#parser = new FrameParser(routeVerbs, STRANGER, new RouteCommands(this));
  }

  get remoteId(): string {
    return this.peer?.serverId ?? "";
  }

  get remoteName(): string {
    return this.peer?.serverName ?? "";
  }

  get didSolicit(): boolean {
    return this.dialed !== undefined;
  }

  get isConfigured(): boolean {
    return this.configured.size > 0;
  }

  get host(): string {
    return this.connection.remote.host;
  }

  get port(): number {
    return this.connection.remote.port;
  }

  get pendingBytes(): number {
    return this.outbox.pending;
  }

  get interests(): readonly Interest[] {
    return [...this.wanted];
  }

  /** Says `hello` and serves the peer until it is gone. */
  async run(hello: Uint8Array): Promise<void> {
    const { clock } = this.server;
    this.server.log.notice(`${this} - Route connection created`);
    this.write(hello);
    if (this.#mustSayWho) {
      this.#authTimer = clock.wakeAt(clock.now() + this.mesh.authTimeout!, () => {
        this.fail("Authentication Timeout", "Authentication Timeout");
      });
    }
    this.#pingIn(FIRST_PING + this.server.random.below(FIRST_PING / 5));
    try {
      await this.#read();
    } catch (error) {
      if (!(error instanceof NetworkFailed)) throw error;
      this.close(error.code === "ECONNRESET" || error.code === "EPIPE" ? "Client Closed" : "Read Error");
    }
  }

  /** It is the route to its peer from now on. */
  register(): void {
    this.registered = true;
    this.registeredAt = this.server.clock.now();
    this.#parser.limits = PEER;
  }

  /** The peer has said who it is; checking that may take a while. */
  saidWho(): void {
    this.#authTimer?.();
  }

  /** The peer is whom it says it is. */
  admitted(): void {
    this.#mustSayWho = false;
  }

  /** Tells the peer everything that is wanted here. */
  tellInterest(): void {
    const { clock, accounts } = this.server;
    const pause = async () => {
      await this.outbox.drained(1 << 20);
      await new Promise<void>((resolve) => clock.soon(resolve));
      return !this.closed;
    };
    void tellEverything(accounts.values(), this.mesh.permissions, (bytes) => this.write(bytes), pause);
  }

  /** Tells the peer of one change. */
  tellChange(account: Account, subject: string, queue: string | undefined, count: number): void {
    if (this.mesh.permissions.mayTell(subject)) this.write(latin1Bytes(interestLine(account, subject, queue, count)));
  }

  send(account: string, message: Message, queues: readonly string[]): void {
    if (this.closed) return;
    if (this.outbox.pending > MOST_PENDING) {
      this.server.log.warn(`${this} - Slow Consumer Detected: MaxPending of ${MOST_PENDING} Exceeded`);
      return this.close("Slow Consumer (Pending Bytes)");
    }
    writeRouteMessage(this.outbox, this.#nameOf(account), message, queues, this.peer!.headers);
    this.outMessages++;
    this.outBytes += message.size;
    if (!this.outbox.dirty) this.server.turn.mark(this.outbox);
    slowDown(this, message, this.server.limits.maxPending);
  }

  /** Queues bytes; they go out at the end of the batch. */
  write(bytes: Uint8Array): void {
    if (this.closed) return;
    this.outbox.write(bytes);
    this.server.turn.mark(this.outbox);
  }

  /** `-ERR` without closing. */
  complain(text: string): void {
    this.write(errorFrame(text));
  }

  /** `-ERR`, then the end. */
  fail(text: string, reason: string): void {
    if (this.closed) return;
    this.server.log.error(`${this} - ${text}`);
    this.outbox.write(errorFrame(text));
    this.close(reason, true);
  }

  /** The peer sent `-ERR`. */
  refused(text: string): void {
    // Newer servers try a second connection for their system account and find by themselves that it is of no use.
    if (this.peer?.dedicated !== true && !text.includes("dedicated route")) {
      this.server.log.error(`${this} - Route Error ${text}`);
    }
    this.close("Parse Error");
  }

  ponged(): void {
    this.#pingsOut = 0;
    if (this.#pingedAt > 0) this.roundTrip = this.server.clock.now() - this.#pingedAt;
    this.#pingedAt = 0;
  }

  /** Ends the route. `flush`: what is queued may still go out. Idempotent. */
  close(reason: string, flush = false): void {
    if (this.closed) return;
    this.closed = true;
    this.#pingTimer?.();
    this.#authTimer?.();
    this.wanted.clear(this.server.clock);
    this.server.log.notice(`${this} - Router connection closed: ${reason}`);
    this.mesh.closed(this, reason);
    if (flush && this.outbox.pending > 0) partWith(this.outbox, this.server.clock, () => this.#hangUp());
    else this.#hangUp();
  }

  #hangUp(): void {
    this.outbox.close();
    this.connection.close();
    this.#ended.resolve();
  }

  async #read(): Promise<void> {
    const { clock } = this.server;
    let buffer = new Uint8Array(FIRST_BUFFER);
    let filled = 0;
    let bytes = 0;
    let busy: Millis = 0;
    while (!this.closed) {
      const count = await this.connection.read(buffer.subarray(filled));
      if (this.closed) return;
      if (count === 0) return this.close("Client Closed");
      const begun = clock.now();
      this.lastActivity = this.server.clock.wall();
      filled += count;
      let used = this.#push(buffer, 0, filled);
      while (this.waitFor !== undefined && !this.closed) {
        await this.waitFor;
        this.waitFor = undefined;
        if (!this.closed) used = this.#push(buffer, used, filled);
      }
      if (used > 0) buffer.copyWithin(0, used, filled);
      filled -= used;
      buffer = grown(buffer, filled);
      bytes += count;
      busy += clock.now() - begun;
      if (bytes < YIELD_BYTES && busy < YIELD_TIME) continue;
      bytes = busy = 0;
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
  }

  #push(buffer: Uint8Array, from: number, to: number): number {
    if (this.#mustSayWho && from < to && (buffer[from]! | 32) !== 99) {
      this.fail("Authorization Violation", "Authentication Failure");
      return to;
    }
    const { turn } = this.server;
    turn.begin(this);
    const used = this.#parser.push(buffer, from, to);
    turn.end();
    if (this.#parser.failure === Failure.UnknownOperation) {
      this.fail("Unknown Protocol Operation", "Protocol Violation");
    } else if (this.#parser.failure !== Failure.None) this.close("Protocol Violation", true);
    return used;
  }

  #nameOf(account: string): Uint8Array {
    let bytes = this.#accountNames.get(account);
    if (bytes === undefined) this.#accountNames.set(account, bytes = latin1Bytes(account));
    return bytes;
  }

  #pingIn(wait: Millis): void {
    this.#pingTimer = this.server.clock.wakeAt(this.server.clock.now() + wait, () => this.#pingTick());
  }

  #pingTick(): void {
    const { pingInterval, pingMax } = this.server.limits;
    if (this.#pingsOut + 1 > pingMax) return this.fail("Stale Connection", "Stale Connection");
    this.#pingsOut++;
    this.#pingedAt = this.server.clock.now();
    this.write(PING);
    this.#pingIn(Math.min(pingInterval, MOST_BETWEEN_PINGS));
  }

  /** As log lines name it. */
  toString(): string {
    return `${this.connection.remote.host}:${this.connection.remote.port} - rid:${this.id}`;
  }
}

/** A buffer with room behind what is in it. It grows by what has come, never by what was announced. */
function grown(buffer: Uint8Array<ArrayBuffer>, filled: number): Uint8Array<ArrayBuffer> {
  if (filled === 0 && buffer.length > 16 * FIRST_BUFFER) return new Uint8Array(FIRST_BUFFER);
  if (filled < buffer.length) return buffer;
  const larger = new Uint8Array(2 * buffer.length);
  larger.set(buffer);
  return larger;
}
