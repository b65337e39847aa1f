/** What a client and the server say to each other, for the log's trace level; secrets left out. */
import type { ClientSession } from "./client_session.ts";
import type { FrameParser } from "../../wire/parser.ts";
import type { Message } from "../message.ts";
import type { Subscription } from "../subjects/mod.ts";
import { textOf } from "../../wire/frames.ts";
import { Verb } from "../../wire/verbs.ts";

const names = new Map(
  Object.entries({
    Connect: "CONNECT",
    Publish: "PUB",
    HeaderPublish: "HPUB",
    Subscribe: "SUB",
    Unsubscribe: "UNSUB",
    Ping: "PING",
    Pong: "PONG",
    Info: "INFO",
    Ok: "+OK",
    Error: "-ERR",
  }).map(([verb, name]) => [Verb[verb as keyof typeof Verb], name]),
);

/** Bytes of an answer that are shown. */
const SHOWN = 1_024;
const secrets = /("(?:pass|auth_token|jwt|sig)"\s*:\s*")(?:[^"\\]|\\.)*"/gi;

/** Notes a command from the client. */
export function traceCommand(session: ClientSession, parser: FrameParser): void {
  const { verb, buffer } = parser;
  const name = names.get(verb) ?? "";
  const bare = verb === Verb.Ping || verb === Verb.Pong || verb === Verb.Ok;
  const text = bare ? "" : textOf(buffer, parser.argumentsStart, parser.argumentsEnd).replace(secrets, '$1[REDACTED]"');
  session.host.log.trace(`${session} - <<- [${text === "" ? name : `${name} ${text}`}]`);
  if (verb !== Verb.Publish && verb !== Verb.HeaderPublish) return;
  const end = Math.min(parser.payloadEnd, parser.payloadStart + (session.host.limits.maxTracedPayload || Infinity));
  const shown = textOf(buffer, parser.payloadStart, end) + (end < parser.payloadEnd ? "..." : "");
  session.host.log.trace(`${session} - <<- MSG_PAYLOAD: [${JSON.stringify(shown)}]`);
}

/** Notes a message to the client. */
export function traceMessage(session: ClientSession, subscription: Subscription, message: Message): void {
  const reply = message.hasReply ? ` ${message.replyText}` : "";
  const withHeader = message.headerSize > 0 && session.headers;
  const size = withHeader ? `${message.headerSize} ${message.size}` : message.size - message.headerSize;
  const text = `${withHeader ? "HMSG" : "MSG"} ${message.subjectText} ${subscription.sid}${reply} ${size}`;
  session.host.log.trace(`${session} - ->> [${text}]`);
}

/** Notes a short answer, e.g. PONG. */
export function traceAnswer(session: ClientSession, bytes: Uint8Array): void {
  session.host.log.trace(`${session} - ->> [${textOf(bytes, 0, Math.min(bytes.length, SHOWN)).trimEnd()}]`);
}
