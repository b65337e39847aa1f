/**
 * The server's own messages on a connection that a library keeps: subscriptions whose ids begin with a letter (the
 * library's are numbers) are served from the bytes received, and publishes are written as bytes to be sent. What the
 * library itself says and hears passes by (`transport.ts`).
 */
import type { Handler, Inbound, SubjectBytes, Subscription } from "../../ports/message_bus.ts";
import { isPublishable, isSubscribable } from "../wire/publish_subject.ts";
import { NatsFailed } from "./errors.ts";
import type { OutputBuffer } from "./output_buffer.ts";

/** Most digits of a size. */
const DIGITS = 9;

/** Room for `PUB`, the blanks, the size and two line ends. */
const FRAME_EXTRA = DIGITS + 10;

/** What the library's ids never begin with. */
const SID_LETTER = "s";

/** Most argument bytes of one line that a NATS server takes by default; one more and it closes the connection. */
const MAX_CONTROL_LINE = 4096;

/** Below this many bytes a loop copies faster than `set`. */
const SMALL_COPY = 24;

const CR = 13;
const LF = 10;
const SPACE = 32;
const NONE = new Uint8Array(0);

interface Listening {
  readonly subject: string;
  readonly handler: Handler;
}

export class DataPlane {
  /** Largest payload that the server takes, bytes. */
  maxPayload = 1024 * 1024;
  readonly #subscriptions = new Map<number, Listening>();
  readonly #encoder = new TextEncoder();
  #nextSid = 1;
  #output: OutputBuffer | undefined;

  /** Whether publishing is possible. */
  get open(): boolean {
    return this.#output !== undefined;
  }

  /** Takes a fresh connection, whose handshake is done, into use: all subscriptions are made again on it first. */
  attach(output: OutputBuffer): void {
    this.#output = output;
    let lines = "";
    for (const [sid, { subject }] of this.#subscriptions) lines += subscribeLine(subject, sid);
    if (lines !== "") output.append(this.#encoder.encode(lines));
  }

  /** The connection is gone: publishing is refused until the next {@link attach}. */
  detach(): void {
    this.#output = undefined;
  }

  /** Throws NatsFailed `INVALID_SUBJECT`. */
  subscribe(subject: string, handler: Handler): Subscription {
    const bytes = this.#encoder.encode(subject);
    if (!isSubscribable(bytes) || bytes.length + DIGITS + 8 > MAX_CONTROL_LINE) {
      throw new NatsFailed("INVALID_SUBJECT", "nats: invalid subject", { cause: subject });
    }
    const sid = this.#nextSid++;
    this.#subscriptions.set(sid, { subject, handler });
    this.#output?.append(this.#encoder.encode(subscribeLine(subject, sid)));
    return {
      unsubscribe: () => {
        if (this.#subscriptions.delete(sid)) {
          this.#output?.append(this.#encoder.encode(`UNSUB ${SID_LETTER}${sid}\r\n`));
        }
      },
    };
  }

  /** Forgets every subscription without a word to the server. */
  clear(): void {
    this.#subscriptions.clear();
  }

  /** Hands a message to whoever subscribed under `sid`; `false` when nobody does any more. */
  deliver(sid: number, message: Inbound): boolean {
    const listening = this.#subscriptions.get(sid);
    if (listening === undefined) return false;
    listening.handler(message);
    return true;
  }

  /** Writes one message, `payload[start, end)`, with a reply subject unless that is empty; `false` when that cannot be. */
  publish(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array, start: number, end: number): boolean {
    const output = this.#output;
    const size = end - start;
    if (output === undefined || size > this.maxPayload || !isPublishable(subject)) return false;
    const names = subject.length + reply.length;
    if (names + DIGITS + 2 > MAX_CONTROL_LINE || !output.reserve(names + size + FRAME_EXTRA)) return false;
    const slab = output.slab;
    let at = output.at;
    slab[at++] = 0x50;
    slab[at++] = 0x55;
    slab[at++] = 0x42;
    slab[at++] = SPACE;
    at = copy(subject, 0, subject.length, slab, at);
    slab[at++] = SPACE;
    if (reply.length > 0) {
      at = copy(reply, 0, reply.length, slab, at);
      slab[at++] = SPACE;
    }
    at = writeNumber(size, slab, at);
    slab[at++] = CR;
    slab[at++] = LF;
    at = copy(payload, start, end, slab, at);
    slab[at++] = CR;
    slab[at++] = LF;
    output.advance(at);
    return true;
  }

  /** As {@link publish}, refusing a reply subject that cannot be answered to. */
  publishRequest(subject: SubjectBytes, reply: SubjectBytes, payload: Uint8Array): boolean {
    return isPublishable(reply) && this.publish(subject, reply, payload, 0, payload.length);
  }

  /** Publishes without a reply subject. */
  publishPlain(subject: SubjectBytes, payload: Uint8Array, start: number, end: number): boolean {
    return this.publish(subject, NONE, payload, start, end);
  }
}

function subscribeLine(subject: string, sid: number): string {
  return `SUB ${subject} ${SID_LETTER}${sid}\r\n`;
}

/** Copies `from[start, end)` to `to` at `at`; returns the offset after it. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  const length = end - start;
  if (length < SMALL_COPY) {
    for (let i = start; i < end; i++) to[at++] = from[i]!;
    return at;
  }
  to.set(start === 0 && end === from.length ? from : from.subarray(start, end), at);
  return at + length;
}

/** Writes a whole number below 10^9 in decimal; returns the offset after it. */
function writeNumber(value: number, to: Uint8Array, at: number): number {
  let length = 1;
  for (let bound = 10; value >= bound; bound *= 10) length++;
  for (let i = at + length - 1, rest = value; i >= at; i--) {
    const tenth = Math.floor(rest / 10);
    to[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
  return at + length;
}
