/**
 * With partitioning a request may overtake the connect it depends on, because connects are broadcast: requests of unknown
 * clients wait a moment (spec streaming, section 2.4). Clients that did not show up are remembered, so that the next
 * request of theirs fails at once.
 */
import type { Clock } from "../ports/clock.ts";
import type { Inbound } from "../ports/message_bus.ts";
import type { Millis } from "../protocol/units.ts";

const WAIT: Millis = 1000;
/** Failures remembered, and how many of the oldest are forgotten when there are more. */
const REMEMBERED = 256;
const PRUNED = 33;
/** Requests that may wait at a time; more fail at once. */
const WAITING_MAX = 4096;

interface Waiting {
  readonly key: string;
  readonly message: Inbound;
  readonly retry: (message: Inbound) => void;
  readonly giveUp: (message: Inbound) => void;
  readonly until: Millis;
}

export class Latecomers {
  readonly #clock: Clock;
  readonly #failed = new Set<string>();
  #waiting: Waiting[] = [];
  #isTimed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Keeps a copy of a request whose client `key` is unknown, to `retry` it when clients have changed or `giveUp` after a
   * second. `false`: do not wait for this one.
   */
  wait(
    key: string,
    message: Inbound,
    retry: (message: Inbound) => void,
    giveUp: (message: Inbound) => void,
  ): boolean {
    if (this.#failed.has(key) || this.#waiting.length >= WAITING_MAX) return false;
    this.#waiting.push({ key, message: copyOf(message), retry, giveUp, until: this.#clock.now() + WAIT });
    this.#arm();
    return true;
  }

  /** A client has registered: whoever waited for it goes on, in order. */
  arrived(...keys: readonly string[]): void {
    for (const key of keys) this.#failed.delete(key);
    const ready = this.#waiting.filter((each) => keys.includes(each.key));
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((each) => !keys.includes(each.key));
    for (const each of ready) each.retry(each.message);
  }

  #arm(): void {
    const first = this.#waiting[0];
    if (this.#isTimed || first === undefined) return;
    this.#isTimed = true;
    this.#clock.wakeAt(first.until, () => {
      this.#isTimed = false;
      this.#expire();
      this.#arm();
    });
  }

  #expire(): void {
    const now = this.#clock.now();
    while (this.#waiting.length > 0 && this.#waiting[0]!.until <= now) {
      const { key, message, giveUp } = this.#waiting.shift()!;
      this.#remember(key);
      giveUp(message);
    }
  }

  #remember(key: string): void {
    this.#failed.add(key);
    if (this.#failed.size <= REMEMBERED) return;
    for (const oldest of [...this.#failed].slice(0, PRUNED)) this.#failed.delete(oldest);
  }
}

/** What latecomers are known by: the connection where a request names one, else the client. */
export function latecomerKey(connId: string, clientId: string): string {
  return connId === "" ? `client ${clientId}` : `connection ${connId}`;
}

/** A copy that outlives the receive buffer. */
export function copyOf(message: Inbound): Inbound {
  const shift = Math.min(message.subjectStart, message.payloadStart);
  const end = Math.max(message.payloadEnd, message.replyEnd, message.subjectEnd);
  return {
    ...message,
    buffer: message.buffer.slice(shift, end),
    subjectStart: 0,
    subjectEnd: message.subjectEnd - shift,
    replyStart: message.replyStart - shift,
    replyEnd: message.replyEnd - shift,
    payloadStart: message.payloadStart - shift,
    payloadEnd: message.payloadEnd - shift,
  };
}
