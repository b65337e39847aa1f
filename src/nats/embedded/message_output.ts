/** The end of a message, as clients and other servers get it when it cannot be passed on as the publisher wrote it. */
import { copy, writeNumber } from "../wire/frames.ts";
import type { Message } from "./message.ts";

const CR = 13;
const LF = 10;
const SPACE = 32;

/** Writes sizes, headers and payload at `from`, and returns the offset behind. Without `withHeader` headers are left out. */
export function writeSizeAndPayload(message: Message, withHeader: boolean, out: Uint8Array, from: number): number {
  let at = from;
  let start = message.payloadStart;
  if (withHeader) {
    at = copy(message.buffer, message.headerSizeStart, message.headerSizeEnd, out, at);
    out[at++] = SPACE;
  }
  if (message.headerSize > 0 && !withHeader) {
    // The recipient knows no headers: they are cut off.
    start += message.headerSize;
    at = writeNumber(message.payloadEnd - start, out, at);
  } else {
    at = copy(message.buffer, message.sizeStart, message.sizeEnd, out, at);
  }
  out[at++] = CR;
  out[at++] = LF;
  at = copy(message.payload, start, message.payloadEnd, out, at);
  out[at++] = CR;
  out[at++] = LF;
  return at;
}
