/** A channel's messages in memory: blocks in ascending order, with holes where sequences were never stored. */
import type { ChannelLimits, MessageLog, MessageVisitor } from "../ports/store.ts";
import type { Nanos, Offset, Sequence } from "../protocol/units.ts";
import { Reading, visitBlock } from "./block_reading.ts";
import { entryTime } from "./entry_time.ts";
import { findBlock, firstBlockFrom, MessageBlock, storedSize, WORDS } from "./message_block.ts";
import { MsgStamp } from "./message_stamp.ts";
import { exceeds, limitsReached } from "./retention.ts";

/** Nothing precedes a message in memory. */
const NO_HEADER = 0;

export class MemoryLog implements MessageLog {
  first: Sequence = 0;
  last: Sequence = 0;
  count = 0;
  bytes = 0;
  lastTimestamp: Nanos = 0n;
  readonly #blocks: MessageBlock[] = [];
  readonly #stamp = new MsgStamp();
  readonly #name: string;
  #limits: ChannelLimits;
  readonly #warn: (text: string) => void;
  #warned = false;
  /** Whether no message is older than one before it. */
  #ordered = true;

  constructor(name: string, limits: ChannelLimits, warn: (text: string) => void) {
    this.#name = name;
    this.#limits = limits;
    this.#warn = warn;
  }

  append(sequence: Sequence, timestamp: Nanos, fields: Uint8Array, start: Offset, end: Offset): void {
    if (sequence <= this.last) return;
    const stamp = this.#stamp;
    if (timestamp < this.lastTimestamp) this.#ordered = false;
    stamp.set(timestamp);
    const size = storedSize(sequence, stamp, end - start);
    this.#blockFor(sequence, size).append(NO_HEADER, stamp, fields, start, end);
    if (this.count === 0) this.first = sequence;
    this.last = sequence;
    this.lastTimestamp = timestamp;
    this.count++;
    this.bytes += size;
    while (exceeds(this.count, this.bytes, this.#limits)) this.#dropFirst();
  }

  #blockFor(sequence: Sequence, size: number): MessageBlock {
    const newest = this.#blocks.at(-1);
    if (newest !== undefined && newest.last === sequence - 1 && newest.reserve(size)) return newest;
    const block = new MessageBlock(sequence, 0);
    block.reserve(size);
    this.#blocks.push(block);
    return block;
  }

  #dropFirst(): void {
    if (!this.#warned) {
      this.#warned = true;
      this.#warn(limitsReached(this.#name, this.count, this.bytes, this.#limits));
    }
    this.evictBefore(this.first + 1);
  }

  flush(): void {}

  read(from: Sequence, to: Sequence, maxBytes: number, visit: MessageVisitor): Sequence {
    const reading = new Reading(Math.max(from, this.first), Math.min(to, this.last), maxBytes, visit);
    let index = firstBlockFrom(this.#blocks, reading.next);
    for (; index < this.#blocks.length && !reading.done; index++) visitBlock(this.#blocks[index]!, NO_HEADER, reading);
    return reading.stopped ? reading.next : Math.max(from, to + 1);
  }

  sequenceAt(timestamp: Nanos): Sequence {
    if (this.last === 0) return 0;
    if (this.count === 0) return this.last + 1;
    if (timestamp <= this.#timeOf(this.first)) return this.first;
    if (timestamp === this.lastTimestamp) return this.last;
    for (const block of this.#blocks) {
      if (this.#ordered && entryTime(block.entries, (block.count - 1) * WORDS) < timestamp) continue;
      for (let sequence = Math.max(block.first, this.first); sequence <= block.last; sequence++) {
        if (entryTime(block.entries, block.entryAt(sequence)) >= timestamp) return sequence;
      }
    }
    return this.last + 1;
  }

  #timeOf(sequence: Sequence): Nanos {
    const block = this.#blocks[findBlock(this.#blocks, sequence)]!;
    return entryTime(block.entries, block.entryAt(sequence));
  }

  setLimits(limits: ChannelLimits): void {
    this.#limits = limits;
  }

  evictBefore(sequence: Sequence): void {
    const limit = Math.min(sequence, this.last + 1);
    while (this.first < limit && this.count > 0) {
      const block = this.#blocks[0]!;
      const upTo = Math.min(limit - 1, block.last);
      for (let at = Math.max(block.first, this.first); at <= upTo; at++) {
        this.bytes -= block.payloadSize(block.entryAt(at));
        this.count--;
      }
      if (upTo === block.last) this.#blocks.shift();
      this.first = this.count === 0 ? this.last + 1 : this.#firstFrom(upTo + 1);
    }
  }

  /** The first message at or above `sequence`; there is one. */
  #firstFrom(sequence: Sequence): Sequence {
    const inside = findBlock(this.#blocks, sequence);
    return inside >= 0 ? sequence : this.#blocks[0]!.first;
  }

  forgetAfter(sequence: Sequence): void {
    if (sequence >= this.last) return;
    if (sequence < this.first) return this.empty(sequence + 1);
    const blocks = this.#blocks;
    while (blocks.at(-1)!.first > sequence) blocks.pop();
    const newest = blocks.at(-1)!;
    newest.cut(sequence, NO_HEADER);
    this.last = newest.last;
    this.lastTimestamp = this.#timeOf(this.last);
    this.count = this.bytes = 0;
    for (const block of blocks) {
      for (let at = Math.max(block.first, this.first); at <= block.last; at++) {
        this.bytes += block.payloadSize(block.entryAt(at));
        this.count++;
      }
    }
  }

  skipTo(sequence: Sequence): void {
    this.last = sequence - 1;
    if (this.count === 0) this.first = sequence;
  }

  empty(restartAt: Sequence = 0): void {
    this.#blocks.length = 0;
    this.count = this.bytes = 0;
    this.last = restartAt > 0 ? restartAt - 1 : 0;
    this.first = this.last > 0 ? this.last + 1 : 0;
    this.lastTimestamp = 0n;
    this.#ordered = true;
  }
}
