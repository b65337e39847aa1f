/**
 * What is to be sent on one connection: frames are written straight into slabs, full slabs wait in a row, one write is in
 * flight. A publisher's burst costs one write a turn, or one a slab.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Connection } from "../../ports/network.ts";

/** One slab, bytes. */
const SLAB = 256 * 1024;

/** With nothing in flight, this many bytes go out before the turn ends, so that the peer works meanwhile. */
const EAGER = 64 * 1024;

/** Slabs kept for reuse, up to this size: one holds an entry of a log, whose size is bounded, with its frame. */
const SPARE = 4;
const SPARE_SIZE = 1024 * 1024;

interface Filled {
  readonly slab: Uint8Array;
  readonly length: number;
}

export class OutputBuffer {
  /** Where the next frame is to be written, after {@link reserve} said yes. */
  slab: Uint8Array = new Uint8Array(SLAB);
  /** The offset in {@link slab} of the next frame. */
  at = 0;

  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #onFailure: (error: unknown) => void;
  readonly #row: Filled[] = [];
  readonly #spare: Uint8Array[] = [];
  /** Bytes in the row and in flight. */
  #queued = 0;
  #scheduled = false;
  #writing = false;
  #closed = false;
  #whenEmpty: (() => void)[] = [];

  /** `limit`: most bytes that may wait; `onFailure` is told, once, why a write failed. */
  constructor(connection: Connection, clock: Clock, limit: number, onFailure: (error: unknown) => void) {
    this.#connection = connection;
    this.#clock = clock;
    this.#limit = limit;
    this.#onFailure = onFailure;
  }

  /** Bytes that wait to be written or are being written. */
  get pending(): number {
    return this.#queued + this.at;
  }

  /** Makes room for a frame of `count` bytes in one piece. `false` when more would wait than the limit allows. */
  reserve(count: number): boolean {
    if (this.#queued + this.at + count > this.#limit || this.#closed) return false;
    if (this.at + count > this.slab.length) this.#nextSlab(count);
    return true;
  }

  /** Ends a frame: everything before the offset `end` of {@link slab} goes out at the end of the turn at the latest. */
  advance(end: number): void {
    this.at = end;
    if (this.#writing) return;
    if (end >= EAGER) this.#start();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#clock.soon(this.#flush);
    }
  }

  /** Copies `bytes` whole, whatever the limit: for the few frames that must not be lost. */
  append(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.at + bytes.length > this.slab.length) this.#nextSlab(bytes.length);
    this.slab.set(bytes, this.at);
    this.advance(this.at + bytes.length);
  }

  /** Sends what is there now, unless a write is under way: that goes on with it. */
  push(): void {
    if (!this.#writing) this.#start();
  }

  /** Resolves when nothing waits any more, or when the buffer is closed. */
  drained(): Promise<void> {
    if (this.#closed || this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Drops what was not sent. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#row.length = 0;
    this.#queued = 0;
    this.at = 0;
    this.#tellEmpty();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (!this.#writing) this.#start();
  };

  #nextSlab(count: number): void {
    this.#putInRow();
    this.slab = this.#freeSlab(count);
    if (!this.#writing) this.#start();
  }

  #freeSlab(count: number): Uint8Array {
    const at = this.#spare.findLastIndex((slab) => slab.length >= count);
    return at < 0 ? new Uint8Array(Math.max(count, SLAB)) : this.#spare.splice(at, 1)[0]!;
  }

  #putInRow(): void {
    if (this.at === 0) return;
    this.#row.push({ slab: this.slab, length: this.at });
    this.#queued += this.at;
    this.at = 0;
  }

  #start(): void {
    if (this.#closed || this.pending === 0) return;
    this.#writing = true;
    this.#write();
  }

  /** Writes until nothing is left. Never rejects. */
  async #write(): Promise<void> {
    try {
      for (let next = this.#take(); next !== undefined; next = this.#take()) {
        await this.#connection.write(next.slab.subarray(0, next.length));
        if (this.#closed) return;
        this.#queued -= next.length;
        if (next.slab.length <= SPARE_SIZE && this.#spare.length < SPARE) this.#spare.push(next.slab);
      }
    } catch (error) {
      if (this.#closed) return;
      this.close();
      this.#onFailure(error);
      return;
    }
    // In the same step as the last look at what waits: a frame added later starts the next write itself.
    this.#writing = false;
    this.#tellEmpty();
  }

  #take(): Filled | undefined {
    if (this.#row.length === 0 && this.at > 0) {
      this.#putInRow();
      this.slab = this.#freeSlab(SLAB);
    }
    return this.#row.shift();
  }

  #tellEmpty(): void {
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }
}
