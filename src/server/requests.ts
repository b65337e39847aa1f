/** Subject → handler, while this server leads (spec streaming, sections 1.4 and 1.5). */
import type { Inbound, MessageBus, Subscription } from "../ports/message_bus.ts";
import { pingSubject } from "../protocol/subjects.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import { Malformed } from "../protocol/varint.ts";
import type { Publishing } from "./publishing.ts";
import type { Sessions } from "./sessions.ts";
import type { Subscribing } from "./subscribing.ts";

export interface RequestHandlers {
  readonly sessions: Sessions;
  readonly publishing: Publishing;
  readonly subscribing: Subscribing;
}

export class Requests {
  readonly #bus: MessageBus;
  readonly #handlers: RequestHandlers;
  #subscriptions: Subscription[] = [];

  constructor(bus: MessageBus, handlers: RequestHandlers) {
    this.#bus = bus;
    this.#handlers = handlers;
  }

  /**
   * Listens to what clients ask; to publish requests for `channels`, names or patterns, none where somebody else listens
   * to them. Resolves when NATS knows.
   */
  async open(info: ServerInfo, channels: readonly string[]): Promise<void> {
    const { sessions, publishing, subscribing } = this.#handlers;
    const publishSubjects = channels.map((pattern) => `${info.publish}.${pattern}`);
    const handlers: [string, (message: Inbound) => void][] = [
      [info.discovery, (message) => sessions.connect(message)],
      [pingSubject(info), (message) => sessions.ping(message)],
      ...publishSubjects.map((subject): [string, (message: Inbound) => void] => [
        subject,
        (message) => publishing.handle(message),
      ]),
      [info.subscribe, (message) => subscribing.subscribe(message)],
      [info.unsubscribe, (message) => subscribing.unsubscribe(message, true)],
      [info.subClose, (message) => subscribing.unsubscribe(message, false)],
      [info.close, (message) => sessions.close(message)],
    ];
    this.#subscriptions = handlers.map(([subject, handler]) => this.#bus.subscribe(subject, handler));
    await this.#bus.flush();
  }

  /** Stops listening at once. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
  }
}

/** What a declared message can do here. */
interface Decoder<T> {
  decode(bytes: Uint8Array, start: number, end: number): T;
}

/** The decoded payload, or `undefined` when it is malformed. */
export function decoded<T>(declared: Decoder<T>, message: Inbound): T | undefined {
  try {
    return declared.decode(message.buffer, message.payloadStart, message.payloadEnd);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** A copy of the subject to answer to, or `undefined` when the request has none. */
export function replyTo(message: Inbound): Uint8Array | undefined {
  return message.replyEnd > message.replyStart ? message.buffer.slice(message.replyStart, message.replyEnd) : undefined;
}
