/** A connection on a stream of `node:net` or `node:tls`: their chunks behind the reads and writes of the network port. */
import type { Duplex } from "node:stream";
import { type Address, type Connection, NetworkFailed } from "../ports/network.ts";
import { networkFailure } from "./network_failures.ts";

/** Bytes that may wait to be read before the stream is told to stop, and below which it may go on. */
const PAUSE = 256 * 1024;
const RESUME = 64 * 1024;

/** What the stream gets its bytes from, where pausing the stream does not reach that far. */
export interface Source {
  hold(): void;
  release(): void;
}

/** Base of what reads from a stream; begins to listen to it with {@link attach}. */
export abstract class StreamConnection implements Connection {
  abstract readonly local: Address;
  abstract readonly remote: Address;
  readonly #stream: Duplex;
  readonly #source: Source | undefined;
  /** What has come and was not read yet, from {@link #first} on. */
  readonly #chunks: Uint8Array[] = [];
  #first = 0;
  #waiting = 0;
  #paused = false;
  #attached = false;
  #ended = false;
  #failure: NetworkFailed | undefined;
  #wakeReader: (() => void) | undefined;

  constructor(stream: Duplex, source?: Source) {
    this.#stream = stream;
    this.#source = source;
    stream.on("close", () => this.#end());
    stream.on("error", (cause) => {
      this.#failure ??= networkFailure("the stream broke", cause);
      this.#end();
    });
  }

  /** Whether anything was, or is being, read from here. */
  get untouched(): boolean {
    return !this.#attached;
  }

  async read(into: Uint8Array): Promise<number> {
    if (!this.#attached) this.attach();
    while (this.#first === this.#chunks.length) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return 0;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const chunk = this.#chunks[this.#first]!;
    const count = Math.min(chunk.length, into.length);
    into.set(count === chunk.length ? chunk : chunk.subarray(0, count));
    if (count < chunk.length) this.#chunks[this.#first] = chunk.subarray(count);
    else this.#first++;
    this.#waiting -= count;
    if (this.#first === this.#chunks.length) this.#chunks.length = this.#first = 0;
    if (this.#paused && this.#waiting < RESUME) {
      this.#paused = false;
      this.#stream.resume();
      this.#source?.release();
    }
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#failure ?? new NetworkFailed("ECLOSED", "cannot write: the connection is closed"));
        return;
      }
      this.#stream.write(bytes, (cause) => {
        if (cause) reject(networkFailure("cannot write", cause));
        else resolve();
      });
    });
  }

  close(): void {
    this.#ended = true;
    this.#chunks.length = this.#first = this.#waiting = 0;
    this.#stream.destroy();
    this.#wake();
  }

  /** Takes what the stream reads from now on. */
  protected attach(): void {
    this.#attached = true;
    // Letting chunks flow costs half of asking for each.
    this.#stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    this.#stream.on("end", () => this.#end());
    this.#stream.resume();
  }

  #take(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#waiting > PAUSE && !this.#paused) {
      this.#paused = true;
      this.#stream.pause();
      this.#source?.hold();
    }
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = undefined;
    wake?.();
  }
}
