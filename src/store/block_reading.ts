/** Reading a range of messages from blocks in memory: the loop that every message log shares. */
import type { MessageVisitor } from "../ports/store.ts";
import type { Sequence } from "../protocol/units.ts";
import { type MessageBlock, WORDS } from "./message_block.ts";

/** How far a read has come. */
export class Reading {
  visited = 0;
  /** The visitor had enough, or the bytes are used up. */
  stopped = false;

  /** @param next the next sequence to visit  @param room bytes that may still be handed out; the first message always may */
  constructor(public next: Sequence, readonly to: Sequence, public room: number, readonly visit: MessageVisitor) {}

  get done(): boolean {
    return this.stopped || this.next > this.to;
  }
}

/** Visits the messages of `block` from `reading.next` on; `header` bytes stand before each payload. */
export function visitBlock(block: MessageBlock, header: number, reading: Reading): void {
  const last = Math.min(block.last, reading.to);
  const { data, entries } = block;
  let sequence = Math.max(reading.next, block.first);
  let at = block.entryAt(sequence);
  for (; sequence <= last; sequence++, at += WORDS) {
    const size = entries[at + 6]!;
    if (reading.visited > 0 && size > reading.room) {
      reading.stopped = true;
      break;
    }
    reading.room -= size;
    reading.visited++;
    const start = block.payloadStart(at, header);
    if (!reading.visit(sequence, data, start, start + size)) {
      reading.stopped = true;
      sequence++;
      break;
    }
  }
  reading.next = Math.max(reading.next, sequence);
}
