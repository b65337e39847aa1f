/** Writes a message to a client: prefix, tail, and the cases in which either has to be put together. */
import type { ClientSession } from "./client_session.ts";
import { copy, NO_RESPONDERS, writeNumber } from "../../wire/frames.ts";
import type { Message } from "../message.ts";
import { writeSizeAndPayload } from "../message_output.ts";
import { slowDown } from "../congestion.ts";
import { traceMessage } from "./client_trace.ts";
import { sidKey, type Subscription } from "../subjects/mod.ts";

const CR = 13;
const LF = 10;
const SPACE = 32;
/** `HMSG `. */
const VERB = new Uint8Array([72, 77, 83, 71, SPACE]);
/** Room for numbers, blanks and line ends beside subject, sid, reply and payload. */
const SLACK = 64;

/** Queues a message for a client. `false` when this client does not get it. */
export function deliverTo(session: ClientSession, subscription: Subscription, message: Message): boolean {
  if (session.closed || (!session.echo && message.origin === session)) return false;
  if (session.permissions !== undefined && !session.permissions.mayReceive(subscription, message)) return false;
  const size = message.size;
  const outbox = session.outbox;
  if (session.swamped(size)) return false;
  writeMessage(session, subscription, message);
  if (session.traced) traceMessage(session, subscription, message);
  session.outMessages++;
  session.outBytes += size;
  session.permissions?.received(message);
  if (!outbox.dirty) session.host.turn.mark(outbox);
  slowDown(session, message, session.host.limits.maxPending);
  subscription.delivered++;
  if (subscription.max > 0 && subscription.delivered >= subscription.max) endSubscription(session, subscription);
  return true;
}

/** Ends a subscription of a client. */
export function endSubscription(session: ClientSession, subscription: Subscription): void {
  const key = sidKey(subscription.sid);
  if (session.subscriptions.get(key) === subscription) session.subscriptions.delete(key);
  session.account.remove(subscription);
}

function writeMessage(session: ClientSession, subscription: Subscription, message: Message): void {
  const withHeader = message.headerSize > 0 && session.headers;
  const whole = message.tailStart >= 0 && (withHeader || message.headerSize === 0);
  const tail = whole ? message.tailEnd - message.tailStart : message.replyEnd - message.replyStart + message.size;
  const prefix = subscription.literal ? subscription.prefix : undefined;
  const outbox = session.outbox;
  outbox.reserve(
    tail + SLACK +
      (prefix === undefined ? message.subjectEnd - message.subjectStart + subscription.sidBytes.length : prefix.length),
  );
  const out = outbox.buffer;
  let at = outbox.length;
  if (prefix !== undefined) at = copy(prefix, withHeader ? 0 : 1, prefix.length, out, at);
  else at = writePrefix(subscription, message, withHeader, out, at);
  if (whole) at = copy(message.buffer, message.tailStart, message.tailEnd, out, at);
  else at = writeTail(message, withHeader, out, at);
  outbox.length = at;
}

function writePrefix(subscription: Subscription, message: Message, withHeader: boolean, out: Uint8Array, from: number) {
  let at = copy(VERB, withHeader ? 0 : 1, VERB.length, out, from);
  at = copy(message.buffer, message.subjectStart, message.subjectEnd, out, at);
  out[at++] = SPACE;
  at = copy(subscription.sidBytes, 0, subscription.sidBytes.length, out, at);
  out[at++] = SPACE;
  return at;
}

function writeTail(message: Message, withHeader: boolean, out: Uint8Array, from: number): number {
  let at = from;
  if (message.replyEnd > message.replyStart) {
    at = copy(message.buffer, message.replyStart, message.replyEnd, out, at);
    out[at++] = SPACE;
  }
  return writeSizeAndPayload(message, withHeader, out, at);
}

/** The status "nobody listens", to the client's own subscription on the reply subject. It does not count against a maximum. */
export function writeNoResponders(session: ClientSession, subscription: Subscription, message: Message): void {
  const outbox = session.outbox;
  if (session.swamped(message.replyEnd - message.replyStart + SLACK)) return;
  outbox.reserve(message.replyEnd - message.replyStart + subscription.sidBytes.length + NO_RESPONDERS.length + SLACK);
  const out = outbox.buffer;
  let at = copy(VERB, 0, VERB.length, out, outbox.length);
  at = copy(message.buffer, message.replyStart, message.replyEnd, out, at);
  out[at++] = SPACE;
  at = copy(subscription.sidBytes, 0, subscription.sidBytes.length, out, at);
  out[at++] = SPACE;
  at = writeNumber(NO_RESPONDERS.length, out, at);
  out[at++] = SPACE;
  at = writeNumber(NO_RESPONDERS.length, out, at);
  out[at++] = CR;
  out[at++] = LF;
  at = copy(NO_RESPONDERS, 0, NO_RESPONDERS.length, out, at);
  out[at++] = CR;
  out[at++] = LF;
  outbox.length = at;
  session.host.turn.mark(outbox);
}
