/**
 * Finds the frames in what a NATS server sends to a client: bytes in, offsets out (spec nats-server, section 1.4).
 *
 *     MSG  subject sid [reply] size CRLF payload CRLF
 *     HMSG subject sid [reply] header-size total-size CRLF headers payload CRLF
 *     anything else: one line, up to LF
 *
 * The parser keeps nothing between calls. An incomplete frame is asked for again, from its first byte, when more has come;
 * so a stream may be cut at any byte.
 */
import type { Inbound } from "../../ports/message_bus.ts";

/** What {@link MessageParser.next} found. */
export const Frame = {
  /** Not complete yet: ask again with more bytes. */
  partial: 0,
  /** A whole line that is no message: INFO, PING, PONG, +OK, -ERR. */
  line: 1,
  /** A whole MSG or HMSG, payload and its line end included. */
  message: 2,
  /** No NATS server sends this: give the connection up. */
  malformed: 3,
} as const;
export type Frame = typeof Frame[keyof typeof Frame];

/** Longest line taken, bytes; an INFO of a large cluster is far below. */
export const MAX_LINE = 1 << 20;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const NO_RESPONDERS = new TextEncoder().encode("NATS/1.0 503");

/** Where a message's bytes lie; overwritten by each {@link MessageParser.next}. */
class Found implements Inbound {
  buffer = new Uint8Array(0);
  subjectStart = 0;
  subjectEnd = 0;
  replyStart = 0;
  replyEnd = 0;
  payloadStart = 0;
  payloadEnd = 0;
  noResponders = false;
}

/** One per connection; reuses its results. */
export class MessageParser {
  /** The message last found; valid until the next call, as its buffer is. */
  readonly message: Inbound = new Found();
  /** The number in a subscription id of one letter and one to fifteen digits, else -1. */
  sid = -1;
  /** The offset after the last frame found. */
  end = 0;
  /** After `partial`: bytes that the whole frame takes, as far as is known; 0 when unknown. */
  needed = 0;

  /** Looks at `buffer[start, limit)`, which begins at a frame. */
  next(buffer: Uint8Array, start: number, limit: number): Frame {
    this.needed = 0;
    if (start >= limit) return Frame.partial;
    const first = buffer[start]! | 32;
    if (first !== 0x6d && first !== 0x68) return this.#line(buffer, start, limit);
    if (limit - start < 5) return Frame.partial;
    const headers = first === 0x68;
    const verb = headers ? start + 1 : start;
    return isMsg(buffer, verb) ? this.#message(buffer, start, verb + 3, limit, headers) : Frame.malformed;
  }

  #line(buffer: Uint8Array, start: number, limit: number): Frame {
    const first = buffer[start]!;
    const letter = first | 32;
    // INFO, PING and PONG in any case, +OK, -ERR.
    if (letter !== 0x69 && letter !== 0x70 && first !== 0x2b && first !== 0x2d) return Frame.malformed;
    const at = buffer.subarray(start, limit).indexOf(LF);
    if (at < 0) return limit - start > MAX_LINE ? Frame.malformed : Frame.partial;
    this.end = start + at + 1;
    return Frame.line;
  }

  #message(buffer: Uint8Array, start: number, verbEnd: number, limit: number, headers: boolean): Frame {
    const lineEnd = findLineEnd(buffer, verbEnd, limit);
    if (lineEnd < 0) return limit - start > MAX_LINE ? Frame.malformed : Frame.partial;
    const argumentsEnd = buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    const size = this.#arguments(buffer, verbEnd, argumentsEnd, headers);
    if (size < 0) return Frame.malformed;
    const payloadEnd = lineEnd + 1 + size;
    if (payloadEnd + 2 > limit) {
      this.needed = payloadEnd + 2 - start;
      return Frame.partial;
    }
    if (buffer[payloadEnd] !== CR || buffer[payloadEnd + 1] !== LF) return Frame.malformed;
    const message = this.message;
    message.buffer = buffer;
    // Until here payloadStart holds the length of the header block.
    const headerSize = message.payloadStart;
    message.noResponders = headers && isNoResponders(buffer, lineEnd + 1, headerSize);
    message.payloadStart = lineEnd + 1 + headerSize;
    message.payloadEnd = payloadEnd;
    this.end = payloadEnd + 2;
    return Frame.message;
  }

  /** Notes subject, sid and reply, puts the header size into `payloadStart`; returns the total size, or -1 when malformed. */
  #arguments(buffer: Uint8Array, from: number, to: number, headers: boolean): number {
    const message = this.message;
    let at = skipBlanks(buffer, from, to);
    if (at === from) return -1;
    message.subjectStart = at;
    message.subjectEnd = at = skipToken(buffer, at, to);
    const sidStart = at = skipBlanks(buffer, at, to);
    at = skipToken(buffer, at, to);
    this.sid = ownSid(buffer, sidStart, at);
    let start = skipBlanks(buffer, at, to);
    let end = skipToken(buffer, start, to);
    let after = skipBlanks(buffer, end, to);
    message.replyStart = message.replyEnd = start;
    if (hasMoreThan(buffer, after, to, headers ? 1 : 0)) {
      message.replyEnd = end;
      start = after;
      end = skipToken(buffer, start, to);
      after = skipBlanks(buffer, end, to);
    }
    let headerSize = 0;
    if (headers) {
      headerSize = number(buffer, start, end);
      start = after;
      end = skipToken(buffer, start, to);
      after = skipBlanks(buffer, end, to);
    }
    const size = number(buffer, start, end);
    if (after !== to || headerSize < 0 || size < headerSize) return -1;
    message.payloadStart = headerSize;
    return size;
  }
}

function isMsg(buffer: Uint8Array, at: number): boolean {
  return (buffer[at]! | 32) === 0x6d && (buffer[at + 1]! | 32) === 0x73 && (buffer[at + 2]! | 32) === 0x67;
}

function findLineEnd(buffer: Uint8Array, from: number, limit: number): number {
  for (let at = from; at < limit; at++) if (buffer[at] === LF) return at;
  return -1;
}

function skipBlanks(buffer: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && (buffer[at] === SPACE || buffer[at] === TAB)) at++;
  return at;
}

function skipToken(buffer: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && buffer[at] !== SPACE && buffer[at] !== TAB) at++;
  return at;
}

/** Whether `buffer[from, to)` holds more than `count` (0 or 1) tokens. */
function hasMoreThan(buffer: Uint8Array, from: number, to: number, count: number): boolean {
  const at = count === 0 ? from : skipBlanks(buffer, skipToken(buffer, from, to), to);
  return at < to;
}

function ownSid(buffer: Uint8Array, start: number, end: number): number {
  const letter = (start < end ? buffer[start]! : 0) | 32;
  if (letter < 0x61 || letter > 0x7a || end - start > 16) return -1;
  return digits(buffer, start + 1, end);
}

/** A size of one to nine digits; -1 for anything else. */
function number(buffer: Uint8Array, start: number, end: number): number {
  return end - start > 9 ? -1 : digits(buffer, start, end);
}

function digits(buffer: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = buffer[at]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Whether the header block is the status 503: "nobody listens there", bare or with further fields. */
function isNoResponders(buffer: Uint8Array, start: number, size: number): boolean {
  if (size < NO_RESPONDERS.length) return false;
  for (let i = 0; i < NO_RESPONDERS.length; i++) if (buffer[start + i] !== NO_RESPONDERS[i]) return false;
  const next = buffer[start + NO_RESPONDERS.length]!;
  return size === NO_RESPONDERS.length || next === CR || next === LF || next === SPACE;
}
