/**
 * The newest messages of a log, in memory: those that are not in the files yet, and lately written ones that are kept for
 * readers. Sequences in it are consecutive, but for gaps between slices.
 */
import type { Nanos, Offset, Sequence } from "../../protocol/units.ts";
import { type Reading, visitBlock } from "../block_reading.ts";
import { BLOCK_SIZE, findBlock, firstBlockFrom, storedSize, WORDS } from "../message_block.ts";
import { MsgStamp } from "../message_stamp.ts";
import type { Checksum } from "./checksum.ts";
import { sealEntry } from "./message_index.ts";
import { HEADER_SIZE, writeHeader } from "./record.ts";
import { type Extent, type Slice, SliceBlock } from "./slice.ts";
import type { Syncing, WriteSteps } from "./syncing.ts";

/** Written messages are kept up to this many bytes. */
const KEPT = 4 * BLOCK_SIZE;
/** So many buffers wait to be used again. */
const SPARE = 4;

export class Tail {
  readonly #blocks: SliceBlock[] = [];
  readonly #stamp = new MsgStamp();
  readonly #checksum: Checksum;
  /** Buffers of blocks that were dropped. */
  readonly #spare: Uint8Array[] = [];
  /** Bytes of records that are not in a data file. */
  unwritten = 0;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  /** The lowest sequence here; beyond every sequence when empty. */
  get first(): Sequence {
    return this.#blocks.length === 0 ? Number.MAX_SAFE_INTEGER : this.#blocks[0]!.first;
  }

  /** Puts a message, whose sequence follows the last one here if there is one, at the end of `slice`. Returns its payload's size. */
  put(slice: Slice, sequence: Sequence, time: Nanos, fields: Uint8Array, start: Offset, end: Offset): number {
    const stamp = this.#stamp;
    stamp.set(time);
    const needed = HEADER_SIZE + storedSize(sequence, stamp, end - start);
    const blocks = this.#blocks;
    let block = blocks.length === 0 ? undefined : blocks[blocks.length - 1]!;
    if (block === undefined || block.slice !== slice || block.last !== sequence - 1 || !block.reserve(needed)) {
      block = this.#newBlock(slice, sequence, block);
      block.reserve(needed);
      blocks.push(block);
    }
    const record = block.end;
    const size = block.append(HEADER_SIZE, stamp, fields, start, end);
    writeHeader(block.data, record, 0, size, this.#checksum);
    sealEntry(block.entries, (block.count - 1) * WORDS, this.#checksum);
    slice.note(sequence, time, size);
    this.unwritten += needed;
    return size;
  }

  /** A block behind a full one gets its size at once; other blocks grow. */
  #newBlock(slice: Slice, sequence: Sequence, before: SliceBlock | undefined): SliceBlock {
    if (before === undefined || before.data.length < BLOCK_SIZE) {
      return new SliceBlock(slice, slice.records, sequence, slice.end);
    }
    const data = this.#spare.pop() ?? new Uint8Array(BLOCK_SIZE);
    return new SliceBlock(slice, slice.records, sequence, slice.end, data, new Uint32Array(before.entries.length));
  }

  /** Writes the records of a slice, up to `end` in its data file. Throws FileFailed. */
  writeData(slice: Slice, end: Offset): void {
    for (const block of this.#blocks) {
      if (block.slice !== slice) continue;
      const before = block.writtenData;
      slice.writeData(block, end);
      this.unwritten -= block.writtenData - before;
    }
  }

  /**
   * Writes messages, not entries, so that memory stays bounded. A slice is complete on disk before the next one is begun: what is
   * in that one must not survive a crash that this one does not.
   */
  writeAhead(slices: readonly Slice[], syncing: Syncing): void {
    for (const slice of slices.filter((each) => each.dirty)) {
      if (slice === slices.at(-1)) this.writeData(slice, slice.end);
      else syncing.runBlocking(this.steps(slice, slice.extent));
    }
  }

  /** Writes the index entries of a slice, up to that of `last`. Throws FileFailed. */
  writeEntries(slice: Slice, last: Sequence): void {
    for (const block of this.#blocks) if (block.slice === slice) slice.writeEntries(block, last);
  }

  /**
   * Messages and entries are synced at once: a busy disk takes as long for both as for one. After a power loss, entries may be there
   * whose messages are not; a start looks for them at the end of the newest slice.
   */
  *stepsAtOnce(slice: Slice, extent: Extent): WriteSteps {
    this.writeData(slice, extent.end);
    this.writeEntries(slice, extent.last);
    yield [slice.data, slice.index].filter((file) => file.unsynced);
  }

  /** An entry never reaches the disk before its message does. */
  *steps(slice: Slice, extent: Extent): WriteSteps {
    this.writeData(slice, extent.end);
    if (slice.data.unsynced) yield slice.data;
    this.writeEntries(slice, extent.last);
    if (slice.index.unsynced) yield slice.index;
  }

  /** Visits what is here of the reading, which must have come to {@link first}. */
  visit(reading: Reading): void {
    let index = firstBlockFrom(this.#blocks, reading.next);
    if (index === this.#blocks.length) reading.next = reading.to + 1;
    for (; index < this.#blocks.length && !reading.done; index++) {
      visitBlock(this.#blocks[index]!, HEADER_SIZE, reading);
    }
  }

  /** The block of a sequence; `undefined` if it is not here. */
  blockOf(sequence: Sequence): SliceBlock | undefined {
    const index = findBlock(this.#blocks, sequence);
    return index < 0 ? undefined : this.#blocks[index];
  }

  /** Forgets the messages above `last`. */
  cut(last: Sequence): void {
    const blocks = this.#blocks;
    while (blocks.length > 0 && blocks.at(-1)!.first > last) blocks.pop();
    const block = blocks.at(-1);
    if (block !== undefined) {
      block.cut(last, HEADER_SIZE);
      block.writtenData = Math.min(block.writtenData, block.end);
      block.writtenEntries = Math.min(block.writtenEntries, block.count);
    }
    this.unwritten = blocks.reduce((sum, each) => sum + each.end - each.writtenData, 0);
  }

  /** Forgets the blocks of slices that are gone. */
  dropSlices(gone: readonly Slice[]): void {
    let kept = 0;
    for (const block of this.#blocks) {
      if (gone.includes(block.slice)) this.unwritten -= block.end - block.writtenData;
      else this.#blocks[kept++] = block;
    }
    this.#blocks.length = kept;
  }

  /** Forgets old messages that are in the files: those beyond what is kept, or `all` of them. */
  trim(all: boolean): void {
    const blocks = this.#blocks;
    let bytes = 0;
    for (const block of blocks) bytes += block.data.length;
    let dropped = 0;
    while (dropped < blocks.length && (all || bytes > KEPT)) {
      const block = blocks[dropped]!;
      if (block.last > block.slice.flushed.last || (!all && dropped === blocks.length - 1)) break;
      bytes -= block.data.length;
      if (!all && block.data.length === BLOCK_SIZE && this.#spare.length < SPARE) this.#spare.push(block.data);
      dropped++;
    }
    if (all) this.#spare.length = 0;
    if (dropped > 0) blocks.splice(0, dropped);
  }

  clear(): void {
    this.#blocks.length = this.#spare.length = 0;
    this.unwritten = 0;
  }
}
