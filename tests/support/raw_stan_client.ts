/**
 * STAN by hand over a NATS connection: every request and every field as the test wants it, and what comes back as it
 * came. For what the client libraries would not send, or hide.
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import {
  Ack,
  CloseRequest,
  CloseResponse,
  ConnectRequest,
  ConnectResponse,
  MsgProto,
  PubAck,
  PubMsg,
  StartPosition,
  SubscriptionRequest,
  SubscriptionResponse,
  UnsubscribeRequest,
} from "../../src/protocol/client_messages.ts";

import { eventually } from "./deadline.ts";

const CLUSTER = "test-cluster";

/** How long an answer may take, milliseconds: longer than any busy machine makes it last. */
const PATIENCE = 40_000;

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Long enough for everything that comes at once to have come. */
export function settle(millis = 300): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

/** A connection to NATS on which any number of STAN clients can be played. */
export class RawStan {
  readonly #nats: NatsConnection;
  readonly #clusterId: string;
  /** Heartbeat inboxes that do not answer at the moment. */
  readonly deaf = new Set<string>();
  #inboxes = 0;
  readonly #prefix = `raw.${crypto.randomUUID().slice(0, 8)}`;

  constructor(nats: NatsConnection, clusterId: string = CLUSTER) {
    this.#nats = nats;
    this.#clusterId = clusterId;
  }

  static async open(url: string): Promise<RawStan> {
    return new RawStan(await connect({ servers: url, reconnect: false }));
  }

  async end(): Promise<void> {
    await this.#nats.close();
  }

  inbox(): string {
    return `${this.#prefix}.${++this.#inboxes}`;
  }

  /** The raw answer, or `undefined` when none comes. */
  async request(subject: string, payload: Uint8Array, timeout = PATIENCE): Promise<Uint8Array | undefined> {
    try {
      return Uint8Array.from((await this.#nats.request(subject, payload, { timeout })).data);
    } catch {
      return undefined;
    }
  }

  send(subject: string, payload: Uint8Array, reply?: string): void {
    this.#nats.publish(subject, payload, reply === undefined ? {} : { reply });
  }

  /** Everything that arrives on `inbox` from now on, in order. */
  gather(inbox: string): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    this.#nats.subscribe(inbox, { callback: (_error, message) => void payloads.push(Uint8Array.from(message.data)) });
    return payloads;
  }

  /** Registers a client with a heartbeat inbox that answers unless it is {@link deaf}; with `isThere` false nobody listens. */
  async connect(
    clientId: string,
    fields: Partial<ConnectRequest> = {},
    { isThere = true } = {},
  ): Promise<ConnectResponse> {
    const heartbeatInbox = fields.heartbeatInbox ?? this.inbox();
    if (isThere) {
      this.#nats.subscribe(heartbeatInbox, {
        callback: (_error, message) => {
          if (!this.deaf.has(heartbeatInbox)) message.respond();
        },
      });
    }
    const request = { clientId, heartbeatInbox, protocol: 1, connId: bytesOf(`conn-${clientId}`), ...fields };
    const answer = await this.request(`_STAN.discover.${this.#clusterId}`, ConnectRequest.encode(request));
    if (answer === undefined) throw new Error(`no answer to the connect request of ${clientId}`);
    return ConnectResponse.decode(answer);
  }

  /** The error text; empty when stored. */
  async publish(clientId: string, channel: string, text = "x", fields: Partial<PubMsg> = {}): Promise<string> {
    const message = { clientId, guid: crypto.randomUUID(), subject: channel, data: bytesOf(text), ...fields };
    const answer = await this.request(`_STAN.pub.${this.#clusterId}.${channel}`, PubMsg.encode(message));
    if (answer === undefined) return "no answer";
    return PubAck.decode(answer).error;
  }

  async publishMany(clientId: string, channel: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.publish(clientId, channel, `${i}`);
  }

  /** A subscription, or the text of its refusal. */
  async subscribe(
    clientId: string,
    channel: string,
    fields: Partial<SubscriptionRequest> = {},
  ): Promise<RawSubscription | string> {
    const inbox = fields.inbox ?? this.inbox();
    const subscription = new RawSubscription(this, clientId, channel, inbox);
    this.#nats.subscribe(inbox, {
      callback: (_error, message) => void subscription.messages.push(MsgProto.decode(message.data)),
    });
    const request = { clientId, subject: channel, inbox, maxInFlight: 1024, ackWaitInSecs: 30, ...fields };
    const answer = await this.request(`_STAN.sub.${this.#clusterId}`, SubscriptionRequest.encode(request));
    if (answer === undefined) return "no answer";
    const { error, ackInbox } = SubscriptionResponse.decode(answer);
    subscription.ackInbox = ackInbox;
    return error === "" ? subscription : error;
  }

  /** As {@link subscribe} from the first message, where a refusal is not expected. */
  async sub(
    clientId: string,
    channel: string,
    fields: Partial<SubscriptionRequest> = {},
  ): Promise<RawSubscription> {
    const subscription = await this.subscribe(clientId, channel, { startPosition: StartPosition.first, ...fields });
    if (typeof subscription === "string") throw new Error(subscription);
    return subscription;
  }

  /** The error text of an unsubscribe, or of a sub close. */
  async leave(how: "unsub" | "subclose", request: Partial<UnsubscribeRequest>): Promise<string> {
    const answer = await this.request(`_STAN.${how}.${this.#clusterId}`, UnsubscribeRequest.encode(request));
    return answer === undefined ? "no answer" : SubscriptionResponse.decode(answer).error;
  }

  async close(clientId: string): Promise<string> {
    const answer = await this.request(`_STAN.close.${this.#clusterId}`, CloseRequest.encode({ clientId }));
    return answer === undefined ? "no answer" : CloseResponse.decode(answer).error;
  }
}

export class RawSubscription {
  readonly messages: MsgProto[] = [];
  ackInbox = "";

  constructor(
    readonly stan: RawStan,
    readonly clientId: string,
    readonly channel: string,
    readonly inbox: string,
  ) {}

  ack(...sequences: number[]): void {
    for (const sequence of sequences) this.stan.send(this.ackInbox, Ack.encode({ subject: this.channel, sequence }));
  }

  unsubscribe(): Promise<string> {
    return this.stan.leave("unsub", { clientId: this.clientId, subject: this.channel, inbox: this.ackInbox });
  }

  close(): Promise<string> {
    return this.stan.leave("subclose", { clientId: this.clientId, subject: this.channel, inbox: this.ackInbox });
  }

  /** Waits until so many messages have come since the last take. */
  async atLeast(count: number, limit = 20_000): Promise<void> {
    await eventually(() => this.messages.length >= count || undefined, `message ${count} on ${this.channel}`, limit);
  }

  /** As {@link take}, once so many messages have come, and what should not come would have. */
  async takeJust(count: number): Promise<string> {
    await this.atLeast(count);
    await settle();
    return this.take();
  }

  /** As {@link take}, once so many messages have come. */
  async takeAtLeast(count: number): Promise<string> {
    await this.atLeast(count);
    return this.take();
  }

  /** What came since the last call: sequences, redeliveries with their count as `3#1`. */
  take(): string {
    return this.messages.splice(0).map(({ sequence, redelivered, redeliveryCount }) =>
      redelivered ? `${sequence}#${redeliveryCount}` : `${sequence}`
    ).join(" ");
  }
}
