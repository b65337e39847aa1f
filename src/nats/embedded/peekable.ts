/** A connection whose first bytes can be looked at before anybody reads them: how TLS and plain text are told apart. */
import type { Address, Connection, TlsInfo } from "../../ports/network.ts";

/** Enough for a look; whatever else came stays for the reader. */
const LOOK = 512;

export class PeekableConnection implements Connection {
  readonly #inner: Connection;
  #first: Promise<number> | undefined;
  #bytes = new Uint8Array(LOOK);
  #start = 0;
  #end = 0;

  constructor(inner: Connection) {
    this.#inner = inner;
  }

  get local(): Address {
    return this.#inner.local;
  }
  get remote(): Address {
    return this.#inner.remote;
  }
  get tls(): TlsInfo | undefined {
    return this.#inner.tls;
  }

  /** The first byte; -1 when the peer has closed. Rejects with NetworkFailed. */
  async peek(): Promise<number> {
    this.#first ??= this.#inner.read(this.#bytes);
    this.#end = await this.#first;
    return this.#end === 0 ? -1 : this.#bytes[0]!;
  }

  async read(into: Uint8Array): Promise<number> {
    if (this.#first === undefined) return await this.#inner.read(into);
    if (this.#start === 0 && this.#end === 0) {
      this.#end = await this.#first;
      if (this.#end === 0) return 0;
    }
    const count = Math.min(into.length, this.#end - this.#start);
    into.set(this.#bytes.subarray(this.#start, this.#start + count));
    this.#start += count;
    if (this.#start === this.#end) this.#first = undefined;
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#inner.write(bytes);
  }

  close(): void | Promise<void> {
    return this.#inner.close();
  }
}
