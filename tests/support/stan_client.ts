/** The official STAN client for Node, unmodified, with promises instead of callbacks. */
import stan from "node-nats-streaming";
import { deadline } from "./deadline.ts";

export interface ClientOptions extends stan.StanOptions {
  /** `test-cluster` unless given. */
  readonly clusterId?: string;
}

export interface Received {
  readonly sequence: number;
  readonly text: string;
  readonly data: Uint8Array;
  readonly subject: string;
  readonly redelivered: boolean;
  readonly timestamp: Date;
  ack(): void;
}

export interface SubscribeOptions {
  readonly queue?: string;
  readonly durable?: string;
  /** From the first message kept, the last one, a sequence, a moment or an age; new ones only unless given. */
  readonly start?: "first" | "last" | { readonly sequence: number } | { readonly time: Date } | {
    readonly agoMillis: number;
  };
  readonly manualAcks?: boolean;
  readonly ackWaitMillis?: number;
  readonly maxInFlight?: number;
}

const patience = 40_000;

export class StanClient {
  readonly clientId: string;
  /** The library's own object, for what is not wrapped here. */
  readonly raw: stan.Stan;
  /** Settles when the library says that the server is lost or has closed this client. */
  readonly lost: Promise<unknown>;
  #closed = false;
  #server: string | undefined;

  private constructor(clientId: string, raw: stan.Stan) {
    this.clientId = clientId;
    this.raw = raw;
    this.lost = new Promise((resolve) => raw.on("connection_lost", resolve));
    // Without a listener the library's errors would end the process.
    raw.on("error", () => {});
    const { nc } = internals(raw);
    this.#server = nc?.currentServer.url.host;
    nc?.on("disconnect", () => this.#server = undefined);
    nc?.on("reconnect", () => this.#server = nc.currentServer.url.host);
  }

  /** Rejects with the server's or the library's error. */
  static connect(url: string, clientId: string, options: ClientOptions = {}): Promise<StanClient> {
    const { clusterId = "test-cluster", ...rest } = options;
    // The library would try `url` twice before it goes to another one of `servers`, each time for as long as TCP does.
    if (rest.servers !== undefined) rest.servers = rest.servers.filter((server) => server !== url);
    const connected = new Promise<StanClient>((resolve, reject) => {
      const raw = stan.connect(clusterId, clientId, { url, connectTimeout: 10_000, ...rest });
      raw.on("connect", () => resolve(new StanClient(clientId, raw)));
      raw.on("error", (error: unknown) => {
        raw.close();
        reject(asError(error));
      });
    });
    return deadline(connected, patience, () => new Error(`${clientId} could not connect to ${url}`));
  }

  /** Resolves with the message's guid when the server has acknowledged it; rejects with the server's text or a timeout. */
  publish(subject: string, data: string | Uint8Array): Promise<string> {
    const { nc } = internals(this.raw);
    return new Promise((resolve, reject) => {
      this.raw.publish(subject, data as string, (error, guid) => {
        if (error) reject(asError(error));
        // The library also calls back without an error when the connection is closed.
        else if (nc === undefined || nc.closed) {
          reject(new Error("the connection was closed before the message was acknowledged"));
        } else resolve(guid);
      });
    });
  }

  /**
   * The address of the server that the library publishes to; `undefined` while it looks for another one and keeps what is
   * published. What is published in the instant in which it gives one up goes to that one: it throws that away.
   */
  get server(): string | undefined {
    return this.#server;
  }

  /** Publishes one after the other, `count` messages whose texts count from `first`. */
  async publishMany(subject: string, count: number, first = 1): Promise<void> {
    for (let i = first; i < first + count; i++) await this.publish(subject, String(i));
  }

  /** Resolves when the server has accepted the subscription. */
  subscribe(subject: string, options: SubscribeOptions = {}): Promise<StanSubscription> {
    const settings = settingsOf(this.raw.subscriptionOptions(), options);
    const raw = options.queue === undefined
      ? this.raw.subscribe(subject, settings)
      : this.raw.subscribe(subject, options.queue, settings);
    const subscription = new StanSubscription(subject, raw);
    return deadline(subscription.accepted, patience, () => new Error(`no answer to the subscription to ${subject}`));
  }

  /** Says good-bye to the server and waits for its answer. */
  close(): Promise<void> {
    this.#closed = true;
    const closed = new Promise<void>((resolve) => {
      this.raw.on("close", resolve);
      this.raw.close();
    });
    return deadline(closed, patience, () => new Error(`${this.clientId} could not close`));
  }

  /** Drops the connection without a word, as a crash would. Idempotent. */
  abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { nc, pingTimer } = internals(this.raw);
    clearTimeout(pingTimer);
    nc?.close();
  }
}

/** What the library has no calls for. */
interface Internals {
  readonly nc?: {
    readonly closed?: boolean;
    readonly currentServer: { readonly url: URL };
    close(): void;
    on(event: "disconnect" | "reconnect", handler: () => void): void;
  };
  readonly pingTimer?: number;
}

function internals(raw: stan.Stan): Internals {
  return raw as unknown as Internals;
}

export class StanSubscription implements AsyncIterable<Received> {
  readonly subject: string;
  readonly raw: stan.Subscription;
  /** Everything received so far. */
  readonly received: Received[] = [];
  readonly accepted: Promise<this>;
  #taken = 0;
  #wake: () => void = () => {};

  constructor(subject: string, raw: stan.Subscription) {
    this.subject = subject;
    this.raw = raw;
    raw.on("message", (message: stan.Message) => {
      this.received.push(receivedOf(message));
      this.#wake();
    });
    this.accepted = new Promise((resolve, reject) => {
      raw.on("ready", () => resolve(this));
      raw.on("error", (error: unknown) => reject(asError(error)));
      raw.on("timeout", (error: unknown) => reject(asError(error)));
    });
  }

  /** The next message that was not taken yet. */
  async next(limit = patience): Promise<Received> {
    const arrived = async () => {
      while (this.received.length <= this.#taken) await new Promise<void>((resolve) => this.#wake = resolve);
    };
    await deadline(arrived(), limit, () => new Error(`message ${this.#taken + 1} on ${this.subject} did not come`));
    return this.received[this.#taken++]!;
  }

  /** The next `count` messages. */
  async take(count: number, limit = patience): Promise<Received[]> {
    const messages: Received[] = [];
    while (messages.length < count) messages.push(await this.next(limit));
    return messages;
  }

  /** The next `count` messages of different sequences: in a cluster any may come again, when another node begins to lead. */
  async takeDistinct(count: number, limit = patience): Promise<Received[]> {
    const messages = new Map<number, Received>();
    while (messages.size < count) {
      const message = await this.next(limit);
      if (!messages.has(message.sequence)) messages.set(message.sequence, message);
    }
    return [...messages.values()];
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Received> {
    for (;;) yield await this.next();
  }

  /** Ends the subscription; a durable one is forgotten. */
  unsubscribe(): Promise<void> {
    return this.#end("unsubscribed", () => this.raw.unsubscribe());
  }

  /** Ends the subscription; a durable one can be resumed. */
  close(): Promise<void> {
    return this.#end("closed", () => this.raw.close());
  }

  #end(event: "unsubscribed" | "closed", end: () => void): Promise<void> {
    const ended = new Promise<void>((resolve, reject) => {
      this.raw.on(event, () => resolve());
      this.raw.on("error", (error: unknown) => reject(asError(error)));
      end();
    });
    return deadline(ended, patience, () => new Error(`the subscription to ${this.subject} was not ${event}`));
  }
}

function settingsOf(settings: stan.SubscriptionOptions, options: SubscribeOptions): stan.SubscriptionOptions {
  const { start } = options;
  if (start === "first") settings.setDeliverAllAvailable();
  else if (start === "last") settings.setStartWithLastReceived();
  else if (start !== undefined && "sequence" in start) settings.setStartAtSequence(start.sequence);
  else if (start !== undefined && "time" in start) settings.setStartTime(start.time);
  else if (start !== undefined) settings.setStartAtTimeDelta(start.agoMillis);
  if (options.durable !== undefined) settings.setDurableName(options.durable);
  if (options.manualAcks) settings.setManualAckMode(true);
  if (options.ackWaitMillis !== undefined) settings.setAckWait(options.ackWaitMillis);
  if (options.maxInFlight !== undefined) settings.setMaxInFlight(options.maxInFlight);
  return settings;
}

function receivedOf(message: stan.Message): Received {
  const data = Uint8Array.from(message.getRawData());
  return {
    sequence: message.getSequence(),
    text: new TextDecoder().decode(data),
    data,
    subject: message.getSubject(),
    redelivered: message.isRedelivered(),
    timestamp: message.getTimestamp(),
    ack: () => message.ack(),
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
