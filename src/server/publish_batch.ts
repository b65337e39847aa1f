/**
 * A batch of publishes on its way from arrival to acknowledgement: the messages in order of arrival in one buffer, and to
 * which channel each belongs. Buffers are kept from use to use.
 */
import { MessagePacker } from "../protocol/message_packer.ts";
import { MARKS, type Operation, type PackedMessages } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import type { PubMsgOffsets } from "../protocol/publish_request.ts";
import type { Nanos } from "../protocol/units.ts";

export class PublishBatch {
  readonly #packer = new MessagePacker();
  readonly #places: Uint16Array;
  /** The index of each channel's publish among the operations. */
  readonly #publishAt: number[] = [];
  readonly #placeOf = new Map<string, number>();
  /** The channels of the batch in order of first use. */
  readonly channels: string[] = [];

  /** `capacity`: messages at most, up to 65,535. */
  constructor(readonly capacity: number) {
    this.#places = new Uint16Array(capacity);
  }

  get count(): number {
    return this.#packer.count;
  }

  get size(): number {
    return this.#packer.size;
  }

  /** Adds a decoded PubMsg; parameters as {@link MessagePacker.add}. */
  add(
    channel: string,
    buffer: Uint8Array,
    message: PubMsgOffsets,
    replyStart: number,
    replyEnd: number,
    client: Uint8Array,
  ): void {
    this.#places[this.#packer.count] = this.#place(channel);
    this.#packer.add(buffer, message, replyStart, replyEnd, client);
  }

  /** The place among {@link channels} of message `i`. */
  placeOf(i: number): number {
    return this.#places[i]!;
  }

  /** All messages in order of arrival. */
  packed(): PackedMessages {
    return this.#packer.packed();
  }

  /** One publish per channel, each after the creation of its channel where `isNew` says so; valid until {@link reset}. */
  operations(time: Nanos, isNew: (channel: string) => boolean): Operation[] {
    const packed = this.#packer.packed();
    const operations: Operation[] = [];
    this.channels.forEach((channel, place) => {
      if (isNew(channel)) operations.push({ kind: "create channel", channel });
      const messages = this.channels.length === 1 ? packed : this.#messagesAt(place, packed);
      this.#publishAt[place] = operations.push({ kind: "publish", channel, time, messages }) - 1;
    });
    return operations;
  }

  /** What came of the messages of the channel at `place`, given the outcomes of {@link operations}. */
  outcomeAt(place: number, outcomes: readonly Outcome[]): Outcome {
    const at = this.#publishAt[place]!;
    const creation = place === 0 ? (at > 0 ? outcomes[0] : undefined) : outcomes[at - 1];
    if (creation !== undefined && isRefusal(creation) && at - 1 !== this.#publishAt[place - 1]) return creation;
    return outcomes[at]!;
  }

  reset(): void {
    this.#packer.reset();
    this.#placeOf.clear();
    this.channels.length = 0;
  }

  #place(channel: string): number {
    const last = this.channels.length - 1;
    if (last >= 0 && this.channels[last] === channel) return last;
    let place = this.#placeOf.get(channel);
    if (place === undefined) {
      place = this.channels.push(channel) - 1;
      this.#placeOf.set(channel, place);
    }
    return place;
  }

  #messagesAt(place: number, { bytes, bounds, count: total }: PackedMessages): PackedMessages {
    let count = 0;
    for (let i = 0; i < total; i++) if (this.#places[i] === place) count++;
    const own = new Int32Array(count * MARKS);
    let to = 0;
    for (let i = 0; i < total; i++) {
      if (this.#places[i] !== place) continue;
      for (let j = i * MARKS; j < (i + 1) * MARKS; j++) own[to++] = bounds[j]!;
    }
    return { count, bytes, bounds: own };
  }
}
