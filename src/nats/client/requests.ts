/** Requests under way on one bus: one subscription to private reply subjects, each ending in its request's number. */
import type { Answer, Inbound, MessageBus, Subscription } from "../../ports/message_bus.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Millis } from "../../protocol/units.ts";
import { Nuid } from "../../protocol/nuid.ts";
import type { Random } from "../../ports/random.ts";

interface Waiting {
  readonly settle: (answer: Answer) => void;
  readonly cancel: Cancel;
}

export class Requests {
  readonly #bus: Pick<MessageBus, "subscribe" | "publishRequest" | "connected">;
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #encoder = new TextEncoder();
  #subscription: Subscription | undefined;
  #last = 0;

  constructor(bus: Pick<MessageBus, "subscribe" | "publishRequest" | "connected">, clock: Clock, random: Random) {
    this.#bus = bus;
    this.#clock = clock;
    this.#inbox = `_INBOX.${new Nuid(random).next()}.`;
  }

  /** As {@link MessageBus.request}. A subject or payload that cannot be published reaches nobody: no responders. */
  request(subject: string, payload: Uint8Array, timeout: Millis): Promise<Answer> {
    if (!this.#bus.connected) return Promise.resolve({ kind: "disconnected" });
    this.#subscription ??= this.#bus.subscribe(`${this.#inbox}*`, (message) => this.#answer(message));
    const number = ++this.#last;
    const reply = this.#encoder.encode(this.#inbox + number);
    if (!this.#bus.publishRequest(this.#encoder.encode(subject), reply, payload)) {
      return Promise.resolve({ kind: "no responders" });
    }
    return new Promise((resolve) => {
      const cancel = this.#clock.wakeAt(this.#clock.now() + timeout, () => this.#settle(number, { kind: "timeout" }));
      this.#waiting.set(number, { settle: resolve, cancel });
    });
  }

  /** The connection is lost, or the bus closed: nobody waits on. */
  abandon(): void {
    for (const number of [...this.#waiting.keys()]) this.#settle(number, { kind: "disconnected" });
  }

  #answer(message: Inbound): void {
    let number = 0;
    for (let at = message.subjectStart + this.#inbox.length; at < message.subjectEnd; at++) {
      number = number * 10 + message.buffer[at]! - 48;
    }
    this.#settle(
      number,
      message.noResponders
        ? { kind: "no responders" }
        : { kind: "reply", payload: message.buffer.slice(message.payloadStart, message.payloadEnd) },
    );
  }

  #settle(number: number, answer: Answer): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    waiting.cancel();
    waiting.settle(answer);
  }
}
