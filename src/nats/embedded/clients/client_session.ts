/**
 * One connected client: reads its bytes, keeps its time limits, ends it. What its commands do is in `client_commands.ts`,
 * how messages reach it in `client_output.ts`.
 */
import type { Account, ClientLimits } from "../account.ts";
import type { Cancel } from "../../../ports/clock.ts";
import { ClientCommands } from "./client_commands.ts";
import { ConnectRequest } from "./connect_request.ts";
import { type Connection, NetworkFailed } from "../../../ports/network.ts";
import { errorFrame, infoFrame, PING } from "../../wire/frames.ts";
import { Failure, FrameParser } from "../../wire/parser.ts";
import type { SessionHost } from "./session_host.ts";
import { caughtUp, type Consumer } from "../congestion.ts";
import { clientVerbs } from "../../wire/verbs.ts";
import { deliverTo } from "./client_output.ts";
import { traceAnswer } from "./client_trace.ts";
import type { Message } from "../message.ts";
import { type Millis, type Nanos, nanosFromMillis } from "../../../protocol/units.ts";
import { Outbox } from "../outbox.ts";
import { partWith } from "../parting.ts";
import type { Admission, Permissions } from "../security/mod.ts";
import type { Subscription, Target } from "../subjects/mod.ts";

const SMALL_BUFFER = 1024;
const LARGE_BUFFER = 64 * 1024;
/** A flooding connection lets others have a turn after so many bytes, or so much time. */
const YIELD_BYTES = 256 * 1024;
const YIELD_TIME: Millis = 2;
/** The first ping comes early: it measures the round trip. */
const FIRST_PING: Millis = 2_000;
/** After so many small reads in a row a large buffer is given up. */
const SMALL_READS = 8;
/** How long input is still taken in, and dropped, after a refusal: hanging up on unread bytes would take the refusal back. */
const LINGER: Millis = 100;

const nothing = new Uint8Array(0);

/** Reasons for ending a session that need nobody's attention. */
const expected = new Set(["Stale Connection", "Authentication Timeout"]);

export class ClientSession implements Target, Consumer {
  readonly id: number;
  readonly host: SessionHost;
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly request = new ConnectRequest();
  /** By what `sidKey` makes of their sids. */
  readonly subscriptions = new Map<string, Subscription>();
  readonly parser: FrameParser;
  /** The challenge for nkey signatures, when INFO carried one. */
  readonly nonce: string;
  readonly started: bigint;
  account: Account;
  limits: ClientLimits;
  permissions: Permissions | undefined = undefined;
  user = "";
  connected = false;
  admitted = false;
  /** Whether the log wants to see what is said here. */
  readonly traced: boolean;
  /** Whether headers may be sent to it. */
  headers = false;
  echo = true;
  closed = false;
  closeReason = "";
  stopped = 0n;
  inMessages = 0;
  inBytes = 0;
  outMessages = 0;
  outBytes = 0;
  /** Round trip of the last ping, milliseconds; 0 before the first. */
  roundTrip: Millis = 0;
  /** A consumer that this client's messages have swamped. */
  congested: Consumer | undefined = undefined;
  stuckWrite = 0;
  /** What the next command must wait for. */
  waitFor: Promise<void> | undefined = undefined;
  firstPongSent = false;
  toldInfoVersion = 0;
  /** Resolves once the connection is closed. */
  readonly ended: Promise<void>;
  #end: () => void = () => {};
  readonly #commands: ClientCommands;
  readonly #startedAt: Millis;
  #pingTimer: Cancel | undefined;
  #authTimer: Cancel | undefined;
  #pingsOut = 0;
  #pingedOnce = false;
  #pingedAt: Millis = 0;
  #activeAt: Millis = 0;
  #smallReads = 0;
  /** Size of the largest buffer that a message has filled here. */
  #largest = 0;

  constructor(id: number, connection: Connection, host: SessionHost, nonce: string) {
    this.id = id;
    this.connection = connection;
    this.host = host;
    this.nonce = nonce;
    this.account = host.globalAccount;
    this.account.connections++;
    this.limits = host.limits;
    this.traced = host.log.tracing;
    this.started = host.clock.wall();
    this.#startedAt = this.#activeAt = host.clock.now();
    this.outbox = new Outbox(connection, host.slabs, host.clock, {
      writeFailed: (error) => this.close(error instanceof NetworkFailed ? "Write Error" : "Read Error"),
    });
    this.ended = new Promise((resolve) => this.#end = resolve);
    this.#commands = new ClientCommands(this);
    this.parser = new FrameParser(clientVerbs, host.limits, this.#commands);
    this.parser.headers = false;
  }

  /** Greets the client and serves it until it is gone. `greeted`: INFO was sent before TLS began. */
  async run(greeted: boolean): Promise<void> {
    if (this.host.log.debugging) this.host.log.debug(`${this} - Client connection created`);
    if (!greeted) this.greet();
    const anonymous = this.host.anonymous();
    if (anonymous !== undefined) this.admit(anonymous);
    else {
      const { authTimeout } = this.host.limits;
      this.#authTimer = this.host.clock.wakeAt(this.host.clock.now() + authTimeout, () => {
        this.fail("Authentication Timeout", "Authentication Timeout");
      });
    }
    this.#setFirstPing();
    try {
      await this.#read();
    } catch (error) {
      if (!(error instanceof NetworkFailed)) throw error;
      this.close(error.code === "ECONNRESET" || error.code === "EPIPE" ? "Client Closed" : "Read Error");
    }
  }

  greet(): void {
    this.toldInfoVersion = this.host.infoVersion;
    this.send(infoFrame(this.host.infoFor(this)));
  }

  /** Tells a client that can take it what has changed. Before its first PONG that waits. */
  tellInfo(): void {
    if (this.closed || !this.firstPongSent || this.request.protocol < 1) return;
    if (this.toldInfoVersion !== this.host.infoVersion) this.greet();
  }

  admit(admission: Admission): void {
    this.#enter(admission.account);
    this.applyLimits();
    this.permissions = admission.permissions;
    this.user = admission.user;
    this.admitted = true;
    this.#authTimer?.();
    this.#authTimer = undefined;
  }

  /** Takes over the limits of its account and its server as they are now. */
  applyLimits(): void {
    this.limits = this.parser.limits = this.account.limitsWithin(this.host.limits);
  }

  /** Its credentials are being checked, which may take a while when many come at once: it has done its part in time. */
  checking(answer: Promise<void>): void {
    this.waitFor = answer;
    this.#authTimer?.();
  }

  /** What was subscribed to before comes along into another account. */
  #enter(account: Account): void {
    if (account === this.account) return;
    this.account.removeAll(this.subscriptions.values());
    this.account.connections--;
    account.connections++;
    this.account = account;
    for (const subscription of this.subscriptions.values()) account.add(subscription);
  }

  deliver(subscription: Subscription, message: Message): boolean {
    return deliverTo(this, subscription, message);
  }

  /** Queues bytes; they go out at the end of the batch. */
  send(bytes: Uint8Array): void {
    if (this.closed) return;
    if (this.traced) traceAnswer(this, bytes);
    if (this.swamped(bytes.length)) return;
    this.outbox.write(bytes);
    this.host.turn.mark(this.outbox);
  }

  /** Whether so many bytes more are too many for it: it is dropped then, as it does not read what it is sent. */
  swamped(bytes: number): boolean {
    if (this.outbox.queued + this.outbox.length + bytes <= this.host.limits.maxPending) return false;
    this.host.slowConsumer(this);
    this.close("Slow Consumer (Pending Bytes)");
    return true;
  }

  /** `-ERR` without closing. */
  complain(text: string): void {
    this.send(errorFrame(text));
  }

  /** `-ERR`, then the end, for the reason that monitoring shows. */
  fail(text: string, reason: string): void {
    if (this.closed) return;
    if (expected.has(reason)) this.host.log.debug(`${this} - ${text}`);
    else this.host.log.error(`${this} - ${text}`);
    this.outbox.write(errorFrame(text));
    this.close(reason, true);
  }

  /** Ends the session. `flush`: what is queued may still go out. Idempotent. */
  close(reason: string, flush = false): void {
    if (this.closed) return;
    this.closed = true;
    this.closeReason = reason;
    this.stopped = this.host.clock.wall();
    this.#pingTimer?.();
    this.#authTimer?.();
    this.account.connections--;
    this.account.removeGradually(this.subscriptions.values(), this.host.clock);
    this.host.sessionClosed(this);
    if (this.host.log.debugging) this.host.log.debug(`${this} - Client connection closed: ${reason}`);
    if (flush && this.outbox.pending > 0) this.#part();
    else this.#hangUp();
  }

  #part(): void {
    const hangUp = () => this.#hangUp();
    const isLingering = this.parser.failure === Failure.MaxPayload;
    partWith(this.outbox, this.host.clock, isLingering ? () => this.#linger() : hangUp, hangUp);
  }

  /** More of what is too large is on its way. */
  #linger(): void {
    this.host.clock.wakeAt(this.host.clock.now() + LINGER, () => this.#hangUp());
    const rest = new Uint8Array(LARGE_BUFFER);
    const drop = async () => {
      while (await this.connection.read(rest) > 0);
    };
    // The connection is given up anyway.
    drop().catch(() => {});
  }

  #hangUp(): void {
    this.outbox.close();
    void Promise.resolve(this.connection.close()).then(this.#end);
    // Not at once: a message of this client may be on its way to others at this very moment.
    this.host.clock.soon(() => {
      this.#commands.release();
      this.parser.buffer = nothing;
    });
  }

  async #read(): Promise<void> {
    const clock = this.host.clock;
    let buffer: Uint8Array = new Uint8Array(SMALL_BUFFER);
    let filled = 0;
    let bytes = 0;
    let busy: Millis = 0;
    while (!this.closed) {
      const count = await this.connection.read(filled === 0 ? buffer : buffer.subarray(filled));
      if (this.closed) return;
      if (count === 0) return this.close("Client Closed");
      const full = filled + count === buffer.length;
      this.#smallReads = count < SMALL_BUFFER ? this.#smallReads + 1 : 0;
      const begun = clock.now();
      this.#activeAt = begun;
      filled = await this.#consume(buffer, filled + count);
      buffer = this.#fit(buffer, filled, full);
      if (this.congested !== undefined) await this.#waitForConsumer();
      bytes += count;
      busy += clock.now() - begun;
      if (bytes < YIELD_BYTES && busy < YIELD_TIME) continue;
      bytes = 0;
      busy = 0;
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
  }

  /** Handles what is in the buffer and moves the unfinished rest to its start; returns the length of that. */
  #consume(buffer: Uint8Array, filled: number): number | Promise<number> {
    const used = this.#push(buffer, 0, filled);
    if (this.waitFor !== undefined) return this.#consumeLater(buffer, used, filled);
    return keepRest(buffer, used, filled);
  }

  async #consumeLater(buffer: Uint8Array, from: number, filled: number): Promise<number> {
    let used = from;
    while (this.waitFor !== undefined && !this.closed) {
      await this.waitFor;
      this.waitFor = undefined;
      if (this.closed) return 0;
      used = this.#push(buffer, used, filled);
    }
    return keepRest(buffer, used, filled);
  }

  #push(buffer: Uint8Array, from: number, to: number): number {
    if (!this.admitted && from < to && !this.connected && (buffer[from]! | 32) !== 99) {
      this.fail("Authorization Violation", "Authentication Failure");
      return to;
    }
    const turn = this.host.turn;
    turn.begin(this);
    const used = this.parser.push(buffer, from, to);
    turn.end();
    if (this.parser.failure !== Failure.None) this.#parseFailed(this.parser.failure);
    return used;
  }

  #parseFailed(failure: Failure): void {
    if (failure === Failure.UnknownOperation) this.fail("Unknown Protocol Operation", "Protocol Violation");
    else if (failure === Failure.MaxPayload) this.fail("Maximum Payload Violation", "Maximum Message Payload Exceeded");
    else if (failure === Failure.MaxControlLine) {
      this.fail("maximum control line exceeded", "Maximum Control Line Exceeded");
    } else this.close("Protocol Violation", true);
  }

  /**
   * A buffer of the size that the traffic asks for, with the unfinished rest in it. It grows with what has come, not with
   * what was announced, until a large message has shown that announcements are kept.
   */
  #fit(buffer: Uint8Array, filled: number, full: boolean): Uint8Array {
    const { wanted } = this.parser;
    let size = buffer.length;
    if (wanted > size && wanted <= this.#largest) size = wanted;
    else if (filled === size) size = wanted > size ? Math.min(2 * size, wanted) : 2 * size;
    else if (full && size < LARGE_BUFFER) size *= 2;
    else if (filled === 0 && this.#smallReads > SMALL_READS) size = SMALL_BUFFER;
    else if (filled === 0 && size > LARGE_BUFFER) {
      this.#largest = size;
      size = LARGE_BUFFER;
    }
    if (size === buffer.length) return buffer;
    const fitting = new Uint8Array(size);
    fitting.set(buffer.subarray(0, filled));
    return fitting;
  }

  /** Slows this client down to the pace of the consumer that it swamps, unless that one takes nothing at all. */
  #waitForConsumer(): Promise<void> {
    const consumer = this.congested!;
    this.congested = undefined;
    return caughtUp(consumer, this.host.clock, this.host.limits.maxPending);
  }

  /** When bytes last came, wall time. */
  get lastActivity(): Nanos {
    return this.started + nanosFromMillis(this.#activeAt - this.#startedAt);
  }

  /** The client pings. Its first one comes right after CONNECT and tells the round trip well enough for a start. */
  pinged(): void {
    if (this.roundTrip === 0) this.roundTrip = this.host.clock.now() - this.#startedAt;
  }

  ponged(): void {
    this.#pingsOut = 0;
    if (this.#pingedAt > 0) this.roundTrip = this.host.clock.now() - this.#pingedAt;
    this.#pingedAt = 0;
  }

  #setFirstPing(): void {
    const first = Math.min(this.host.limits.pingInterval, FIRST_PING);
    this.#pingIn(first + this.host.spread(first / 5));
  }

  #pingIn(wait: Millis): void {
    this.#pingTimer = this.host.clock.wakeAt(this.host.clock.now() + wait, () => this.#pingTick());
  }

  #pingTick(): void {
    const { pingInterval, pingMax } = this.host.limits;
    const now = this.host.clock.now();
    // What a client sends shows that it lives; only the very first ping is wanted for the round trip.
    const needed = !this.#pingedOnce || now - this.#activeAt >= pingInterval;
    // While CONNECT is being checked, nothing may come before its answer.
    if (needed && this.waitFor === undefined && (this.admitted || this.connected)) {
      if (this.#pingsOut + 1 > pingMax) return this.fail("Stale Connection", "Stale Connection");
      this.#pingsOut++;
      this.#pingedOnce = true;
      this.#pingedAt = now;
      this.send(PING);
    }
    this.#pingIn(pingInterval);
  }

  /** As log lines name it. */
  toString(): string {
    return `${this.connection.remote.host}:${this.connection.remote.port} - cid:${this.id}`;
  }
}

function keepRest(buffer: Uint8Array, used: number, filled: number): number {
  if (used > 0 && used < filled) buffer.copyWithin(0, used, filled);
  return filled - used;
}
