/**
 * The message bus of a server that carries NATS inside: straight into the subject tree and the clients' output, no socket.
 *
 * Messages between two buses of one server wait for the end of the turn, so that no handler runs inside another.
 */
import type { Account } from "./account.ts";
import type { Answer, Handler, Inbound, MessageBus, Subscription as Listening } from "../../ports/message_bus.ts";
import type { Clock } from "../../ports/clock.ts";
import { copy, CRLF, latin1Bytes, NO_RESPONDERS, writeNumber } from "../wire/frames.ts";
import type { Delivery } from "./delivery.ts";
import { Message } from "./message.ts";
import type { Millis, Nanos } from "../../protocol/units.ts";
import { RecentSubject } from "./recent_subject.ts";
import { Subscription, type Target, validSubject } from "./subjects/mod.ts";
import type { Turn } from "./turn.ts";

/** What a bus needs of its server. */
export interface BusHost {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly delivery: Delivery;
  readonly globalAccount: Account;
  readonly url: string;
  readonly limits: { readonly maxPayload: number };
  /** The next unique id. */
  uniqueId(): string;
  busClosed(bus: InProcessBus): void;
}

const encoder = new TextEncoder();
const none = new Uint8Array(0);

/** A message from another bus, or a status, until the turn ends. */
interface Waiting {
  readonly subscription: BusSubscription;
  readonly inbound: Inbound;
}

class BusSubscription extends Subscription {
  readonly handler: Handler;
  constructor(bus: InProcessBus, subject: string, sid: string, handler: Handler) {
    super(bus, subject, undefined, sid);
    this.handler = handler;
  }
}

export class InProcessBus implements MessageBus, Target {
  readonly name: string;
  /** As monitoring numbers connections; 0 for a bus that it does not show. */
  readonly id: number;
  readonly started: Nanos;
  /** Messages and bytes in either direction, for monitoring. */
  inMessages = 0;
  inBytes = 0;
  outMessages = 0;
  outBytes = 0;
  readonly #host: BusHost;
  readonly #subscriptions = new Set<BusSubscription>();
  readonly #message = new Message();
  /** The last subject published to; it was found fit for that. */
  readonly #recent = new RecentSubject();
  /** The head of the message being published: `subject reply size CR LF`. */
  #head = new Uint8Array(1024);
  readonly #inbound: Inbound = {
    buffer: none,
    subjectStart: 0,
    subjectEnd: 0,
    replyStart: 0,
    replyEnd: 0,
    payloadStart: 0,
    payloadEnd: 0,
    noResponders: false,
  };
  readonly #waiting: Waiting[] = [];
  readonly #inboxPrefix: string;
  readonly #requests = new Map<string, (answer: Answer) => void>();
  #muxed: Listening | undefined;
  #lastToken = 0;
  #lastSid = 0;
  /** Whether something was handed out since the batch last ended. */
  #handedOut = false;
  #scheduled = false;
  #batchEnded: (() => void) | undefined;
  #topologyChanged: (() => void) | undefined;
  #open = true;
  readonly #atEnd = () => this.#endBatch();

  constructor(name: string, id: number, host: BusHost) {
    this.name = name;
    this.id = id;
    this.started = host.clock.wall();
    this.#host = host;
    this.#message.origin = this;
    this.#inboxPrefix = `_INBOX.${host.uniqueId()}.`;
    host.turn.onEnd(this.#atEnd);
  }

  get connected(): boolean {
    return this.#open;
  }
  get maxPayload(): number {
    return this.#host.limits.maxPayload;
  }
  get url(): string {
    return this.#host.url;
  }
  get subscriptionCount(): number {
    return this.#subscriptions.size;
  }
  /** Calls `visit` for each subscription; for monitoring. */
  forEachSubscription(visit: (subscription: Subscription) => void): void {
    for (const subscription of this.#subscriptions) visit(subscription);
  }

  subscribe(subject: string, handler: Handler): Listening {
    const bytes = oneByteEach(subject);
    if (!validSubject(bytes)) throw new RangeError(`${JSON.stringify(subject)} is not a subject`);
    if (!this.#open) return { unsubscribe() {} };
    const subscription = new BusSubscription(this, bytes, String(++this.#lastSid), handler);
    this.#subscriptions.add(subscription);
    this.#host.globalAccount.add(subscription);
    return {
      unsubscribe: () => {
        if (this.#subscriptions.delete(subscription)) this.#host.globalAccount.remove(subscription);
      },
    };
  }

  publish(subject: Uint8Array, payload: Uint8Array, start = 0, end = payload.length): boolean {
    return this.#send(subject, none, payload, start, end);
  }

  publishRequest(subject: Uint8Array, reply: Uint8Array, payload: Uint8Array): boolean {
    return publishable(reply) && this.#send(subject, reply, payload, 0, payload.length);
  }

  request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer> {
    if (!this.#open) return Promise.resolve({ kind: "disconnected" });
    this.#muxed ??= this.subscribe(`${this.#inboxPrefix}*`, (message) => this.#answered(message));
    const token = (++this.#lastToken).toString(36);
    return new Promise((resolve) => {
      const cancel = this.#host.clock.wakeAt(this.#host.clock.now() + timeout, () => settle({ kind: "timeout" }));
      const settle = (answer: Answer) => {
        this.#requests.delete(token);
        cancel();
        resolve(answer);
      };
      this.#requests.set(token, settle);
      const reply = latin1Bytes(this.#inboxPrefix + token);
      if (!this.publishRequest(encoder.encode(subject), reply, payload)) settle({ kind: "no responders" });
    });
  }

  flush(): Promise<void> {
    if (!this.#open) return Promise.reject(new Error("the bus is closed"));
    return new Promise((resolve) => this.#host.clock.soon(resolve));
  }

  onBatchEnd(listener: () => void): void {
    this.#batchEnded = listener;
  }

  /** The connection to a server in the same process neither breaks nor returns. */
  onConnection(_listener: (connected: boolean) => void): void {}

  onTopology(listener: () => void): void {
    this.#topologyChanged = listener;
  }

  /** The server has a route to one more. */
  tellTopology(): void {
    this.#topologyChanged?.();
  }

  close(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.#open = false;
    this.#host.globalAccount.removeAll(this.#subscriptions);
    this.#subscriptions.clear();
    this.#waiting.length = 0;
    for (const settle of [...this.#requests.values()]) settle({ kind: "disconnected" });
    this.#host.turn.offEnd(this.#atEnd);
    this.#host.busClosed(this);
    return Promise.resolve();
  }

  /** Takes a message for one of this bus's subscriptions. */
  deliver(subscription: Subscription, message: Message): boolean {
    if (!this.#open) return false;
    this.outMessages++;
    this.outBytes += message.size;
    subscription.delivered++;
    if (message.origin instanceof InProcessBus) {
      this.#wait(subscription as BusSubscription, copyOf(message));
      return true;
    }
    const inbound = this.#inbound;
    inbound.buffer = message.buffer;
    inbound.subjectStart = message.subjectStart;
    inbound.subjectEnd = message.subjectEnd;
    inbound.replyStart = message.replyStart;
    inbound.replyEnd = message.replyEnd;
    inbound.payloadStart = message.payloadStart + message.headerSize;
    inbound.payloadEnd = message.payloadEnd;
    inbound.noResponders = message.headerSize > 0 && isNoResponders(message);
    if (!this.#handedOut) this.#host.turn.touch();
    this.#handedOut = true;
    (subscription as BusSubscription).handler(inbound);
    return true;
  }

  #send(subject: Uint8Array, reply: Uint8Array, payload: Uint8Array, start: number, end: number): boolean {
    const size = end - start;
    const { length } = subject;
    if (!this.#open || size > this.maxPayload) return false;
    if (!this.#recent.is(subject, 0, length) && !publishable(subject)) return false;
    const message = this.#message;
    const needed = subject.length + reply.length + 24;
    if (this.#head.length < needed) this.#head = new Uint8Array(2 * needed);
    const head = this.#head;
    message.buffer = head;
    message.subjectStart = 0;
    message.subjectEnd = message.replyStart = copy(subject, 0, subject.length, head, 0);
    message.replyEnd = message.sizeStart = copy(reply, 0, reply.length, head, message.replyStart);
    message.sizeEnd = writeNumber(size, head, message.sizeStart);
    copy(CRLF, 0, 2, head, message.sizeEnd);
    message.payload = payload;
    message.payloadStart = start;
    message.payloadEnd = end;
    this.inMessages++;
    this.inBytes += size;
    const account = this.#host.globalAccount;
    const interested = this.#recent.find(account, head, 0, length);
    const delivered = this.#host.delivery.fromClient(account.name, interested, message);
    if (!delivered && reply.length > 0) this.#nobodyListens(reply);
    return true;
  }

  /** Tells this bus's own subscriptions on a reply subject that the request found nobody. */
  #nobodyListens(reply: Uint8Array): void {
    const { locals } = this.#host.globalAccount.cache.find(reply, 0, reply.length);
    for (const subscription of locals) {
      if (subscription.target !== this) continue;
      const buffer = reply.slice();
      const inbound = { ...this.#inbound, buffer, subjectStart: 0, subjectEnd: buffer.length };
      const payload = { replyStart: 0, replyEnd: 0, payloadStart: 0, payloadEnd: 0, noResponders: true };
      this.#wait(subscription as BusSubscription, { ...inbound, ...payload });
      return;
    }
  }

  #wait(subscription: BusSubscription, inbound: Inbound): void {
    this.#waiting.push({ subscription, inbound });
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#host.clock.soon(() => {
      this.#scheduled = false;
      this.#handOutWaiting();
    });
  }

  #handOutWaiting(): void {
    for (const { subscription, inbound } of this.#waiting.splice(0)) {
      if (!subscription.active) continue;
      this.#handedOut = true;
      subscription.handler(inbound);
    }
    this.#host.turn.touch();
  }

  #endBatch(): void {
    if (!this.#handedOut) return;
    this.#handedOut = false;
    this.#batchEnded?.();
  }

  #answered(message: Inbound): void {
    const from = message.subjectStart + this.#inboxPrefix.length;
    let token = "";
    for (let i = from; i < message.subjectEnd; i++) token += String.fromCharCode(message.buffer[i]!);
    const settle = this.#requests.get(token);
    if (settle === undefined) return;
    if (message.noResponders) settle({ kind: "no responders" });
    else settle({ kind: "reply", payload: message.buffer.slice(message.payloadStart, message.payloadEnd) });
  }
}

/** The UTF-8 bytes of a subject, one character each: how the tree holds subjects. */
function oneByteEach(subject: string): string {
  let text = "";
  for (const byte of encoder.encode(subject)) text += String.fromCharCode(byte);
  return text;
}

/** Whether bytes can be published to: no blank, no empty token, no wildcard token. */
function publishable(subject: Uint8Array): boolean {
  if (subject.length === 0) return false;
  let tokenStart = 0;
  for (let i = 0; i <= subject.length; i++) {
    const byte = i < subject.length ? subject[i]! : 46;
    if (byte === 32 || byte === 9 || byte === 13 || byte === 10) return false;
    if (byte !== 46) continue;
    if (i === tokenStart) return false;
    if (i === tokenStart + 1 && (subject[tokenStart] === 42 || subject[tokenStart] === 62)) return false;
    tokenStart = i + 1;
  }
  return true;
}

function isNoResponders(message: Message): boolean {
  // The status line alone decides: `NATS/1.0 503`.
  const line = NO_RESPONDERS.length - 4;
  if (message.headerSize < line || message.payloadEnd - message.payloadStart > message.headerSize) return false;
  for (let i = 0; i < line; i++) if (message.payload[message.payloadStart + i] !== NO_RESPONDERS[i]) return false;
  return true;
}

/** The message in a buffer of its own. */
function copyOf(message: Message): Inbound {
  const subject = message.subjectEnd - message.subjectStart;
  const reply = message.replyEnd - message.replyStart;
  const payloadStart = message.payloadStart + message.headerSize;
  const buffer = new Uint8Array(subject + reply + message.payloadEnd - payloadStart);
  let at = copy(message.buffer, message.subjectStart, message.subjectEnd, buffer, 0);
  at = copy(message.buffer, message.replyStart, message.replyEnd, buffer, at);
  copy(message.payload, payloadStart, message.payloadEnd, buffer, at);
  return {
    buffer,
    subjectStart: 0,
    subjectEnd: subject,
    replyStart: subject,
    replyEnd: subject + reply,
    payloadStart: subject + reply,
    payloadEnd: buffer.length,
    noResponders: false,
  };
}
