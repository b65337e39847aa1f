/**
 * One connection as `@nats-io/nats-core` wants it (its `Transport`), standing on the network port. It dials, upgrades to
 * TLS, reads and writes; frames of the data plane never reach the library, all other lines do.
 */
import type { ConnectionOptions, Server, ServerInfo, Transport } from "@nats-io/nats-core/internal";
import type { Clock } from "../../ports/clock.ts";
import type { Connection, Network } from "../../ports/network.ts";
import { Frame, MessageParser } from "../wire/message_parser.ts";
import type { DataPlane } from "./data_plane.ts";
import { NatsFailed } from "./errors.ts";
import { LineQueue } from "./line_queue.ts";
import type { ClientTls } from "./tls_options.ts";
import { OutputBuffer } from "./output_buffer.ts";

/** How long TCP may take to connect, and TLS to shake hands, milliseconds. */
const DIAL_TIMEOUT = 2_000;

/** First size of the read buffer; it grows for larger messages. */
const READ_SIZE = 64 * 1024;

/** Bytes read without a pause before other work gets its turn. */
const FAIR_SHARE = 256 * 1024;

/** A frame above this size, or twice `max_payload`, is no frame. */
const MAX_FRAME = 64 * 1024 * 1024;

/** What a transport works with. */
export interface TransportParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly plane: DataPlane;
  /** Choices for TLS; absent means "only if the server demands it, with the system's authorities". */
  readonly tls?: ClientTls;
  /** Most bytes that may wait to be sent. */
  readonly maxPending: number;
  /** Told before each dial which server it goes to. */
  readonly onDial: (server: Server) => void;
  /** Told once a run of received messages was handed out. */
  readonly onBatchEnd: () => void;
  /** Told once, when the connection, having been made, is gone. */
  readonly onEnd: (transport: NatsTransport) => void;
}

export class NatsTransport implements Transport {
  readonly lang = "nats-streaming-deno";
  readonly version = "0.25.6";
  closeError?: Error;
  isClosed = false;
  /** Exists once connected. */
  output: OutputBuffer | undefined;

  readonly #parts: TransportParts;
  readonly #lines = new LineQueue();
  readonly #parser = new MessageParser();
  readonly #closed = Promise.withResolvers<void | Error>();
  #connection: Connection | undefined;
  #buffer = new Uint8Array(READ_SIZE);
  #start = 0;
  #end = 0;

  constructor(parts: TransportParts) {
    this.#parts = parts;
  }

  async connect(server: Server, _options: ConnectionOptions): Promise<void> {
    this.#parts.onDial(server);
    let upgradable = this.#parts.tls !== undefined;
    let info = await this.#dial(server, upgradable);
    if (info.tls_required === true && !upgradable) {
      // Streams that can be upgraded are slower, so they are asked for only where the server wants TLS.
      this.#connection!.close();
      this.#start = this.#end = 0;
      upgradable = true;
      info = await this.#dial(server, upgradable);
    }
    if (upgradable) await this.#secure(server, info);
    if (this.isClosed) {
      this.#connection!.close();
      throw new NatsFailed("DISCONNECTED", "nats: connection closed");
    }
    this.output = new OutputBuffer(
      this.#connection!,
      this.#parts.clock,
      this.#parts.maxPending,
      (error) => this.#fail(error),
    );
    this.#read();
  }

  isEncrypted(): boolean {
    return this.#connection?.tls !== undefined;
  }

  send(frame: Uint8Array): void {
    this.output?.append(frame);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this.#lines;
  }

  async close(error?: Error): Promise<void> {
    this.#finish(error);
  }

  disconnect(): void {
    this.#finish();
  }

  discard(): void {
    this.#finish();
  }

  closed(): Promise<void | Error> {
    return this.#closed.promise;
  }

  /** Opens TCP and reads the line that every NATS server begins with; it is left in the buffer for the library. */
  async #dial(server: Server, upgradable: boolean): Promise<ServerInfo> {
    const address = { host: server.hostname, port: server.port };
    const connection = await this.#parts.network.dial(address, { timeout: DIAL_TIMEOUT, upgradable });
    this.#connection = connection;
    if (this.isClosed) connection.close();
    for (;;) {
      const count = await connection.read(this.#room());
      if (count === 0) {
        throw new NatsFailed("DISCONNECTED", "nats: the server closed the connection before it said anything");
      }
      this.#end += count;
      const frame = this.#parser.next(this.#buffer, this.#start, this.#end);
      if (frame === Frame.partial) continue;
      const info = frame === Frame.line ? parseInfo(this.#buffer.subarray(0, this.#parser.end)) : undefined;
      if (info === undefined) throw protocolError(this.#buffer.subarray(0, this.#end));
      return info;
    }
  }

  async #secure(server: Server, info: ServerInfo): Promise<void> {
    const wanted = this.#parts.tls;
    if (info.tls_required !== true && info.tls_available !== true) {
      throw new NatsFailed("SECURE_NOT_AVAILABLE", "nats: secure connection not available");
    }
    if (this.#parser.end !== this.#end) throw protocolError(this.#buffer.subarray(this.#parser.end, this.#end));
    const insecure = wanted?.insecure === true;
    this.#connection = await this.#parts.network.secureClient(this.#connection!, {
      ...(wanted?.authorities === undefined ? {} : { authorities: wanted.authorities }),
      ...(wanted?.certificate === undefined ? {} : { certificate: wanted.certificate }),
      ...(wanted?.key === undefined ? {} : { key: wanted.key }),
      serverName: wanted?.serverName ?? (server.tlsName || server.hostname),
      verify: !insecure,
      timeout: DIAL_TIMEOUT,
    });
  }

  async #read(): Promise<void> {
    const connection = this.#connection!;
    this.#handOut();
    for (let share = 0; !this.isClosed;) {
      let count: number;
      try {
        count = await connection.read(this.#room());
      } catch (error) {
        return this.#fail(error);
      }
      if (this.isClosed) return;
      if (count === 0) return this.#finish();
      this.#end += count;
      this.#handOut();
      share += count;
      if (share < FAIR_SHARE) continue;
      share = 0;
      await new Promise<void>((resolve) => this.#parts.clock.soon(resolve));
    }
  }

  /** Serves every whole frame in the buffer. */
  #handOut(): void {
    const { plane, onBatchEnd } = this.#parts;
    const parser = this.#parser;
    let delivered = false;
    let at = this.#start;
    while (at < this.#end && !this.isClosed) {
      const frame = parser.next(this.#buffer, at, this.#end);
      if (frame === Frame.partial) break;
      if (frame === Frame.malformed) {
        this.#fail(protocolError(this.#buffer.subarray(at, this.#end)));
        break;
      }
      if (frame === Frame.line) this.#line(this.#buffer.slice(at, parser.end));
      else if (plane.deliver(parser.sid, parser.message)) delivered = true;
      at = parser.end;
    }
    this.#start = at;
    if (delivered) onBatchEnd();
  }

  #line(line: Uint8Array): void {
    const letter = line[0]! | 32;
    if (letter === 0x69) {
      const info = parseInfo(line);
      if (info === undefined) return this.#fail(protocolError(line));
      if (info.max_payload > 0) this.#parts.plane.maxPayload = info.max_payload;
    }
    this.#lines.push(line);
  }

  /** The free end of the read buffer, made large enough for the frame that is under way. */
  #room(): Uint8Array {
    const waiting = this.#end - this.#start;
    if (waiting === 0) this.#start = this.#end = 0;
    const wanted = Math.max(this.#parser.needed, waiting + 1);
    if (wanted > Math.max(MAX_FRAME, 2 * this.#parts.plane.maxPayload)) {
      throw protocolError(this.#buffer.subarray(this.#start, this.#end));
    }
    if (wanted > this.#buffer.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(wanted + READ_SIZE)));
      larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = larger;
    } else if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = waiting;
    return this.#buffer.subarray(waiting);
  }

  #fail(error: unknown): void {
    this.#finish(error instanceof Error ? error : new Error(String(error)));
  }

  #finish(error?: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (error !== undefined) this.closeError = error;
    this.#connection?.close();
    this.#lines.end();
    // A dial that failed is reported by connect() alone.
    if (this.output === undefined) return;
    this.output.close();
    this.#parts.onEnd(this);
    this.#closed.resolve(error);
  }
}

function parseInfo(line: Uint8Array): ServerInfo | undefined {
  const text = new TextDecoder().decode(line);
  if (!/^INFO\s/i.test(text)) return undefined;
  try {
    const info: unknown = JSON.parse(text.slice(5));
    return typeof info === "object" && info !== null ? info as ServerInfo : undefined;
  } catch {
    return undefined;
  }
}

function protocolError(bytes: Uint8Array): NatsFailed {
  const shown = JSON.stringify(new TextDecoder("latin1").decode(bytes.subarray(0, 64)));
  return new NatsFailed("PROTOCOL", `nats: the peer is no NATS server, it sent ${shown}`);
}
