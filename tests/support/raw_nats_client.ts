/** A NATS client made of bytes: sends what it is told and keeps what comes back, for tests of the protocol itself. */
import type { Connection } from "../../src/ports/network.ts";
import { latin1Bytes, textOf } from "../../src/nats/wire/frames.ts";

const encoder = new TextEncoder();

/** The bytes of a text whose characters each stand for one byte. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return latin1Bytes(text);
}

/** What carries the bytes: a socket of Deno's, or one of our own connections in the same dress. */
export interface Pipe {
  /** `null` when the other side has closed. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** How long a wait may last, milliseconds: longer than any busy machine makes it last. */
const PATIENCE = 40_000;

/** A connection of the network port as a pipe. */
export function pipeOf(connection: Connection): Pipe {
  return {
    read: async (into) => await connection.read(into) || null,
    write: async (bytes) => {
      await connection.write(bytes);
      return bytes.length;
    },
    close: () => connection.close(),
  };
}

export class RawNatsClient {
  /** The server's INFO, as JSON. */
  info: Record<string, unknown> = {};
  /** Whether the server has closed the connection. */
  closed = false;
  /** Everything since INFO, one character a byte. */
  received = "";
  readonly #connection: Pipe;
  #changed: (() => void)[] = [];
  readonly #ended: Promise<void>;

  constructor(connection: Pipe) {
    this.#connection = connection;
    this.#ended = this.#read();
  }

  /** Connects and, unless told otherwise, waits for INFO. */
  static async connect(port: number, waitForInfo = true): Promise<RawNatsClient> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    const client = new RawNatsClient(connection);
    if (waitForInfo) await client.readInfo();
    return client;
  }

  async readInfo(): Promise<void> {
    await this.until((text) => text.includes("\r\n"));
    const end = this.received.indexOf("\r\n") + 2;
    const line = this.received.slice(0, end);
    this.received = this.received.slice(end);
    this.info = JSON.parse(line.slice("INFO ".length));
  }

  /** Sends a text of one character a byte. A connection that is gone is no error. */
  async send(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? bytesOf(text) : text;
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    } catch {
      // The server may have hung up; what it said before is what tests ask for.
    }
  }

  /** Waits until what came fits; fails after `limit` milliseconds with what there is. */
  async until(fits: (received: string) => boolean, limit = PATIENCE): Promise<string> {
    const deadline = performance.now() + limit;
    while (!fits(this.received)) {
      const wait = deadline - performance.now();
      if (wait <= 0) throw new Error(`nothing fitting came: ${JSON.stringify(this.received.slice(-2_000))}`);
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.received.slice(-2_000))}`);
      await this.#change(wait);
    }
    return this.received;
  }

  /** Waits for the server to hang up and returns everything that came. */
  async untilClosed(limit = PATIENCE): Promise<string> {
    const deadline = performance.now() + limit;
    while (!this.closed) {
      const wait = deadline - performance.now();
      if (wait <= 0) throw new Error(`still open after ${JSON.stringify(this.received.slice(-2_000))}`);
      await this.#change(wait);
    }
    return this.received;
  }

  /**
   * Sends, then a PING; returns what came before its PONG, since the last time and without the server's own pings. Or
   * everything, when the server hangs up.
   */
  async ask(text: string | Uint8Array): Promise<string> {
    const sent = typeof text === "string" ? text : latin1(text);
    const pongs = 1 + (sent.match(/(^|\n)ping/gi)?.length ?? 0);
    await this.send(sent + "PING\r\n");
    while (!this.closed && count(this.received, "PONG\r\n") < pongs) await this.#change(PATIENCE);
    const answer = this.received.replaceAll(/(^|\n)PING\r\n/g, "$1");
    this.received = "";
    return answer.endsWith("PONG\r\n") ? answer.slice(0, -6) : answer;
  }

  async close(): Promise<void> {
    try {
      this.#connection.close();
    } catch {
      // Closed already.
    }
    await this.#ended;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        this.received += latin1(buffer.subarray(0, count));
        this.#wake();
      }
    } catch {
      // A reset counts as closed.
    }
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const wake of waiting) wake();
  }

  #change(limit: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`silence after ${JSON.stringify(this.received)}`)), limit);
      this.#changed.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function latin1(bytes: Uint8Array): string {
  return textOf(bytes, 0, bytes.length);
}

/** A CONNECT that switches the chatter off. */
export function quietConnect(more: object = {}): string {
  return `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...more })}\r\n`;
}

/** The bytes of a text in UTF-8, one character each. */
export function utf8(text: string): string {
  return latin1(encoder.encode(text));
}

/** How often `part` occurs in a text that ends with it, a ping of the server aside; 0 when it ends with something else. */
function count(text: string, part: string): number {
  return text.endsWith(part) || text.endsWith(`${part}PING\r\n`) ? text.split(part).length - 1 : 0;
}
