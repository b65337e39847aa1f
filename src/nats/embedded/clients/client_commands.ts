/** What a client's commands do (spec nats-server, sections 1.3 to 1.8). */
import type { Admission } from "../security/mod.ts";
import type { ClientSession } from "./client_session.ts";
import { endSubscription, writeNoResponders } from "./client_output.ts";
import type { FrameParser, FrameSink } from "../../wire/parser.ts";
import { isLater } from "../../../protocol/units.ts";
import { Message } from "../message.ts";
import { OK, PONG, quoted, textOf } from "../../wire/frames.ts";
import { readConnect } from "./connect_request.ts";
import { RecentSubject } from "../recent_subject.ts";
import { sidKey, Subscription, validLiteral, validSubject } from "../subjects/mod.ts";
import { traceCommand } from "./client_trace.ts";
import { Verb } from "../../wire/verbs.ts";

/** Prefixes of reply subjects that belong to servers. */
const RESERVED_REPLIES = ["_R_.", "$JS.ACK.", "_GR_."];

const nothing = new Uint8Array(0);

export class ClientCommands implements FrameSink {
  readonly #session: ClientSession;
  readonly #message = new Message();
  readonly #recent = new RecentSubject();

  constructor(session: ClientSession) {
    this.#session = session;
    this.#message.origin = session;
  }

  /** Takes one command. `false`: the connection waits or ends here. */
  frame(parser: FrameParser): boolean {
    const session = this.#session;
    if (session.closed) return false;
    if (session.traced) traceCommand(session, parser);
    switch (parser.verb) {
      case Verb.Publish:
      case Verb.HeaderPublish:
        this.#publish(parser);
        break;
      case Verb.Ping:
        this.#ping();
        break;
      case Verb.Pong:
        session.ponged();
        break;
      case Verb.Subscribe:
        this.#subscribe(parser);
        break;
      case Verb.Unsubscribe:
        this.#unsubscribe(parser);
        break;
      case Verb.Connect:
        this.#connect(parser);
        break;
      case Verb.Info:
        if (!isJson(parser)) session.close("Protocol Violation", true);
        break;
      case Verb.Error:
        session.close("Parse Error", true);
        break;
    }
    return !session.closed && session.waitFor === undefined;
  }

  /** Lets go of the read buffer, since results that are remembered may outlive the session. */
  release(): void {
    this.#message.buffer = this.#message.payload = nothing;
  }

  #ping(): void {
    const session = this.#session;
    session.send(PONG);
    session.pinged();
    session.firstPongSent = true;
    session.tellInfo();
  }

  #ok(): void {
    if (this.#session.request.verbose) this.#session.send(OK);
  }

  #connect(parser: FrameParser): void {
    const session = this.#session;
    const { request, host } = session;
    const json = parser.buffer.subarray(parser.argumentsStart, parser.argumentsEnd);
    if (!readConnect(json, request)) return session.close("Protocol Violation", true);
    session.connected = true;
    session.headers = session.parser.headers = request.headers && host.headers;
    session.echo = request.echo;
    const admission = host.authenticate(session);
    if (isLater(admission)) session.checking(admission.then((answer) => this.#connected(answer)));
    else this.#connected(admission);
  }

  #connected(admission: Admission | undefined): void {
    const session = this.#session;
    if (session.closed) return;
    const { request } = session;
    if (admission === undefined || request.account !== "" || request.newAccount) {
      return session.fail("Authorization Violation", "Authentication Failure");
    }
    session.admit(admission);
    if (session.account.overcrowded) {
      return session.fail("maximum account active connections exceeded", "Maximum Account Connections Exceeded");
    }
    if (request.protocol !== 0 && request.protocol !== 1) {
      return session.fail("invalid client protocol", "Bad Client Protocol Version");
    }
    if (request.noResponders && !session.headers) {
      return session.fail("no responders requires headers support", "No Responders Requires Headers");
    }
    this.#ok();
  }

  #subscribe(parser: FrameParser): void {
    const session = this.#session;
    const withQueue = parser.tokenCount === 3;
    const subject = token(parser, 0);
    const queue = withQueue ? token(parser, 1) : undefined;
    const sid = token(parser, withQueue ? 2 : 1);
    const using = queue === undefined ? "" : ` using queue ${quoted(queue)}`;
    if (queue === "_sys_" || session.permissions?.maySubscribe(subject, queue) === false) {
      return session.complain(`Permissions Violation for Subscription to ${quoted(subject)}${using}`);
    }
    const { maxSubscriptions } = session.limits;
    const { maxSubscriptionTokens } = session.host.limits;
    if (maxSubscriptionTokens > 0 && subject.split(".").length > maxSubscriptionTokens) {
      return session.complain(`Permissions Violation for Subscription to ${quoted(subject)}, too many tokens`);
    }
    if (maxSubscriptions > 0 && session.subscriptions.size >= maxSubscriptions) {
      return session.complain("maximum subscriptions exceeded");
    }
    // A second SUB with a live sid changes nothing.
    if (!session.subscriptions.has(sidKey(sid))) {
      if (!validSubject(subject)) return session.complain("Invalid Subject");
      const subscription = new Subscription(session, subject, queue, sid);
      session.subscriptions.set(sidKey(sid), subscription);
      session.account.add(subscription);
    }
    this.#ok();
  }

  #unsubscribe(parser: FrameParser): void {
    const session = this.#session;
    const subscription = session.subscriptions.get(sidKey(token(parser, 0)));
    if (subscription !== undefined) {
      const max = parser.tokenCount === 2 ? wholeNumber(token(parser, 1)) : 0;
      if (max > subscription.delivered) subscription.max = max;
      else endSubscription(session, subscription);
    }
    this.#ok();
  }

  #publish(parser: FrameParser): void {
    const session = this.#session;
    const message = this.#read(parser);
    session.inMessages++;
    session.inBytes += message.payloadEnd - message.payloadStart;
    if (session.request.pedantic && !publishable(message.subjectText)) session.complain("Invalid Publish Subject");
    if (!this.#allowed(message)) return;
    if (session.request.verbose) session.send(OK);
    const { account } = session;
    const { buffer, subjectStart, subjectEnd } = message;
    const interested = this.#recent.find(account, buffer, subjectStart, subjectEnd, parser.line);
    const delivered = session.host.delivery.fromClient(account.name, interested, message);
    if (!delivered && message.replyEnd > message.replyStart && session.request.noResponders) {
      this.#noResponders(message);
    }
  }

  /** Fills the one message of this connection from the frame at hand. */
  #read(parser: FrameParser): Message {
    const message = this.#message;
    const tokens = parser.tokens;
    const withHeader = parser.verb === Verb.HeaderPublish;
    const sizeToken = 2 * (parser.tokenCount - 1);
    const withReply = parser.tokenCount === (withHeader ? 4 : 3);
    message.buffer = parser.buffer;
    message.payload = parser.buffer;
    message.subjectStart = tokens[0]!;
    message.subjectEnd = tokens[1]!;
    message.replyStart = withReply ? tokens[2]! : 0;
    message.replyEnd = withReply ? tokens[3]! : 0;
    message.sizeStart = tokens[sizeToken]!;
    message.sizeEnd = tokens[sizeToken + 1]!;
    message.headerSize = parser.headerSize;
    message.headerSizeStart = withHeader ? tokens[sizeToken - 2]! : 0;
    message.headerSizeEnd = withHeader ? tokens[sizeToken - 1]! : 0;
    message.payloadStart = parser.payloadStart;
    message.payloadEnd = parser.payloadEnd;
    // An empty header block is passed on as a plain message, so that its tail differs.
    const same = parser.canonical && (!withHeader || parser.headerSize > 0);
    message.tailStart = same ? tokens[2]! : -1;
    message.tailEnd = parser.payloadEnd + 2;
    return message;
  }

  /** Whether the message may be published; complains when not. */
  #allowed(message: Message): boolean {
    const session = this.#session;
    const { buffer, subjectStart, replyStart } = message;
    // `_GR_.`: only a subject that begins so is looked at closer.
    const reserved = buffer[subjectStart] === 95 && buffer[subjectStart + 1] === 71 &&
      message.subjectText.startsWith("_GR_.");
    if (reserved || session.permissions?.mayPublish(message) === false) {
      session.complain(`Permissions Violation for Publish to ${quoted(message.subjectText)}`);
      return false;
    }
    if (message.replyEnd > replyStart) {
      const first = buffer[replyStart];
      const second = buffer[replyStart + 1];
      const suspicious = first === 36 || (first === 95 && (second === 82 || second === 71));
      if (suspicious && RESERVED_REPLIES.some((prefix) => message.replyText.startsWith(prefix))) {
        session.complain(`Permissions Violation for Publish with Reply of ${quoted(message.replyText)}`);
        return false;
      }
    }
    return true;
  }

  /** Nobody got a request: the client's own plain subscription on the reply subject, if there is one, hears so. */
  #noResponders(message: Message): void {
    const session = this.#session;
    const { locals } = session.account.cache.find(message.buffer, message.replyStart, message.replyEnd);
    const own = locals.find((subscription) => subscription.target === session && subscription.active);
    if (own !== undefined) writeNoResponders(session, own, message);
  }
}

/** Whether a strict client may publish to a subject: no empty token, no wildcard token. */
function publishable(subject: string): boolean {
  return validLiteral(subject) && !/(^|\.)[*>](\.|$)/.test(subject);
}

function token(parser: FrameParser, index: number): string {
  return textOf(parser.buffer, parser.tokens[2 * index]!, parser.tokens[2 * index + 1]!);
}

/** The number that decimal digits spell; 0 for anything else. */
function wholeNumber(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

function isJson(parser: FrameParser): boolean {
  try {
    JSON.parse(new TextDecoder().decode(parser.buffer.subarray(parser.argumentsStart, parser.argumentsEnd)));
    return true;
  } catch {
    return false;
  }
}
