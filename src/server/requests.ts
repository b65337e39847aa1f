/** Subject → handler, while this server leads (spec streaming, sections 1.4 and 1.5). */
import type { Inbound, MessageBus, Subscription } from "../ports/message_bus.ts";
import { CloseRequest, ConnectRequest, SubscriptionRequest, UnsubscribeRequest } from "../protocol/client_messages.ts";
import { pingSubject } from "../protocol/subjects.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Publishing } from "./publishing.ts";
import { closeKey, connectKey, subscribeKey, unsubscribeKey } from "./recent_requests.ts";
import { decoded, type Decoder } from "./request_reading.ts";
import type { Sessions } from "./sessions.ts";
import type { Subscribing } from "./subscribing.ts";

export interface RequestHandlers {
  readonly sessions: Sessions;
  readonly publishing: Publishing;
  readonly subscribing: Subscribing;
}

/** What clients ask for besides publishing and pings. */
export interface ClientRequest {
  readonly subject: string;
  /** It begins what a client does under its id. */
  readonly connects: boolean;
  /** Whose it is, and by what it is known when it has been carried out ({@link RecentRequests}); `undefined`: damaged. */
  known(message: Inbound): { readonly clientId: string; readonly key: string } | undefined;
  handle(message: Inbound): void;
  /** It was carried out already, maybe without an answer: answers again. */
  again(message: Inbound): void;
}

export function clientRequests(
  { sessions, subscribing }: Pick<RequestHandlers, "sessions" | "subscribing">,
  info: ServerInfo,
): readonly ClientRequest[] {
  const unsubscribe = (subject: string, remove: boolean): ClientRequest => ({
    subject,
    connects: false,
    known: knownBy(UnsubscribeRequest, ({ clientId, subject, inbox }) => unsubscribeKey(clientId, subject, inbox)),
    handle: (message) => subscribing.unsubscribe(message, remove),
    again: (message) => subscribing.endedBefore(message),
  });
  return [
    {
      subject: info.discovery,
      connects: true,
      known: knownBy(ConnectRequest, ({ clientId, heartbeatInbox }) => connectKey(clientId, heartbeatInbox)),
      handle: (message) => sessions.connect(message),
      again: (message) => sessions.connectedBefore(message),
    },
    {
      subject: info.subscribe,
      connects: false,
      known: knownBy(SubscriptionRequest, ({ clientId, subject, inbox }) => subscribeKey(clientId, subject, inbox)),
      handle: (message) => subscribing.subscribe(message),
      again: (message) => subscribing.subscribedBefore(message),
    },
    unsubscribe(info.unsubscribe, true),
    unsubscribe(info.subClose, false),
    {
      subject: info.close,
      connects: false,
      known: knownBy(CloseRequest, ({ clientId }) => closeKey(clientId)),
      handle: (message) => sessions.close(message),
      again: (message) => sessions.closedBefore(message),
    },
  ];
}

function knownBy<T extends { readonly clientId: string }>(
  declared: Decoder<T>,
  key: (request: T) => string,
): ClientRequest["known"] {
  return (message) => {
    const request = decoded(declared, message);
    return request === undefined ? undefined : { clientId: request.clientId, key: key(request) };
  };
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
   * Listens to pings and, unless somebody else listens to all the rest (`channels` is `undefined`), to what clients ask and
   * to publish requests for `channels`, names or patterns. Resolves when NATS knows.
   */
  async open(info: ServerInfo, channels: readonly string[] | undefined): Promise<void> {
    const { sessions, publishing } = this.#handlers;
    const handlers: [string, (message: Inbound) => void][] = [
      [pingSubject(info), (message) => sessions.ping(message)],
    ];
    if (channels !== undefined) {
      for (const { subject, handle } of clientRequests(this.#handlers, info)) handlers.push([subject, handle]);
      for (const pattern of channels) {
        handlers.push([`${info.publish}.${pattern}`, (message) => publishing.handle(message)]);
      }
    }
    this.#subscriptions = handlers.map(([subject, handler]) => this.#bus.subscribe(subject, handler));
    await this.#bus.flush();
  }

  /** Stops listening at once. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
  }
}
