/**
 * One client of a streaming load test, made of bytes so that it costs little beside the server:
 *
 *     deno run -A streaming_load.ts <nats url> <cluster id> pub <messages> <size> <window>
 *     deno run -A streaming_load.ts <nats url> <cluster id> sub <messages>
 *
 * `pub` keeps up to `window` publishes unacknowledged (1: one at a time) and prints the seconds until all are acknowledged.
 * `sub` prints `ready`, acknowledges what it gets, and prints the seconds from the first message to the last.
 */
import { readVarint } from "./varint_reader.ts";
import {
  Ack,
  ConnectRequest,
  ConnectResponse,
  PubMsg,
  SubscriptionRequest,
  SubscriptionResponse,
} from "../../src/protocol/client_messages.ts";

const SUBJECT = "bench";
const GUID_LENGTH = 22;
const CRLF = "\r\n";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Handles one message: where its payload and its reply subject are in the buffer. */
type OnMessage = (buffer: Uint8Array, start: number, end: number, reply: string) => void;

/** Just enough NATS. */
class Link {
  readonly #connection: Deno.TcpConn;
  readonly #handlers = new Map<number, OnMessage>();
  #lastSid = 0;
  #writing: Promise<unknown> = Promise.resolve();
  /** What goes out together when the input at hand is handled. */
  #pending: Uint8Array[] = [];

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
    this.send(encoder.encode('CONNECT {"verbose":false,"pedantic":false}\r\n'));
    this.#read().catch(() => Deno.exit(1));
  }

  send(bytes: Uint8Array): Promise<unknown> {
    this.#pending.push(bytes);
    if (this.#pending.length === 1) {
      this.#writing = this.#writing.then(async () => {
        const all = joined(this.#pending);
        this.#pending = [];
        for (let at = 0; at < all.length;) at += await this.#connection.write(all.subarray(at));
      });
    }
    return this.#writing;
  }

  publish(subject: string, reply: string, payload: Uint8Array): void {
    const head = `PUB ${subject} ${reply === "" ? "" : `${reply} `}${payload.length}${CRLF}`;
    const frame = new Uint8Array(head.length + payload.length + 2);
    frame.set(encoder.encode(head));
    frame.set(payload, head.length);
    frame.set([13, 10], head.length + payload.length);
    void this.send(frame);
  }

  subscribe(subject: string, handler: OnMessage): void {
    this.#handlers.set(++this.#lastSid, handler);
    void this.send(encoder.encode(`SUB ${subject} ${this.#lastSid}${CRLF}`));
  }

  /** The first answer. */
  request(subject: string, payload: Uint8Array): Promise<Uint8Array> {
    const reply = `_INBOX.load.${Deno.pid}.${this.#lastSid}`;
    return new Promise((resolve) => {
      this.subscribe(reply, (buffer, start, end) => resolve(buffer.slice(start, end)));
      this.publish(subject, reply, payload);
    });
  }

  async #read(): Promise<void> {
    let buffer = new Uint8Array(1 << 20);
    let end = 0;
    for (;;) {
      const count = await this.#connection.read(buffer.subarray(end));
      if (count === null) throw new Error("the server hung up");
      end += count;
      const rest = this.#handOut(buffer, end);
      buffer.copyWithin(0, rest, end);
      end -= rest;
      if (end > buffer.length / 2) {
        const larger = new Uint8Array(buffer.length * 2);
        larger.set(buffer.subarray(0, end));
        buffer = larger;
      }
    }
  }

  /** Handles every whole frame before `end`; answers where the rest begins. */
  #handOut(buffer: Uint8Array, end: number): number {
    let at = 0;
    for (;;) {
      const line = buffer.indexOf(10, at);
      if (line < 0 || line >= end) return at;
      if (buffer[at] === 0x4d) {
        const parts = decoder.decode(buffer.subarray(at, line - 1)).split(" ");
        const size = Number(parts.at(-1));
        if (line + 1 + size + 2 > end) return at;
        const reply = parts.length === 5 ? parts[3]! : "";
        this.#handlers.get(Number(parts[2]))?.(buffer, line + 1, line + 1 + size, reply);
        at = line + 1 + size + 2;
      } else {
        if (buffer[at] === 0x50) void this.send(encoder.encode(`PONG${CRLF}`));
        at = line + 1;
      }
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

interface Session {
  readonly link: Link;
  readonly clientId: string;
  readonly connId: Uint8Array;
  readonly response: ConnectResponse;
}

async function join(url: string, clusterId: string, role: string): Promise<Session> {
  const { hostname, port } = new URL(url);
  const link = new Link(await Deno.connect({ hostname, port: Number(port) }));
  const clientId = `${role}-${Deno.pid}`;
  const connId = encoder.encode(clientId);
  const heartbeatInbox = `_INBOX.heartbeat.${clientId}`;
  link.subscribe(heartbeatInbox, (_buffer, _start, _end, reply) => link.publish(reply, "", new Uint8Array(0)));
  const request = ConnectRequest.encode({ clientId, heartbeatInbox, protocol: 1, connId });
  const response = ConnectResponse.decode(await link.request(`_STAN.discover.${clusterId}`, request))!;
  if (response.error !== "") throw new Error(response.error);
  return { link, clientId, connId, response };
}

async function publish(session: Session, count: number, size: number, window: number): Promise<void> {
  const { link, clientId, connId, response } = session;
  const inbox = `_INBOX.acks.${clientId}`;
  let acked = 0;
  let wake = () => {};
  link.subscribe(inbox, (buffer, start, end) => {
    if (end - start !== GUID_LENGTH + 2) throw new Error(decoder.decode(buffer.subarray(start, end)));
    acked++;
    wake();
  });
  const message = { clientId, guid: "0".repeat(GUID_LENGTH), subject: SUBJECT, data: new Uint8Array(size), connId };
  const payload = PubMsg.encode(message);
  const head = `PUB ${response.pubPrefix}.${SUBJECT} ${inbox} ${payload.length}${CRLF}`;
  const frame = new Uint8Array([...encoder.encode(head), ...payload, 13, 10]);
  // Two bytes of field and length stand before the client id, and again before the guid.
  const guidAt = head.length + 2 + clientId.length + 2;
  const perBlock = Math.max(1, Math.min(window, Math.floor(65_536 / frame.length)));
  const begun = performance.now();
  for (let sent = 0; sent < count;) {
    const batch = Math.min(perBlock, count - sent, window - (sent - acked));
    if (batch < Math.min(perBlock, count - sent)) {
      await new Promise<void>((resolve) => wake = resolve);
      if (window > 1 && sent - acked > window / 2) continue;
      if (batch <= 0) continue;
    }
    const block = new Uint8Array(batch * frame.length);
    for (let i = 0; i < batch; i++) {
      block.set(frame, i * frame.length);
      writeDigits(sent + i, block, i * frame.length + guidAt + GUID_LENGTH);
    }
    sent += batch;
    await link.send(block);
  }
  while (acked < count) await new Promise<void>((resolve) => wake = resolve);
  console.log((performance.now() - begun) / 1_000);
}

/** Writes `value` in decimal so that it ends before `end`. */
function writeDigits(value: number, to: Uint8Array, end: number): void {
  for (let at = end - 1; value > 0; at--) {
    const tenth = Math.floor(value / 10);
    to[at] = 48 + value - tenth * 10;
    value = tenth;
  }
}

async function receive(session: Session, count: number): Promise<void> {
  const { link, clientId, response } = session;
  const inbox = `_INBOX.messages.${clientId}`;
  let received = 0;
  let begun = 0;
  let ackInbox = "";
  const done = new Promise<void>((resolve) => {
    link.subscribe(inbox, (buffer, start) => {
      if (received++ === 0) begun = performance.now();
      // The sequence is the first field.
      link.publish(ackInbox, "", Ack.encode({ subject: SUBJECT, sequence: readVarint(buffer, start + 1) }));
      if (received === count) resolve();
    });
  });
  const request = { clientId, subject: SUBJECT, inbox, maxInFlight: 16_384, ackWaitInSecs: 30, startPosition: 0 };
  const answer = await link.request(response.subRequests, SubscriptionRequest.encode(request));
  const decoded = SubscriptionResponse.decode(answer)!;
  if (decoded.error !== "") throw new Error(decoded.error);
  ackInbox = decoded.ackInbox;
  console.log("ready");
  await done;
  console.log((performance.now() - begun) / 1_000);
}

const [url, clusterId, role, count, size = "0", window = "1"] = Deno.args;
const session = await join(url!, clusterId!, role!);
if (role === "pub") await publish(session, Number(count), Number(size), Number(window));
else await receive(session, Number(count));
Deno.exit(0);
