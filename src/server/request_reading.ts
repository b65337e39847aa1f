/** What is read from a request before it is handled. */
import type { Inbound } from "../ports/message_bus.ts";
import { Malformed } from "../protocol/varint.ts";

/** What a declared message can do here. */
export interface Decoder<T> {
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
