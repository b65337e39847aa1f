/**
 * NATS in memory: buses that reach each other through a net with delays, losses and partitions, on whatever clock it is
 * given. A message that is lost or refused behaves as with real NATS: at most once, in order between two buses.
 */
import type { Cancel, Clock } from "../../src/ports/clock.ts";
import type { Answer, Handler, Inbound, MessageBus, SubjectBytes, Subscription } from "../../src/ports/message_bus.ts";
import type { Millis } from "../../src/protocol/units.ts";

interface Interest {
  readonly bus: MemoryBus;
  readonly tokens: readonly string[];
  readonly handler: Handler;
  active: boolean;
}

interface Parcel {
  readonly subject: string;
  readonly reply: string;
  readonly payload: Uint8Array;
  readonly noResponders: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What connects the buses. Change its faults at any time. */
export class MemoryNet {
  /** How long a message from one bus to another takes, in milliseconds. Order is kept whatever it answers. */
  delay: (from: string, to: string) => Millis = () => 0;
  /** Whether a message is lost on the way. */
  loses: (from: string, to: string) => boolean = () => false;
  /** Whether one bus reaches the other at all; where not, its interest is not known there either. */
  reaches: (from: string, to: string) => boolean = () => true;
  maxPayload = 1_048_576;
  readonly clock: Clock;
  readonly #interests = new Set<Interest>();
  readonly #lastArrivals = new Map<string, Millis>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A new connection. `clock` is that of its process: when that is killed, nothing arrives any more. */
  connect(name: string, clock: Clock = this.clock): MemoryBus {
    return new MemoryBus(this, name, clock);
  }

  /** Cuts the buses into groups that do not reach each other; a bus that is in no group reaches nobody. */
  partition(...groups: readonly (readonly string[])[]): void {
    this.reaches = (from, to) => from === to || groups.some((group) => group.includes(from) && group.includes(to));
  }

  heal(): void {
    this.reaches = () => true;
  }

  /** For {@link MemoryBus}. */
  add(interest: Interest): void {
    this.#interests.add(interest);
  }

  /** For {@link MemoryBus}. */
  remove(interest: Interest): void {
    this.#interests.delete(interest);
  }

  /** For {@link MemoryBus}: sends to everybody interested and answers whether there was anybody. */
  route(from: MemoryBus, parcel: Parcel): boolean {
    const tokens = parcel.subject.split(".");
    let anybody = false;
    for (const interest of this.#interests) {
      if (!interest.bus.connected || !matches(interest.tokens, tokens)) continue;
      if (!this.reaches(from.name, interest.bus.name)) continue;
      anybody = true;
      if (!this.loses(from.name, interest.bus.name)) this.#send(from.name, interest, parcel);
    }
    return anybody;
  }

  #send(from: string, interest: Interest, parcel: Parcel): void {
    const key = `${from} ${interest.bus.name}`;
    const arrival = Math.max(this.clock.now() + this.delay(from, interest.bus.name), this.#lastArrivals.get(key) ?? 0);
    this.#lastArrivals.set(key, arrival);
    interest.bus.arriveAt(arrival, interest, parcel);
  }
}

export class MemoryBus implements MessageBus {
  readonly name: string;
  readonly #net: MemoryNet;
  readonly #clock: Clock;
  readonly #own = new Set<Interest>();
  /** Requests under way, by their reply subject. */
  readonly #requests = new Map<string, (answer: Answer) => void>();
  readonly #connectionListeners: ((connected: boolean) => void)[] = [];
  #onBatchEnd: () => void = () => {};
  #batchEndIsSet = false;
  #connected = true;
  #closed = false;
  #requestCount = 0;
  /** Grows with each loss of the connection: what was on its way before does not arrive. */
  #life = 0;

  constructor(net: MemoryNet, name: string, clock: Clock) {
    this.#net = net;
    this.name = name;
    this.#clock = clock;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get maxPayload(): number {
    return this.#net.maxPayload;
  }

  get url(): string {
    return `memory://${this.name}`;
  }

  subscribe(subject: string, handler: Handler): Subscription {
    const interest: Interest = { bus: this, tokens: subject.split("."), handler, active: !this.#closed };
    if (!this.#closed) {
      this.#own.add(interest);
      this.#net.add(interest);
    }
    return {
      unsubscribe: () => {
        interest.active = false;
        this.#own.delete(interest);
        this.#net.remove(interest);
      },
    };
  }

  publish(subject: SubjectBytes, payload: Uint8Array, start = 0, end = payload.length): boolean {
    return this.#send(decoder.decode(subject), "", payload.slice(start, end));
  }

  publishRequest(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array): boolean {
    const to = decoder.decode(reply);
    return publishable(to) && this.#send(decoder.decode(subject), to, payload.slice());
  }

  request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer> {
    if (!this.#connected) return Promise.resolve({ kind: "disconnected" });
    const reply = `_INBOX.${this.name}.${++this.#requestCount}`;
    return new Promise((resolve) => {
      let cancel: Cancel = () => {};
      const settle = (answer: Answer) => {
        this.#requests.delete(reply);
        inbox.unsubscribe();
        cancel();
        resolve(answer);
      };
      const inbox = this.subscribe(reply, (message) => {
        if (message.noResponders) settle({ kind: "no responders" });
        else settle({ kind: "reply", payload: message.buffer.slice(message.payloadStart, message.payloadEnd) });
      });
      this.#requests.set(reply, settle);
      cancel = this.#clock.wakeAt(this.#clock.now() + timeout, () => settle({ kind: "timeout" }));
      if (!this.#send(subject, reply, payload.slice())) settle({ kind: "disconnected" });
    });
  }

  flush(): Promise<void> {
    if (!this.#connected) return Promise.reject(new Error("the connection to NATS is down"));
    return new Promise((resolve) => this.#clock.soon(resolve));
  }

  onBatchEnd(listener: () => void): void {
    this.#onBatchEnd = listener;
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#connectionListeners.push(listener);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#lose();
    for (const interest of this.#own) this.#net.remove(interest);
    this.#own.clear();
    return Promise.resolve();
  }

  /** Breaks the connection to NATS: what is on its way to here is lost, subscriptions come back with {@link reconnect}. */
  disconnect(): void {
    if (!this.#connected) return;
    this.#lose();
    for (const listener of this.#connectionListeners) listener(false);
  }

  reconnect(): void {
    if (this.#connected || this.#closed) return;
    this.#connected = true;
    for (const listener of this.#connectionListeners) listener(true);
  }

  /** For {@link MemoryNet}. */
  arriveAt(time: Millis, interest: Interest, parcel: Parcel): void {
    const life = this.#life;
    const arrive = () => {
      if (this.#life !== life || !interest.active) return;
      const message = inbound(parcel);
      interest.handler(message);
      // Real buses reuse their buffers: whoever kept a view instead of a copy must notice.
      message.buffer.fill(0xaa);
      this.#endBatch();
    };
    if (time <= this.#clock.now()) this.#clock.soon(arrive);
    else this.#clock.wakeAt(time, arrive);
  }

  #send(subject: string, reply: string, payload: Uint8Array): boolean {
    if (!this.#connected || payload.length > this.maxPayload || !publishable(subject)) return false;
    const anybody = this.#net.route(this, { subject, reply, payload, noResponders: false });
    if (!anybody && reply !== "") {
      this.#net.route(this, { subject: reply, reply: "", payload: new Uint8Array(0), noResponders: true });
    }
    return true;
  }

  #lose(): void {
    this.#connected = false;
    this.#life++;
    for (const settle of [...this.#requests.values()]) settle({ kind: "disconnected" });
  }

  #endBatch(): void {
    if (this.#batchEndIsSet) return;
    this.#batchEndIsSet = true;
    this.#clock.soon(() => {
      this.#batchEndIsSet = false;
      this.#onBatchEnd();
    });
  }
}

function inbound(parcel: Parcel): Inbound {
  const head = encoder.encode(parcel.subject + parcel.reply);
  const replyStart = head.length - encoder.encode(parcel.reply).length;
  const buffer = new Uint8Array(head.length + parcel.payload.length);
  buffer.set(head);
  buffer.set(parcel.payload, head.length);
  return {
    buffer,
    subjectStart: 0,
    subjectEnd: replyStart,
    replyStart,
    replyEnd: head.length,
    payloadStart: head.length,
    payloadEnd: buffer.length,
    noResponders: parcel.noResponders,
  };
}

function publishable(subject: string): boolean {
  return subject !== "" && !/\s/.test(subject) &&
    subject.split(".").every((token) => token !== "" && token !== "*" && token !== ">");
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === ">") return tokens.length > i;
    if (i >= tokens.length || (pattern[i] !== "*" && pattern[i] !== tokens[i])) return false;
  }
  return pattern.length === tokens.length;
}
