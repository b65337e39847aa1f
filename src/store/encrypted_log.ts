/** A channel's messages whose payloads are sealed on their way into a log and opened on their way out (spec stores, section 6). */
import type { Buffer } from "node:buffer";
import { type ChannelLimits, type MessageLog, type MessageVisitor, StoreFailed } from "../ports/store.ts";
import type { Awaitable, Nanos, Offset, Sequence } from "../protocol/units.ts";
import { isLater } from "../protocol/units.ts";
import { Malformed, varintLength, VarintReader, writeVarint } from "../protocol/varint.ts";
import { type Cipher, isSealed, SealBroken, SEALED_OVERHEAD, Sealer } from "./sealing.ts";

const DATA_TAG = 0x22;
const FIRST_SCRATCH = 4096;

export class EncryptedLog implements MessageLog {
  readonly #channel: string;
  readonly #inner: MessageLog;
  readonly #sealer: Sealer;
  readonly #reader = new VarintReader();
  #scratch = new Uint8Array(FIRST_SCRATCH);
  // Where `#findData` found the payload: its field begins at `field`, the payload at `from`, and ends at `to`.
  #field: Offset = 0;
  #from: Offset = 0;
  #to: Offset = 0;

  constructor(channel: string, inner: MessageLog, master: Buffer, cipher: Cipher, salt: Uint8Array) {
    this.#channel = channel;
    this.#inner = inner;
    this.#sealer = new Sealer(master, channel, cipher, salt, inner.last + 1);
  }

  get first(): Sequence {
    return this.#inner.first;
  }
  get last(): Sequence {
    return this.#inner.last;
  }
  get count(): number {
    return this.#inner.count;
  }
  get bytes(): number {
    return this.#inner.bytes;
  }
  get lastTimestamp(): Nanos {
    return this.#inner.lastTimestamp;
  }

  append(sequence: Sequence, timestamp: Nanos, fields: Uint8Array, start: Offset, end: Offset): void {
    if (sequence <= this.#inner.last) return;
    if (!this.#findData(fields, start, end)) return this.#inner.append(sequence, timestamp, fields, start, end);
    const sealedLength = this.#to - this.#from + SEALED_OVERHEAD;
    const into = this.#room(end - start + SEALED_OVERHEAD + 8);
    let at = this.#copy(fields, start, this.#field, 0);
    into[at++] = DATA_TAG;
    at = writeVarint(into, at, sealedLength);
    at = this.#sealer.seal(fields, this.#from, this.#to, into, at);
    at = this.#copy(fields, this.#to, end, at);
    this.#inner.append(sequence, timestamp, into, 0, at);
  }

  /** Finds the payload among a message's fields; `false` if it is empty. */
  #findData(bytes: Uint8Array, start: Offset, end: Offset): boolean {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    while (!reader.done) {
      const field = reader.at;
      const tag = reader.readNumber();
      if (tag !== DATA_TAG) {
        reader.skip(tag & 7);
        continue;
      }
      const length = reader.readNumber();
      this.#field = field;
      this.#from = reader.at;
      this.#to = reader.at + length;
      return length > 0 && this.#to <= end;
    }
    return false;
  }

  #room(size: number): Uint8Array {
    if (this.#scratch.length < size) this.#scratch = new Uint8Array(Math.max(size, this.#scratch.length * 2));
    return this.#scratch;
  }

  #copy(from: Uint8Array, start: Offset, end: Offset, at: Offset): Offset {
    this.#scratch.set(from.subarray(start, end), at);
    return at + end - start;
  }

  read(from: Sequence, to: Sequence, maxBytes: number, visit: MessageVisitor): Awaitable<Sequence> {
    let visited = 0;
    let failure: { readonly sequence: Sequence; readonly error: StoreFailed } | undefined;
    const next = this.#inner.read(from, to, maxBytes, (sequence, buffer, start, end) => {
      try {
        if (!this.#findData(buffer, start, end) || !isSealed(buffer, this.#from, this.#to)) {
          visited++;
          return visit(sequence, buffer, start, end);
        }
        const length = this.#opened(buffer, start, end);
        visited++;
        return visit(sequence, this.#scratch, 0, length);
      } catch (error) {
        if (!(error instanceof SealBroken || error instanceof Malformed)) throw error;
        failure = { sequence, error: this.#corrupt(sequence, error) };
        return false;
      }
    });
    const finish = (answer: Sequence) => {
      if (failure === undefined) return answer;
      if (visited === 0) throw failure.error;
      return failure.sequence;
    };
    return isLater(next) ? next.then(finish) : finish(next);
  }

  #corrupt(sequence: Sequence, error: SealBroken | Malformed): StoreFailed {
    return new StoreFailed("corrupt", `${error.message} (channel "${this.#channel}", message ${sequence})`, {
      cause: error,
    });
  }

  /** Puts the message with its payload opened into the scratch; answers its length. Throws SealBroken. */
  #opened(buffer: Uint8Array, start: Offset, end: Offset): number {
    const field = this.#field;
    const from = this.#from;
    const to = this.#to;
    const data = this.#sealer.open(buffer, from, to);
    const into = this.#room(end - start + varintLength(data.length));
    let at = this.#copy(buffer, start, field, 0);
    if (data.length > 0) {
      into[at++] = DATA_TAG;
      at = writeVarint(into, at, data.length);
      at = this.#copy(data, 0, data.length, at);
    }
    return this.#copy(buffer, to, end, at);
  }

  /** Tries to open one message. A SealBroken says that it cannot be. */
  async tryKey(sequence: Sequence): Promise<"opened" | "plain" | "unreadable" | SealBroken> {
    let result: "opened" | "plain" | "unreadable" | SealBroken = "unreadable";
    try {
      await this.#inner.read(sequence, sequence, 0, (_sequence, buffer, start, end) => {
        if (!this.#findData(buffer, start, end) || !isSealed(buffer, this.#from, this.#to)) result = "plain";
        else {
          this.#sealer.open(buffer, this.#from, this.#to);
          result = "opened";
        }
        return true;
      });
    } catch (error) {
      if (error instanceof SealBroken) return error;
      if (!(error instanceof StoreFailed || error instanceof Malformed)) throw error;
    }
    return result;
  }

  setLimits(limits: ChannelLimits): void {
    this.#inner.setLimits(limits);
  }

  flush(): Awaitable<void> {
    return this.#inner.flush();
  }
  sequenceAt(timestamp: Nanos): Awaitable<Sequence> {
    return this.#inner.sequenceAt(timestamp);
  }
  evictBefore(sequence: Sequence): void {
    this.#inner.evictBefore(sequence);
  }
  forgetAfter(sequence: Sequence): Awaitable<void> {
    return this.#inner.forgetAfter(sequence);
  }
  skipTo(sequence: Sequence): void {
    this.#inner.skipTo(sequence);
  }
  empty(restartAt?: Sequence): Awaitable<void> {
    return this.#inner.empty(restartAt);
  }
}
