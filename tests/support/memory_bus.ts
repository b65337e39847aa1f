/**
 * NATS in memory: buses that reach each other through a net with delays, losses and partitions, on whatever clock it is
 * given. A message that is lost or refused behaves as with real NATS: at most once, in order between two buses.
 */
import type { Cancel, Clock } from "../../src/ports/clock.ts";
import type { Answer, Handler, Inbound, MessageBus, SubjectBytes, Subscription } from "../../src/ports/message_bus.ts";
import { decodeText, encodeText } from "../../src/protocol/text.ts";
import type { Millis } from "../../src/protocol/units.ts";

interface Interest {
  readonly bus: MemoryBus;
  readonly order: number;
  readonly subject: string;
  /** Of a subject with wildcards; else empty. */
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

/** One copy of a message on its way. */
export interface Arrival {
  readonly payload: Uint8Array;
  readonly delay: Millis;
  /** Whether it keeps behind what was sent before it on the same way. */
  readonly inOrder: boolean;
}

/** Processes that can be stopped run what arrives themselves. */
interface Entered {
  enter(run: () => void): void;
}

const EMPTY = new Uint8Array(0);

/** What connects the buses. Change its faults at any time. */
export class MemoryNet {
  /** How long a message from one bus to another takes, in milliseconds. Order is kept whatever it answers. */
  delay: (from: string, to: string) => Millis = () => 0;
  /** Whether a message is lost on the way. */
  loses: (from: string, to: string) => boolean = () => false;
  /** Whether one bus reaches the other at all; where not, its interest is not known there either. */
  reaches: (from: string, to: string) => boolean = () => true;
  /** What becomes of a message between two buses, where it is anything out of the ordinary: any number of copies, none included. */
  fate:
    | ((from: string, to: string, subject: string, payload: Uint8Array) => readonly Arrival[] | undefined)
    | undefined;
  /** Whether the answer that nobody listens is given; `true`, as it should be, by default. */
  tellsNoResponders: (from: string, subject: string) => boolean = () => true;
  /** Whether that answer is given although somebody listens, who gets the message all the same. */
  liesNoResponders: (from: string, subject: string) => boolean = () => false;
  /** Told of everything that a bus sends, and of everything that arrives at one. */
  onSend: ((from: string, subject: string, payload: Uint8Array) => void) | undefined;
  onArrival: ((to: string, subject: string, payload: Uint8Array) => void) | undefined;
  maxPayload = 1_048_576;
  /** For {@link MemoryBus}: how many there were. */
  requests = 0;
  readonly clock: Clock;
  readonly #exact = new Map<string, Set<Interest>>();
  readonly #wild = new Set<Interest>();
  /** Which of them match a subject; forgotten whenever there is one more or less. */
  readonly #wildFound = new Map<string, readonly Interest[]>();
  readonly #lastArrivals = new Map<string, Map<string, Millis>>();
  #order = 0;

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
  interest(bus: MemoryBus, subject: string, handler: Handler): Interest {
    const tokens = subject.includes("*") || subject.includes(">") ? subject.split(".") : [];
    return { bus, order: this.#order++, subject, tokens, handler, active: true };
  }

  /** For {@link MemoryBus}. */
  add(interest: Interest): void {
    if (interest.tokens.length > 0) {
      this.#wildFound.clear();
      return void this.#wild.add(interest);
    }
    const same = this.#exact.get(interest.subject);
    if (same === undefined) this.#exact.set(interest.subject, new Set([interest]));
    else same.add(interest);
  }

  /** For {@link MemoryBus}. */
  remove(interest: Interest): void {
    if (interest.tokens.length > 0) {
      this.#wildFound.clear();
      return void this.#wild.delete(interest);
    }
    const same = this.#exact.get(interest.subject);
    if (same?.delete(interest) && same.size === 0) this.#exact.delete(interest.subject);
  }

  /** For {@link MemoryBus}: sends to everybody interested and answers whether there was anybody. */
  route(from: MemoryBus, parcel: Parcel): boolean {
    let anybody = false;
    for (const interest of this.#interested(parcel.subject)) {
      if (!interest.bus.connected || !this.reaches(from.name, interest.bus.name)) continue;
      anybody = true;
      if (!this.loses(from.name, interest.bus.name)) this.#send(from.name, interest, parcel);
    }
    return anybody;
  }

  /** In the order in which they came to be. */
  #interested(subject: string): Iterable<Interest> {
    const exact = this.#exact.get(subject) ?? NOBODY;
    const wild = this.#wildFor(subject);
    if (wild.length === 0) return exact.size > 1 ? [...exact] : exact;
    return [...exact, ...wild].sort((a, b) => a.order - b.order);
  }

  #wildFor(subject: string): readonly Interest[] {
    if (this.#wild.size === 0) return [];
    let found = this.#wildFound.get(subject);
    if (found === undefined) {
      if (this.#wildFound.size > 10_000) this.#wildFound.clear();
      const tokens = subject.split(".");
      found = [...this.#wild].filter((interest) => matches(interest.tokens, tokens));
      this.#wildFound.set(subject, found);
    }
    return found;
  }

  #send(from: string, interest: Interest, parcel: Parcel): void {
    const { bus } = interest;
    const fate = this.fate?.(from, bus.name, parcel.subject, parcel.payload);
    if (fate === undefined) {
      return bus.arriveAt(this.#inOrder(from, bus.name, this.delay(from, bus.name)), interest, parcel);
    }
    for (const { payload, delay, inOrder } of fate) {
      const time = inOrder ? this.#inOrder(from, bus.name, delay) : this.clock.now() + delay;
      bus.arriveAt(time, interest, payload === parcel.payload ? parcel : { ...parcel, payload });
    }
  }

  #inOrder(from: string, to: string, delay: Millis): Millis {
    let last = this.#lastArrivals.get(from);
    if (last === undefined) this.#lastArrivals.set(from, last = new Map());
    const arrival = Math.max(this.clock.now() + delay, last.get(to) ?? 0);
    last.set(to, arrival);
    return arrival;
  }
}

const NOBODY: ReadonlySet<Interest> = new Set();

export class MemoryBus implements MessageBus {
  readonly name: string;
  readonly #net: MemoryNet;
  readonly #clock: Clock;
  readonly #entered: Entered | undefined;
  readonly #own = new Set<Interest>();
  /** Requests under way, by their reply subject. */
  readonly #requests = new Map<string, (answer: Answer) => void>();
  readonly #connectionListeners: ((connected: boolean) => void)[] = [];
  #onBatchEnd: () => void = () => {};
  #batchEndIsSet = false;
  #connected = true;
  #closed = false;
  /** Grows with each loss of the connection: what was on its way before does not arrive. */
  #life = 0;

  constructor(net: MemoryNet, name: string, clock: Clock) {
    this.#net = net;
    this.name = name;
    this.#clock = clock;
    this.#entered = "enter" in clock ? clock as Clock & Entered : undefined;
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
    const interest = this.#net.interest(this, subject, handler);
    interest.active = !this.#closed;
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
    return this.#send(textOf(subject), "", payload.slice(start, end));
  }

  publishRequest(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array): boolean {
    const to = textOf(reply);
    return publishable(to) && this.#send(textOf(subject), to, payload.slice());
  }

  request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer> {
    if (!this.#connected) return Promise.resolve({ kind: "disconnected" });
    // No two requests share one, of connections of one name neither: an answer may be late.
    const reply = `_INBOX.${this.name}.${++this.#net.requests}`;
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
      this.#net.onArrival?.(this.name, parcel.subject, parcel.payload);
      interest.handler(message);
      // Real buses reuse their buffers: whoever kept a view instead of a copy must notice.
      message.buffer.fill(0xaa, 0, message.payloadEnd);
      this.#endBatch();
    };
    // The process's clock may run at another speed than that of the net.
    const { clock } = this.#net;
    const enter = this.#entered === undefined ? arrive : () => this.#entered!.enter(arrive);
    if (time <= clock.now()) clock.soon(enter);
    else clock.wakeAt(time, enter);
  }

  #send(subject: string, reply: string, payload: Uint8Array): boolean {
    if (!this.#connected || payload.length > this.maxPayload || !publishable(subject)) return false;
    const net = this.#net;
    net.onSend?.(this.name, subject, payload);
    const anybody = net.route(this, { subject, reply, payload, noResponders: false });
    if (reply === "") return true;
    const tells = anybody ? net.liesNoResponders(this.name, subject) : net.tellsNoResponders(this.name, subject);
    if (tells) net.route(this, { subject: reply, reply: "", payload: EMPTY, noResponders: true });
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

/** What arrives lies in here, one message at a time. */
let arriving = new Uint8Array(4096);

function inbound(parcel: Parcel): Inbound {
  const { subject, reply, payload } = parcel;
  const most = 3 * (subject.length + reply.length) + payload.length;
  if (most > arriving.length) arriving = new Uint8Array(2 * most);
  const buffer = arriving;
  const replyStart = encodeText(subject, buffer, 0);
  const replyEnd = encodeText(reply, buffer, replyStart);
  buffer.set(payload, replyEnd);
  return {
    buffer,
    subjectStart: 0,
    subjectEnd: replyStart,
    replyStart,
    replyEnd,
    payloadStart: replyEnd,
    payloadEnd: replyEnd + payload.length,
    noResponders: parcel.noResponders,
  };
}

function textOf(bytes: Uint8Array): string {
  return decodeText(bytes, 0, bytes.length);
}

/** What {@link publishable} said before: the same subjects come again and again. */
const known = new Map<string, boolean>();

function publishable(subject: string): boolean {
  const before = known.get(subject);
  if (before !== undefined) return before;
  if (known.size > 10_000) known.clear();
  const answer = subject !== "" && !/\s/.test(subject) &&
    subject.split(".").every((token) => token !== "" && token !== "*" && token !== ">");
  known.set(subject, answer);
  return answer;
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === ">") return tokens.length > i;
    if (i >= tokens.length || (pattern[i] !== "*" && pattern[i] !== tokens[i])) return false;
  }
  return pattern.length === tokens.length;
}
