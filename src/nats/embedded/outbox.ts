/**
 * What one connection still has to send. Writers fill {@link Outbox.buffer} from {@link Outbox.length} on after asking for
 * room; one write is under way at a time while the next buffer fills.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Connection } from "../../ports/network.ts";
import { copy } from "../wire/frames.ts";
import { LARGE_SLAB, type Slabs } from "./slabs.ts";

const empty = new Uint8Array(0);

interface Full {
  readonly slab: Uint8Array;
  readonly length: number;
}

/** What the outbox tells its connection. */
export interface OutboxOwner {
  /** A write failed: the connection is of no use any more. */
  writeFailed(error: unknown): void;
}

export class Outbox {
  /** Where the next bytes go, at {@link length}; changes with every {@link reserve}. */
  buffer: Uint8Array = empty;
  length = 0;
  /** Bytes in full buffers and in the write under way. */
  queued = 0;
  /** When the write under way began, or last got something through; 0 when none is. On the monotonic clock. */
  writingSince = 0;
  /** Set while the connection waits for its turn to be flushed. */
  dirty = false;

  #connection: Connection | undefined;
  readonly #slabs: Slabs;
  readonly #clock: Clock;
  readonly #owner: OutboxOwner;
  #full: Full[] = [];
  #writing = false;
  #closed = false;
  #waiters: { readonly below: number; readonly wake: () => void }[] = [];

  constructor(connection: Connection, slabs: Slabs, clock: Clock, owner: OutboxOwner) {
    this.#connection = connection;
    this.#slabs = slabs;
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Bytes that the peer has not taken yet. */
  get pending(): number {
    return this.queued + this.length;
  }

  /** Sends through another stream from now on: the same peer after its TLS handshake. Nothing may be pending. */
  use(connection: Connection): void {
    this.#connection = connection;
  }

  /** Makes room for `size` bytes at {@link length}. */
  reserve(size: number): void {
    if (this.length + size > this.buffer.length) this.#enlarge(size);
  }

  /** Adds bytes. */
  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.reserve(bytes.length);
    this.length = copy(bytes, 0, bytes.length, this.buffer, this.length);
  }

  /** Begins to send what is there, unless a write is under way: then it follows by itself. */
  flush(): void {
    if (!this.#writing && !this.#closed && this.pending > 0) void this.#send();
  }

  /** Resolves when fewer than `below` bytes are pending, or the outbox is closed. */
  drained(below: number): Promise<void> {
    if (this.#closed || this.pending < below) return Promise.resolve();
    return new Promise((wake) => this.#waiters.push({ below, wake }));
  }

  /** Forgets what is pending. */
  close(): void {
    this.#closed = true;
    this.#full = [];
    this.length = 0;
    this.queued = 0;
    this.buffer = empty;
    this.#wakeAll();
  }

  #enlarge(size: number): void {
    const small = this.buffer.length < LARGE_SLAB && this.length + size <= LARGE_SLAB;
    if (this.length > 0 && !small) {
      this.#full.push({ slab: this.buffer, length: this.length });
      this.queued += this.length;
      this.length = 0;
      this.buffer = this.#slabs.take(Math.max(size, LARGE_SLAB));
      return;
    }
    const slab = this.#slabs.take(this.length + size);
    copy(this.buffer, 0, this.length, slab, 0);
    this.#slabs.give(this.buffer);
    this.buffer = slab;
  }

  async #send(): Promise<void> {
    this.#writing = true;
    try {
      while (!this.#closed && (this.#full.length > 0 || this.length > 0)) {
        const { slab, length } = this.#next();
        this.writingSince = this.#clock.now();
        await this.#connection!.write(slab.subarray(0, length));
        if (this.#closed) break;
        this.queued -= length;
        this.#slabs.give(slab);
        if (this.#waiters.length > 0) this.#wakeAll();
      }
    } catch (error) {
      if (!this.#closed) this.#owner.writeFailed(error);
    } finally {
      this.#writing = false;
      this.writingSince = 0;
    }
  }

  #next(): Full {
    const full = this.#full.shift();
    if (full !== undefined) return full;
    const current = { slab: this.buffer, length: this.length };
    this.queued += this.length;
    this.buffer = empty;
    this.length = 0;
    return current;
  }

  #wakeAll(): void {
    const pending = this.pending;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (this.#closed || pending < waiter.below) waiter.wake();
      else this.#waiters.push(waiter);
    }
  }
}
