/** A STAN client on the in-memory net: speaks the wire protocol by itself, with this project's encodings but none of its logic. */
import type { Inbound, MessageBus } from "../../../src/ports/message_bus.ts";
import {
  Ack,
  ConnectRequest,
  ConnectResponse,
  MsgProto,
  PubAck,
  PubMsg,
  SubscriptionRequest,
  SubscriptionResponse,
  UnsubscribeRequest,
} from "../../../src/protocol/client_messages.ts";
import type { Millis, Sequence } from "../../../src/protocol/units.ts";
import type { VirtualClock } from "../../support/virtual_clock.ts";
import { CLUSTER } from "./simulated_node.ts";

const EMPTY = new Uint8Array(0);
const RETRY: Millis = 200;
const text = new TextEncoder();

/** What came of one publish. A timeout means: nobody knows. */
export type PublishResult = "acked" | "refused" | "timeout";

export interface SimulatedSubscription {
  readonly channel: string;
  readonly durable: string;
  readonly queue: string;
  readonly maxInFlight: number;
  readonly ackWaitInSecs: number;
}

export class SimulatedClient {
  readonly #id: string;
  readonly #bus: MessageBus;
  readonly #clock: VirtualClock;
  readonly #inbox: string;
  #count = 0;
  #publishPrefix = "";
  #subscribeSubject = "";
  readonly #waiting = new Map<string, (result: PublishResult) => void>();

  constructor(id: string, bus: MessageBus, clock: VirtualClock) {
    this.#id = id;
    this.#bus = bus;
    this.#clock = clock;
    this.#inbox = `_INBOX.${id}`;
    bus.subscribe(`${this.#inbox}.hb`, (message) => this.#answer(message));
    bus.subscribe(`${this.#inbox}.acks`, (message) => this.#acknowledged(message));
  }

  /** Connects, however long it takes. */
  async connect(): Promise<void> {
    const request = ConnectRequest.encode({
      clientId: this.#id,
      heartbeatInbox: `${this.#inbox}.hb`,
      protocol: 1,
      connId: text.encode(this.#id),
      pingInterval: 5,
      pingMaxOut: 3,
    });
    for (;;) {
      const answer = await this.#bus.request(`_STAN.discover.${CLUSTER}`, request, 2_000);
      if (answer.kind === "reply") {
        const response = ConnectResponse.decode(answer.payload);
        // An earlier try of this very client may have been registered although its answer was lost.
        if (response.error === "" || response.error === "stan: clientID already registered") {
          this.#publishPrefix = response.pubPrefix || `_STAN.pub.${CLUSTER}`;
          this.#subscribeSubject = response.subRequests || `_STAN.sub.${CLUSTER}`;
          return;
        }
      }
      await this.#wait(RETRY);
    }
  }

  /** Publishes once and waits for the acknowledgement. */
  publish(channel: string, payload: string, patience: Millis): Promise<PublishResult> {
    const guid = `${this.#id}-${++this.#count}`;
    const message = PubMsg.encode({
      clientId: this.#id,
      guid,
      subject: channel,
      data: text.encode(payload),
      connId: text.encode(this.#id),
    });
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
      this.#bus.publishRequest(
        text.encode(`${this.#publishPrefix}.${channel}`),
        text.encode(`${this.#inbox}.acks`),
        message,
      );
    });
  }

  /** Subscribes from the first message on, however long it takes; `acknowledge` answers whether to ack, and when. */
  async subscribe(
    wanted: SimulatedSubscription,
    received: (sequence: Sequence, payload: string, redelivered: boolean) => Millis | undefined,
  ): Promise<void> {
    const inbox = `${this.#inbox}.${wanted.channel}.${++this.#count}`;
    let ackInbox = "";
    this.#bus.subscribe(inbox, (message) => {
      const { sequence, data, redelivered } = MsgProto.decode(message.buffer, message.payloadStart, message.payloadEnd);
      const delay = received(sequence, new TextDecoder().decode(data), redelivered);
      if (delay === undefined) return;
      const ack = () =>
        void this.#bus.publish(text.encode(ackInbox), Ack.encode({ subject: wanted.channel, sequence }));
      if (delay === 0) ack();
      else this.#clock.wakeAt(this.#clock.now() + delay, ack);
    });
    const request = SubscriptionRequest.encode({
      clientId: this.#id,
      subject: wanted.channel,
      queueGroup: wanted.queue,
      inbox,
      maxInFlight: wanted.maxInFlight,
      ackWaitInSecs: wanted.ackWaitInSecs,
      durableName: wanted.durable,
      startPosition: 4,
    });
    for (;;) {
      const answer = await this.#bus.request(this.#subscribeSubject, request, 2_000);
      const response = answer.kind === "reply" ? SubscriptionResponse.decode(answer.payload) : undefined;
      if (response !== undefined && response.error === "") {
        ackInbox = response.ackInbox;
        return;
      }
      // As the Go client does: whatever came of the request, this subscription is not wanted any more.
      const { channel: subject } = wanted;
      await this.#bus.request(
        `_STAN.subclose.${CLUSTER}`,
        UnsubscribeRequest.encode({ clientId: this.#id, subject, inbox }),
        500,
      );
      await this.#wait(RETRY);
    }
  }

  #answer(message: Inbound): void {
    if (message.replyEnd === message.replyStart) return;
    this.#bus.publish(message.buffer.slice(message.replyStart, message.replyEnd), EMPTY);
  }

  #acknowledged(message: Inbound): void {
    if (message.noResponders) return;
    const { guid, error } = PubAck.decode(message.buffer, message.payloadStart, message.payloadEnd);
    this.#waiting.get(guid)?.(error === "" ? "acked" : "refused");
  }

  #wait(time: Millis): Promise<void> {
    return new Promise((resolve) => void this.#clock.wakeAt(this.#clock.now() + time, resolve));
  }
}
