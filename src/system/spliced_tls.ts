/**
 * TLS as the server by the runtime's native code, on a connection that has carried plain bytes: its encrypted bytes go
 * through a {@link TlsPair}. They pass the kernel twice, and still this costs a third of what `node:tls` costs. The
 * runtime offers no client certificates here; those need `tls.ts`.
 */
import type { Address, Connection, TlsInfo } from "../ports/network.ts";
import { type Choice, serverChoice } from "./server_hello.ts";
import { systemClock } from "./clock.ts";
import { TcpConnection } from "./tcp_connection.ts";
import type { TlsPair } from "./tls_engine.ts";
import { networkFailure, withTimeLimit } from "./network_failures.ts";
import type { Millis } from "../protocol/units.ts";

/** A buffer grows from the first size to the second while reads fill it, and falls back after some small reads. */
const SMALL_BUFFER = 1_024;
const LARGE_BUFFER = 262_144;
const SMALL_READS = 8;
/** Others have a turn after so many bytes: what is there is read at once, and a flood would keep everybody waiting. */
const YIELD_BYTES = 262_144;
/** How long what was written before the end may take to get out. */
const PARTING: Millis = 1_000;
/** How long a refusal of TLS itself may take to get out. */
const REFUSAL: Millis = 100;
/** Bytes from the server among which its hello must be. */
const HELLO_LIMIT = 16_384;

const clock = systemClock();

/** Rejects with NetworkFailed when the handshake fails or takes longer than `timeout`; the connection is closed then. */
export async function secureBySplicing(raw: Connection, pair: TlsPair, timeout: Millis): Promise<Connection> {
  const action = "TLS handshake failed";
  const splice = new Splice(raw, pair);
  try {
    await withTimeLimit(pair.plain.handshake(), timeout, action);
    return new SplicedConnection(raw, pair, splice);
  } catch (cause) {
    pair.plain.close();
    await splice.end(REFUSAL);
    throw networkFailure(action, cause);
  }
}

/** Carries encrypted bytes in both directions until either side ends. */
class Splice {
  /** What the server chose; known once the handshake is done. */
  choice: Choice = { version: "", cipher: "" };
  readonly #raw: Connection;
  readonly #encrypted: TcpConnection;
  /** Resolves when the peer has been hung up on. */
  readonly #done: Promise<void>;
  #setDone: () => void = () => {};

  constructor(raw: Connection, pair: TlsPair) {
    this.#raw = raw;
    this.#encrypted = pair.encrypted;
    this.#done = new Promise((resolve) => this.#setDone = resolve);
    void this.#outward();
    void this.#inward();
  }

  /** The plain end is closed: waits until everything is with the peer, but not for ever, and hangs up. */
  async end(limit: Millis): Promise<void> {
    const timer = setTimeout(() => this.#hangUp(), limit);
    await this.#done;
    clearTimeout(timer);
  }

  async #inward(): Promise<void> {
    try {
      await pass(this.#raw, this.#encrypted);
      // What came before the end is still read.
      await (this.#encrypted.native as Deno.TcpConn).closeWrite();
    } catch {
      // Whoever broke off is seen by the other direction, too, but a peer's reset by this one only.
      this.#encrypted.close();
    }
  }

  async #outward(): Promise<void> {
    try {
      await pass(this.#encrypted, this.#raw, this.#listenForHello());
    } catch {
      // The peer is gone.
    }
    this.#hangUp();
  }

  #hangUp(): void {
    this.#encrypted.close();
    void this.#raw.close();
    // Older runtimes do not end a write that is under way.
    this.#setDone();
  }

  /** Looks at the first bytes until they tell the choice. */
  #listenForHello(): (bytes: Uint8Array) => boolean {
    let seen = new Uint8Array(0);
    return (bytes) => {
      const all = new Uint8Array(seen.length + bytes.length);
      all.set(seen);
      all.set(bytes, seen.length);
      seen = all;
      const choice = serverChoice(seen);
      if (choice !== undefined) this.choice = choice;
      return choice === undefined && seen.length < HELLO_LIMIT;
    };
  }
}

/** Passes on what comes until the end. `look` sees it as long as it answers true. Rejects when either side breaks. */
async function pass(from: Connection, to: Connection, look?: (bytes: Uint8Array) => boolean): Promise<void> {
  let buffer = new Uint8Array(SMALL_BUFFER);
  let smallReads = 0;
  let sinceYield = 0;
  let looking = look !== undefined;
  for (let count = await from.read(buffer); count > 0; count = await from.read(buffer)) {
    const bytes = buffer.subarray(0, count);
    if (looking) looking = look!(bytes);
    await to.write(bytes);
    sinceYield += count;
    if (sinceYield >= YIELD_BYTES) {
      sinceYield = 0;
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    smallReads = count < SMALL_BUFFER ? smallReads + 1 : 0;
    if (count === buffer.length && count < LARGE_BUFFER) buffer = new Uint8Array(2 * count);
    else if (smallReads > SMALL_READS && buffer.length > SMALL_BUFFER) buffer = new Uint8Array(SMALL_BUFFER);
  }
}

/** The decrypted side. */
class SplicedConnection implements Connection {
  readonly local: Address;
  readonly remote: Address;
  readonly tls: TlsInfo;
  readonly #plain: TcpConnection;
  readonly #splice: Splice;
  #closed: Promise<void> | undefined;

  constructor(raw: Connection, pair: TlsPair, splice: Splice) {
    this.local = raw.local;
    this.remote = raw.remote;
    this.tls = splice.choice;
    this.#plain = new TcpConnection(pair.plain);
    this.#splice = splice;
  }

  read(into: Uint8Array): Promise<number> {
    return this.#plain.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#plain.write(bytes);
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#plain.close();
      this.#closed = this.#splice.end(PARTING);
    }
    return this.#closed;
  }
}
