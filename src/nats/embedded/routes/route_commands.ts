/** What another server's lines do (spec nats-server, sections 3.2 to 3.5). */
import type { Account } from "../account.ts";
import type { FrameParser, FrameSink } from "../../wire/parser.ts";
import { isLater } from "../../../protocol/units.ts";
import { Message } from "../message.ts";
import { OK, PONG, quoted, textOf, utf8 } from "../../wire/frames.ts";
import { readPeerConnect, readPeerInfo } from "./route_info.ts";
import type { RouteSession } from "./route_session.ts";
import { validSubject } from "../subjects/mod.ts";
import { Verb } from "../../wire/verbs.ts";

/** Changes of interest in a row after which others get a turn: a new route may tell of hundreds of thousands. */
const CHANGES_AT_ONCE = 1_000;
const PLUS = 43;
const BAR = 124;
const nobody: readonly string[] = [];

export class RouteCommands implements FrameSink {
  readonly #session: RouteSession;
  readonly #message = new Message();
  readonly #queues: string[] = [];
  #changes = 0;

  constructor(session: RouteSession) {
    this.#session = session;
  }

  /** Takes one line. `false`: the connection waits or ends here. */
  frame(parser: FrameParser): boolean {
    const session = this.#session;
    if (session.closed) return false;
    switch (parser.verb) {
      case Verb.RouteMessage:
      case Verb.RouteHeaderMessage:
        this.#deliver(parser);
        break;
      case Verb.RouteSubscribe:
        this.#subscribe(parser);
        this.#changed();
        break;
      case Verb.RouteUnsubscribe:
        this.#unsubscribe(parser);
        this.#changed();
        break;
      case Verb.Ping:
        session.write(PONG);
        break;
      case Verb.Pong:
        session.ponged();
        break;
      case Verb.Info:
        this.#info(parser);
        break;
      case Verb.Connect:
        this.#connect(parser);
        break;
      case Verb.Error:
        session.refused(textOf(parser.buffer, parser.argumentsStart, parser.argumentsEnd));
        break;
        // SUB, UNSUB, PUB and +OK have no effect here.
    }
    return !session.closed && session.waitFor === undefined;
  }

  #changed(): void {
    if (++this.#changes % CHANGES_AT_ONCE !== 0) return;
    const { clock } = this.#session.server;
    this.#session.waitFor = new Promise((resolve) => clock.soon(resolve));
  }

  #info(parser: FrameParser): void {
    const info = readPeerInfo(parser.buffer.subarray(parser.argumentsStart, parser.argumentsEnd));
    if (info === undefined || info.serverId === "") return this.#session.close("Protocol Violation", true);
    this.#session.mesh.informed(this.#session, info);
  }

  #connect(parser: FrameParser): void {
    const session = this.#session;
    const connect = readPeerConnect(parser.buffer.subarray(parser.argumentsStart, parser.argumentsEnd));
    if (connect === undefined) return session.close("Protocol Violation", true);
    if (connect.lang !== "") return session.fail("attempted to connect to route port", "Incorrect Port");
    if (connect.gateway !== "") {
      const text = `Rejecting connection from gateway ${quoted(utf8(connect.gateway))} on the Route port`;
      return session.fail(text, "Incorrect Port");
    }
    session.verbose = connect.verbose;
    session.saidWho();
    const admitted = session.mesh.admits(session, connect);
    const go = (yes: boolean) => {
      if (session.closed) return;
      if (!yes) return session.fail("Authorization Violation", "Authentication Failure");
      session.admitted();
      if (session.mesh.named(session, connect)) this.#ok();
    };
    if (isLater(admitted)) session.waitFor = admitted.then(go);
    else go(admitted);
  }

  #subscribe(parser: FrameParser): void {
    const session = this.#session;
    const account = this.#account(parser);
    // A group without its weight is malformed.
    if (parser.tokenCount === 3) return session.close("Protocol Violation", true);
    const subject = token(parser, 1);
    const queue = parser.tokenCount === 4 ? token(parser, 2) : undefined;
    const weight = queue === undefined ? 1 : Number.parseInt(token(parser, 3), 10) || 0;
    if (account !== undefined) {
      if (!validSubject(subject)) return session.complain("Invalid Subscription");
      session.wanted.add(account, subject, queue, Math.max(weight, 0));
    }
    this.#ok();
  }

  #unsubscribe(parser: FrameParser): void {
    const account = this.#account(parser);
    const queue = parser.tokenCount === 3 ? token(parser, 2) : undefined;
    if (account !== undefined) this.#session.wanted.remove(account, token(parser, 1), queue);
    this.#ok();
  }

  #ok(): void {
    if (this.#session.verbose) this.#session.write(OK);
  }

  #deliver(parser: FrameParser): void {
    const session = this.#session;
    const queues = this.#read(parser);
    if (queues === undefined) return session.close("Protocol Violation", true);
    const account = this.#account(parser);
    if (account === undefined) return;
    const message = this.#message;
    session.inMessages++;
    session.inBytes += message.payloadEnd - message.payloadStart;
    const interested = account.cache.find(message.buffer, message.subjectStart, message.subjectEnd);
    session.server.delivery.fromRoute(interested, message, queues);
  }

  /** Fills the one message of this route; returns the groups it is for, or `undefined` when the line is malformed. */
  #read(parser: FrameParser): readonly string[] | undefined {
    const message = this.#message;
    const tokens = parser.tokens;
    const withHeader = parser.verb === Verb.RouteHeaderMessage;
    // Arguments before the sizes: account, subject, then what is to be told apart by their count.
    const names = parser.tokenCount - (withHeader ? 2 : 1);
    const sizes = 2 * names;
    let reply = names === 3 ? 2 : 0;
    let queues = nobody;
    let sameTail = parser.canonical;
    if (names > 3) {
      const indicator = tokens[5]! - tokens[4]! === 1 ? parser.buffer[tokens[4]!] : 0;
      if (indicator !== PLUS && indicator !== BAR) return undefined;
      if (indicator === PLUS) {
        reply = 3;
        sameTail = false;
      }
      queues = this.#queuesFrom(parser, reply === 0 ? 3 : 4, names);
    }
    message.buffer = parser.buffer;
    message.payload = parser.buffer;
    message.subjectStart = tokens[2]!;
    message.subjectEnd = tokens[3]!;
    message.replyStart = reply === 0 ? 0 : tokens[2 * reply]!;
    message.replyEnd = reply === 0 ? 0 : tokens[2 * reply + 1]!;
    message.headerSize = parser.headerSize;
    message.headerSizeStart = withHeader ? tokens[sizes]! : 0;
    message.headerSizeEnd = withHeader ? tokens[sizes + 1]! : 0;
    message.sizeStart = tokens[sizes + (withHeader ? 2 : 0)]!;
    message.sizeEnd = tokens[sizes + (withHeader ? 3 : 1)]!;
    message.payloadStart = parser.payloadStart;
    message.payloadEnd = parser.payloadEnd;
    sameTail = sameTail && (!withHeader || parser.headerSize > 0);
    message.tailStart = sameTail ? tokens[reply === 2 ? 4 : sizes]! : -1;
    message.tailEnd = parser.payloadEnd + 2;
    return queues;
  }

  #queuesFrom(parser: FrameParser, from: number, to: number): readonly string[] {
    const queues = this.#queues;
    queues.length = 0;
    for (let i = from; i < to; i++) queues.push(token(parser, i));
    return queues;
  }

  /** The account that the line names; `undefined` when it is unknown, or the peer not yet part of the mesh. */
  #account(parser: FrameParser): Account | undefined {
    if (!this.#session.registered) return undefined;
    return this.#session.server.accounts.get(token(parser, 0));
  }
}

function token(parser: FrameParser, index: number): string {
  return textOf(parser.buffer, parser.tokens[2 * index]!, parser.tokens[2 * index + 1]!);
}
