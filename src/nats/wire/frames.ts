/** NATS commands as bytes: what a server writes to clients and routes (spec nats-server, sections 1 and 3.2). */

import { Buffer } from "node:buffer";

const encoder = new TextEncoder();
const latin1Slice = (Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}).latin1Slice;

/** `buffer[start, end)` with one character a byte; the fastest way to a text that serves as a key. */
export function textOf(buffer: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(buffer, start, end);
}

/** CR LF. */
export const CRLF = encoder.encode("\r\n");
export const PING = encoder.encode("PING\r\n");
export const PONG = encoder.encode("PONG\r\n");
export const OK = encoder.encode("+OK\r\n");
/** The header block that says "no responders". */
export const NO_RESPONDERS = encoder.encode("NATS/1.0 503\r\n\r\n");

/** The bytes of a text whose characters each stand for one byte. */
export function latin1Bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** `-ERR '<text>'` as one line. `text` holds one byte a character. */
export function errorFrame(text: string): Uint8Array<ArrayBuffer> {
  return latin1Bytes(`-ERR '${text}'\r\n`);
}

/** An INFO line; the JSON is followed by one blank, as clients expect. */
export function infoFrame(info: object): Uint8Array<ArrayBuffer> {
  return encoder.encode(`INFO ${JSON.stringify(info)} \r\n`);
}

/**
 * The beginning of every message to one literal subscription: `HMSG <subject> <sid> `. A message without headers starts
 * at its second byte.
 */
export function messagePrefix(subject: string, sid: string): Uint8Array<ArrayBuffer> {
  return latin1Bytes(`HMSG ${subject} ${sid} `);
}

/** A text in UTF-8, one character a byte. */
export function utf8(text: string): string {
  const bytes = encoder.encode(text);
  return textOf(bytes, 0, bytes.length);
}

/** A text in double quotes with Go's escapes, as permission errors show subjects. One byte a character, in and out. */
export function quoted(text: string): string {
  let out = '"';
  const decoded = new TextDecoder().decode(latin1Bytes(text));
  for (const character of decoded) out += escaped(character);
  return utf8(out + '"');
}

const shortEscapes: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

function escaped(character: string): string {
  const short = shortEscapes[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0)!;
  if (code < 32 || code === 127) return "\\x" + code.toString(16).padStart(2, "0");
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) return character;
  return code < 0x10000 ? "\\u" + code.toString(16).padStart(4, "0") : "\\U" + code.toString(16).padStart(8, "0");
}

/** Copies `source[from, to)` to `target` at `at`; returns the offset after it. Short runs are faster by hand. */
export function copy(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  const length = to - from;
  if (length < 24) {
    for (let i = 0; i < length; i++) target[at + i] = source[from + i]!;
  } else if (from === 0 && to === source.length) {
    target.set(source, at);
  } else {
    target.set(source.subarray(from, to), at);
  }
  return at + length;
}

/** Writes a whole number in decimal; returns the offset after it. */
export function writeNumber(value: number, target: Uint8Array, at: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = 48 + rest % 10;
    rest = (rest / 10) | 0;
  }
  return at + digits;
}

/** FNV-1a over bytes, as an unsigned 32-bit number. */
export function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

/** Whether two runs of bytes are the same. */
export function sameBytes(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false;
  return true;
}
