/** The message bus over a client connection to an external NATS server. */
import { type ProtocolHandler, QueuedIteratorImpl, type Status } from "@nats-io/nats-core/internal";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Answer, Handler, MessageBus, SubjectBytes, Subscription } from "../../ports/message_bus.ts";
import type { Network } from "../../ports/network.ts";
import type { Random } from "../../ports/random.ts";
import type { Millis } from "../../protocol/units.ts";
import { DataPlane } from "./data_plane.ts";
import { connectFailure, NatsFailed, textOf } from "./errors.ts";
import { libraryConnection } from "./library.ts";
import { type ClientBusOptions, linkOf } from "./options.ts";
import { Requests } from "./requests.ts";
import { NatsTransport } from "./transport.ts";

export interface ClientBusPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const MAX_PENDING = 64 * 1024 * 1024;

/** How long {@link MessageBus.close} waits for what was published to be sent, milliseconds. */
const CLOSE_TIMEOUT = 1_000;

/**
 * Connects to the first server of the list that takes the connection; rejects with NatsFailed when none does, at once and
 * without a second try. A connection lost later is made again, however long that takes, and meanwhile publishing is refused.
 */
export async function connectBus(options: ClientBusOptions, ports: ClientBusPorts): Promise<MessageBus> {
  const bus = new ClientBus(options, ports);
  await bus.connect();
  return bus;
}

class ClientBus implements MessageBus {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #plane = new DataPlane();
  readonly #requests: Requests;
  readonly #library: ProtocolHandler;
  readonly #connectionListeners: ((connected: boolean) => void)[] = [];
  /** What to do to each flush under way when the connection breaks. */
  readonly #flushes = new Set<(error: Error) => void>();
  #batchEnd: () => void = () => {};
  /** The transport in use; undefined while disconnected. */
  #transport: NatsTransport | undefined;
  /** What the connection listeners were told last. */
  #topologyChanged: (() => void) | undefined;
  #told = false;
  #dialed = "";
  #closing: Promise<void> | undefined;

  constructor(options: ClientBusOptions, ports: ClientBusPorts) {
    const link = linkOf(options);
    this.#name = options.name;
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#requests = new Requests(this, ports.clock, ports.random);
    const parts = {
      network: ports.network,
      clock: ports.clock,
      plane: this.#plane,
      ...(link.tls === undefined ? {} : { tls: link.tls }),
      maxPending: options.maxPending ?? MAX_PENDING,
      onDial: (server: Parameters<typeof link.onDial>[0]) => {
        this.#dialed = server.listen;
        link.onDial(server);
      },
      onBatchEnd: () => this.#batchEnd(),
      onEnd: (transport: NatsTransport) => this.#lost(transport),
    };
    this.#library = libraryConnection(link.connection, () => new NatsTransport(parts));
  }

  async connect(): Promise<void> {
    try {
      await this.#library.dialLoop();
    } catch (cause) {
      await this.#library.close();
      throw connectFailure(cause);
    }
    // A connection that broke at once is coming back already.
    this.#told = this.#attach();
    this.#watch();
  }

  get connected(): boolean {
    return this.#plane.open;
  }

  get maxPayload(): number {
    return this.#plane.maxPayload;
  }

  get url(): string {
    return `nats://${this.#dialed}`;
  }

  subscribe(subject: string, handler: Handler): Subscription {
    return this.#plane.subscribe(subject, handler);
  }

  publish(subject: SubjectBytes, payload: Uint8Array, start = 0, end = payload.length): boolean {
    return this.#plane.publishPlain(subject, payload, start, end);
  }

  publishRequest(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array): boolean {
    return this.#plane.publishRequest(subject, reply, payload);
  }

  request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer> {
    return this.#requests.request(subject, payload, timeout);
  }

  flush(): Promise<void> {
    if (!this.#plane.open) return Promise.reject(new NatsFailed("DISCONNECTED", "nats: not connected"));
    return new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        this.#flushes.delete(settle);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#flushes.add(settle);
      this.#library.flush().then(() => settle(), settle);
    });
  }

  push(): void {
    this.#transport?.output?.push();
  }

  onBatchEnd(listener: () => void): void {
    this.#batchEnd = listener;
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#connectionListeners.push(listener);
  }

  onTopology(listener: () => void): void {
    this.#topologyChanged = listener;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const output = this.#transport?.output;
    this.#plane.clear();
    this.#plane.detach();
    this.#requests.abandon();
    if (output !== undefined) await this.#within(CLOSE_TIMEOUT, output.drained());
    await this.#library.close();
  }

  /** Waits for `work`, but not longer than `limit`. */
  async #within(limit: Millis, work: Promise<void>): Promise<void> {
    let cancel = () => {};
    const late = new Promise<void>((resolve) => cancel = this.#clock.wakeAt(this.#clock.now() + limit, resolve));
    await Promise.race([work, late]);
    cancel();
  }

  /** Puts the library's present transport into use, once; `false` when it is in use already or broken. */
  #attach(): boolean {
    const transport = this.#library.transport as NatsTransport;
    if (transport.isClosed || transport.output === undefined || this.#transport === transport || this.#closing) {
      return false;
    }
    this.#transport = transport;
    delete this.#library.lastError;
    this.#plane.attach(transport.output);
    return true;
  }

  /** Follows what the library reports until it is closed. */
  async #watch(): Promise<void> {
    const reports = new QueuedIteratorImpl<Status>();
    this.#library.listeners.push(reports);
    // The connection may have come back between the first dial and this line.
    if (this.#attach()) this.#returned();
    for await (const report of reports) {
      if (report.type === "reconnect" && this.#attach()) this.#returned();
      else if (report.type === "update" && (report.added ?? []).length > 0) this.#topologyChanged?.();
      else if (report.type === "error") {
        this.#log.error(`NATS connection "${this.#name}": ${report.error.message}`);
      } else if (report.type === "ldm") {
        this.#log.notice(`NATS server at "nats://${report.server}" is about to shut down`);
      }
    }
  }

  /** The connection is back; says so once NATS has taken the subscriptions. */
  async #returned(): Promise<void> {
    const transport = this.#transport;
    try {
      await this.flush();
    } catch {
      // Lost again: the next return tells.
      return;
    }
    if (this.#transport !== transport || this.#closing) return;
    this.#log.notice(`connection "${this.#name}" reconnected to NATS Server at "${this.url}"`);
    this.#tell(true);
    // Perhaps it is another server, with others around it.
    this.#topologyChanged?.();
  }

  #lost(transport: NatsTransport): void {
    if (transport !== this.#transport) return;
    this.#transport = undefined;
    this.#plane.detach();
    const reason = transport.closeError ?? this.#library.lastError;
    const error = new NatsFailed("DISCONNECTED", "nats: connection closed", { cause: reason });
    for (const settle of [...this.#flushes]) settle(error);
    this.#requests.abandon();
    if (this.#closing) return;
    this.#log.error(
      `connection "${this.#name}" has been disconnected: ${reason === undefined ? "EOF" : textOf(reason)}`,
    );
    this.#tell(false);
  }

  #tell(connected: boolean): void {
    if (this.#told === connected) return;
    this.#told = connected;
    for (const listener of this.#connectionListeners) listener(connected);
  }
}
