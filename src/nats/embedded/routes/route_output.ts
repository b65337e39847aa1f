/** Writes a message to another server (spec nats-server, section 3.2). */
import { copy } from "../../wire/frames.ts";
import type { Message } from "../message.ts";
import { writeSizeAndPayload } from "../message_output.ts";
import type { Outbox } from "../outbox.ts";

const SPACE = 32;
const PLUS = 43;
const BAR = 124;
/** `RMSG ` and `HMSG `. */
const PLAIN_VERB = new Uint8Array([82, 77, 83, 71, SPACE]);
const HEADER_VERB = new Uint8Array([72, 77, 83, 71, SPACE]);
/** Room for verb, indicator, numbers, blanks and line ends. */
const SLACK = 64;

/** Queues one message. `queues` names the groups that it is for as well; `headers`: whether the peer takes those. */
export function writeRouteMessage(
  outbox: Outbox,
  account: Uint8Array,
  message: Message,
  queues: readonly string[],
  headers: boolean,
): void {
  const withHeader = message.headerSize > 0 && headers;
  const replySize = message.replyEnd - message.replyStart;
  let names = account.length + message.subjectEnd - message.subjectStart + replySize;
  for (let i = 0; i < queues.length; i++) names += queues[i]!.length + 1;
  outbox.reserve(names + message.size + SLACK);
  const out = outbox.buffer;
  let at = copy(withHeader ? HEADER_VERB : PLAIN_VERB, 0, PLAIN_VERB.length, out, outbox.length);
  at = copy(account, 0, account.length, out, at);
  out[at++] = SPACE;
  at = copy(message.buffer, message.subjectStart, message.subjectEnd, out, at);
  out[at++] = SPACE;
  if (queues.length === 0 && message.tailStart >= 0 && (withHeader || message.headerSize === 0)) {
    // The rest reads as the publisher wrote it.
    outbox.length = copy(message.buffer, message.tailStart, message.tailEnd, out, at);
    return;
  }
  if (queues.length > 0) {
    out[at++] = replySize > 0 ? PLUS : BAR;
    out[at++] = SPACE;
  }
  if (replySize > 0) {
    at = copy(message.buffer, message.replyStart, message.replyEnd, out, at);
    out[at++] = SPACE;
  }
  for (let i = 0; i < queues.length; i++) {
    const name = queues[i]!;
    for (let c = 0; c < name.length; c++) out[at++] = name.charCodeAt(c);
    out[at++] = SPACE;
  }
  outbox.length = writeSizeAndPayload(message, withHeader, out, at);
}
