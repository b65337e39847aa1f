/**
 * A STAN client on the in-memory net: speaks the wire protocol by itself, with this project's encodings but none of its
 * logic. It can be closed, or be gone without a word, and come back under the same id.
 */
import type { Inbound } from "../../../src/ports/message_bus.ts";
import {
  Ack,
  CloseRequest,
  ConnectRequest,
  ConnectResponse,
  MsgProto,
  Ping,
  PingResponse,
  PubAck,
  PubMsg,
  SubscriptionRequest,
  SubscriptionResponse,
  UnsubscribeRequest,
} from "../../../src/protocol/client_messages.ts";
import type { Millis, Sequence } from "../../../src/protocol/units.ts";
import type { MemoryBus, MemoryNet } from "../../support/memory_bus.ts";
import type { VirtualClock } from "../../support/virtual_clock.ts";
import { CLUSTER } from "./simulated_node.ts";

const EMPTY = new Uint8Array(0);
const RETRY: Millis = 60;
const REQUEST: Millis = 600;
const ENDED = new Set(["", "stan: invalid subscription", "stan: unknown clientID", "stan: unknown channel"]);
const UNKNOWN_CLIENT = "stan: unknown clientID";
const ALREADY_REGISTERED = "stan: clientID already registered";
const text = new TextEncoder();
const decoder = new TextDecoder();

/** What came of one publish. A timeout means: nobody knows. */
export type PublishResult = "acked" | "refused" | "timeout";

export interface Subscribing {
  readonly channel: string;
  readonly durable: string;
  readonly queue: string;
  readonly maxInFlight: number;
  readonly ackWaitInSecs: number;
  /** As in the protocol: 0 new only, 1 last received, 4 first. */
  readonly startPosition: number;
}

export interface HeldSubscription extends Subscribing {
  readonly inbox: string;
  readonly ackInbox: string;
}

/** Answers whether to ack a message, and after how long. */
export type Receiver = (sequence: Sequence, payload: string, redelivered: boolean) => Millis | undefined;

/** The client was closed, or is gone, while something of it was under way. */
export class Gone extends Error {
  override readonly name = "Gone";
}

/** The servers took this client for dead. */
export class Forgotten extends Error {
  override readonly name = "Forgotten";
}

export class SimulatedClient {
  readonly #net: MemoryNet;
  readonly #clock: VirtualClock;
  readonly #told: (text: string) => void;
  #bus: MemoryBus;
  /** Counts connections under this id. */
  #life = 0;
  #count = 0;
  #inbox = "";
  readonly #waiting = new Map<string, (result: PublishResult) => void>();
  /** Answers no heartbeats, though it goes on with everything else. */
  deaf = false;
  /** When it was connected last. */
  connectedAt: Millis = 0;

  constructor(readonly id: string, net: MemoryNet, clock: VirtualClock, told: (text: string) => void) {
    this.#told = told;
    this.#net = net;
    this.#clock = clock;
    this.#bus = net.connect(id);
  }

  get bus(): MemoryBus {
    return this.#bus;
  }

  /** Connects anew, however long it takes. Rejects with Gone. */
  async connect(): Promise<void> {
    const life = ++this.#life;
    this.#bus = this.#net.connect(this.id);
    this.#inbox = `_INBOX.c.${this.id}.${life}`;
    this.#bus.subscribe(`${this.#inbox}.hb`, (message) => this.#answer(message));
    this.#bus.subscribe(`${this.#inbox}.acks`, (message) => this.#acknowledged(message));
    const request = ConnectRequest.encode({
      clientId: this.id,
      heartbeatInbox: `${this.#inbox}.hb`,
      protocol: 1,
      connId: this.#connId,
      pingInterval: 5,
      pingMaxOut: 3,
    });
    for (;;) {
      const answer = await this.#request(life, `_STAN.discover.${CLUSTER}`, request);
      // An earlier try of this very connection may have been registered although its answer was lost.
      const error = answer === undefined ? "none" : ConnectResponse.decode(answer).error;
      if (error === "" || (error === ALREADY_REGISTERED && await this.#isRegistered(life))) {
        this.connectedAt = this.#clock.now();
        return;
      }
      this.#told(`${this.#inbox}: ${error}`);
      await this.#pause(life);
    }
  }

  /** Whether the servers know this very connection. */
  async #isRegistered(life: number): Promise<boolean> {
    const answer = await this.#request(life, `_STAN.discover.${CLUSTER}.pings`, Ping.encode({ connId: this.#connId }));
    return answer !== undefined && (answer.length === 0 || PingResponse.decode(answer).error === "");
  }

  /** Whether the servers say that they know this connection no more. Rejects with Gone. */
  async isForgotten(): Promise<boolean> {
    const payload = Ping.encode({ connId: this.#connId });
    const answer = await this.#request(this.#life, `_STAN.discover.${CLUSTER}.pings`, payload);
    return answer !== undefined && answer.length > 0 && PingResponse.decode(answer).error !== "";
  }

  /** Says goodbye, once. */
  async close(): Promise<void> {
    await this.#request(this.#life, `_STAN.close.${CLUSTER}`, CloseRequest.encode({ clientId: this.id }));
    this.vanish();
  }

  /** Is gone without a word. */
  vanish(): void {
    this.#life++;
    void this.#bus.close();
    for (const settle of [...this.#waiting.values()]) settle("timeout");
  }

  newGuid(): string {
    return `${this.id}-${++this.#count}`;
  }

  /** Publishes once and waits for the acknowledgement. */
  publish(channel: string, payload: string, guid: string, patience: Millis): Promise<PublishResult> {
    const data = text.encode(payload);
    const message = PubMsg.encode({ clientId: this.id, guid, subject: channel, data, connId: this.#connId });
    return new Promise((resolve) => {
      const cancel = this.#clock.wakeAt(this.#clock.now() + patience, () => {
        this.#waiting.delete(guid);
        resolve("timeout");
      });
      this.#waiting.set(guid, (result) => {
        cancel();
        this.#waiting.delete(guid);
        resolve(result);
      });
      const subject = text.encode(`_STAN.pub.${CLUSTER}.${channel}`);
      this.#bus.publishRequest(subject, text.encode(`${this.#inbox}.acks`), message);
    });
  }

  /**
   * Subscribes, however long it takes. Rejects with Gone, and with Forgotten when the servers do not know this client, or
   * when they may know of it what is over: `isOutdated`.
   */
  async subscribe(wanted: Subscribing, received: Receiver, isOutdated = () => false): Promise<HeldSubscription> {
    const life = this.#life;
    const unwanted: string[] = [];
    for (;;) {
      const inbox = `${this.#inbox}.s.${++this.#count}`;
      const held = { ...wanted, inbox, ackInbox: "" };
      const listening = this.#bus.subscribe(inbox, (message) => this.#received(life, held, message, received));
      const request = SubscriptionRequest.encode({
        clientId: this.id,
        subject: wanted.channel,
        queueGroup: wanted.queue,
        inbox,
        maxInFlight: wanted.maxInFlight,
        ackWaitInSecs: wanted.ackWaitInSecs,
        durableName: wanted.durable,
        startPosition: wanted.startPosition,
      });
      const answer = await this.#request(life, `_STAN.sub.${CLUSTER}`, request);
      const response = answer === undefined ? undefined : SubscriptionResponse.decode(answer);
      if (response?.error === "") {
        held.ackInbox = response.ackInbox;
        return held;
      }
      this.#told(`${inbox}: ${response?.error ?? "no answer"}`);
      if (response?.error === UNKNOWN_CLIENT || isOutdated()) throw new Forgotten();
      listening.unsubscribe();
      // As the Go client does: whatever came of the request, this subscription is not wanted any more.
      unwanted.push(inbox);
      // One that was lost for now may yet have come through.
      for (const each of response === undefined ? [inbox] : unwanted) {
        await this.#end(life, "subclose", wanted.channel, each);
      }
      await this.#pause(life);
    }
  }

  /** `unsub` forgets a durable, `subclose` keeps it; however long it takes. Rejects with Gone. */
  async end(how: "unsub" | "subclose", held: HeldSubscription): Promise<void> {
    const life = this.#life;
    while (!await this.#end(life, how, held.channel, held.ackInbox)) await this.#pause(life);
  }

  async #end(life: number, how: string, subject: string, inbox: string): Promise<boolean> {
    const request = UnsubscribeRequest.encode({ clientId: this.id, subject, inbox });
    const answer = await this.#request(life, `_STAN.${how}.${CLUSTER}`, request);
    // That it knows of no such subscription is as good.
    return answer !== undefined && ENDED.has(SubscriptionResponse.decode(answer).error);
  }

  get #connId(): Uint8Array {
    return text.encode(`${this.id}/${this.#life}`);
  }

  async #request(life: number, subject: string, payload: Uint8Array): Promise<Uint8Array | undefined> {
    const answer = await this.#bus.request(subject, payload, REQUEST);
    if (this.#life !== life) throw new Gone();
    return answer.kind === "reply" ? answer.payload : undefined;
  }

  #received(life: number, held: { channel: string; ackInbox: string }, message: Inbound, received: Receiver): void {
    const { sequence, data, redelivered } = MsgProto.decode(message.buffer, message.payloadStart, message.payloadEnd);
    const delay = received(sequence, decoder.decode(data), redelivered);
    if (delay === undefined) return;
    const ack = () => {
      if (this.#life !== life || held.ackInbox === "") return;
      this.#bus.publish(text.encode(held.ackInbox), Ack.encode({ subject: held.channel, sequence }));
    };
    if (delay === 0) ack();
    else this.#clock.wakeAt(this.#clock.now() + delay, ack);
  }

  #answer(message: Inbound): void {
    if (this.deaf || message.replyEnd === message.replyStart) return;
    this.#bus.publish(message.buffer.slice(message.replyStart, message.replyEnd), EMPTY);
  }

  #acknowledged(message: Inbound): void {
    if (message.noResponders) return;
    const { guid, error } = PubAck.decode(message.buffer, message.payloadStart, message.payloadEnd);
    if (error !== "") this.#told(`${guid} refused: ${error}`);
    this.#waiting.get(guid)?.(error === "" ? "acked" : "refused");
  }

  async #pause(life: number): Promise<void> {
    await new Promise<void>((resolve) => void this.#clock.wakeAt(this.#clock.now() + RETRY, resolve));
    if (this.#life !== life) throw new Gone();
  }
}
