/**
 * Gathers the messages of one channel's batch into {@link PackedMessages}, from decoded PubMsgs. One copy a message; the
 * buffers are kept from batch to batch.
 */
import { MARKS, type PackedMessages } from "./operations.ts";
import { copyBytes, FIELD_OVERHEAD, type PubMsgOffsets, writeField } from "./publish_request.ts";
import type { Offset } from "./units.ts";

const FIRST_CAPACITY = 16 * 1024;
const FIRST_MESSAGES = 64;
/** Buffers above this are let go after a batch: one burst of large messages must not hold memory for ever. */
const KEPT_CAPACITY = 4 * 1024 * 1024;

export class MessagePacker {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #bounds = new Int32Array(FIRST_MESSAGES * MARKS);
  #used = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes gathered so far. */
  get size(): number {
    return this.#used;
  }

  /**
   * Adds the message whose PubMsg was decoded from `buffer`; `reply[replyStart, replyEnd)` is the NATS reply subject to
   * acknowledge to, `client` the clientID it was recognised as. Answers its index.
   */
  add(
    buffer: Uint8Array,
    message: PubMsgOffsets,
    replyStart: Offset,
    replyEnd: Offset,
    client: Uint8Array,
  ): number {
    const room = (message.subjectEnd - message.subjectStart) + (message.replyEnd - message.replyStart) +
      (message.dataEnd - message.dataStart) + (message.guidEnd - message.guidStart) + (replyEnd - replyStart) +
      client.length + 3 * FIELD_OVERHEAD;
    if (this.#used + room > this.#bytes.length) this.#growBytes(this.#used + room);
    const mark = this.#count * MARKS;
    if (mark + MARKS > this.#bounds.length) this.#growBounds();
    const bytes = this.#bytes;
    const bounds = this.#bounds;
    let at = this.#used;
    bounds[mark] = at;
    at = writeField(bytes, at, 2, buffer, message.subjectStart, message.subjectEnd);
    if (message.replyEnd > message.replyStart) {
      at = writeField(bytes, at, 3, buffer, message.replyStart, message.replyEnd);
    }
    if (message.dataEnd > message.dataStart) {
      at = writeField(bytes, at, 4, buffer, message.dataStart, message.dataEnd);
    }
    bounds[mark + 1] = at;
    at = copyBytes(buffer, message.guidStart, message.guidEnd, bytes, at);
    bounds[mark + 2] = at;
    at = copyBytes(buffer, replyStart, replyEnd, bytes, at);
    bounds[mark + 3] = at;
    at = copyBytes(client, 0, client.length, bytes, at);
    bounds[mark + 4] = at;
    this.#used = at;
    return this.#count++;
  }

  /** What was gathered, as views: valid until {@link reset}. */
  packed(): PackedMessages {
    return {
      count: this.#count,
      bytes: this.#bytes.subarray(0, this.#used),
      bounds: this.#bounds.subarray(0, this.#count * MARKS),
    };
  }

  /** Begins a new batch; earlier views become invalid. */
  reset(): void {
    this.#used = 0;
    this.#count = 0;
    if (this.#bytes.length > KEPT_CAPACITY) this.#bytes = new Uint8Array(FIRST_CAPACITY);
  }

  #growBytes(needed: number): void {
    let capacity = this.#bytes.length * 2;
    while (capacity < needed) capacity *= 2;
    const larger = new Uint8Array(capacity);
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }

  #growBounds(): void {
    const larger = new Int32Array(this.#bounds.length * 2);
    larger.set(this.#bounds);
    this.#bounds = larger;
  }
}
