/** One slice of a channel's messages: a data file and its index (spec stores, sections 3.6 and 3.7). */
import { FileFailed, type OpenFile } from "../../ports/files.ts";
import type { Nanos, Offset, Sequence } from "../../protocol/units.ts";
import { MessageBlock, WORDS } from "../message_block.ts";
import { type FileContext, join } from "./context.ts";
import { ENTRY_SIZE, entryBytes } from "./message_index.ts";
import type { FileHandle } from "./open_files.ts";
import { HEADER_SIZE, VERSION_SIZE } from "./record.ts";
import type { WriteSteps } from "./syncing.ts";

/** Accounting: bytes that a message takes beyond its payload. */
export const OVERHEAD = HEADER_SIZE + ENTRY_SIZE;

/** What a slice holds up to some point. */
export interface Extent {
  readonly last: Sequence;
  readonly records: number;
  readonly bytes: number;
  /** End of the last record in the data file. */
  readonly end: Offset;
  readonly latest: Nanos;
  readonly lastTime: Nanos;
  readonly ordered: boolean;
}

/** How many bytes an index file grows ahead of its entries; a data file at least as many as it has, up to the filling. */
const MIN_AHEAD = 4096, MAX_AHEAD = 64 * 1024;
/** Larger writes are not worth growing a data file ahead. */
const SMALL_WRITE = 32 * 1024;
const FILLING = new Uint8Array(256 * 1024).fill(0xff);

const NOTHING: Extent = { last: 0, records: 0, bytes: 0, end: VERSION_SIZE, latest: 0n, lastTime: 0n, ordered: true };

/** A block of messages of one slice, on its way to the files or just read from them. */
export class SliceBlock extends MessageBlock {
  /** Bytes of `data` and entries that are in the files. */
  writtenData = 0;
  writtenEntries = 0;

  /** @param record the number of the first message's record within the slice, from 0 */
  constructor(
    readonly slice: Slice,
    readonly record: number,
    first: Sequence,
    base: Offset,
    data?: Uint8Array,
    entries?: Uint32Array,
  ) {
    super(first, base, data, entries);
  }
}

export class Slice implements Extent {
  readonly data: FileHandle;
  readonly index: FileHandle;
  /** Whether its files exist. */
  created = false;
  /** Sequence and time of the first record, evicted or not; 0 when there is none. */
  first: Sequence = 0;
  firstTime: Nanos = 0n;
  last: Sequence = 0;
  /** All records and their accounting size, evicted ones included. */
  records = 0;
  bytes = 0;
  end: Offset = VERSION_SIZE;
  /** The greatest time of a record, and the last record's. */
  latest: Nanos = 0n;
  lastTime: Nanos = 0n;
  /** Whether no record is older than one before it. */
  ordered = true;
  /** Records that are not evicted, and their accounting size. */
  liveCount = 0;
  liveBytes = 0;
  /** What is in the files, as durable as a flush makes it. */
  flushed: Extent = NOTHING;
  /** Length of the data file where that is beyond {@link end}: the rest is dead and is cut before the first append. */
  physicalEnd: Offset = VERSION_SIZE;

  /** Length of the index file where that is beyond its entries, and of the data file where it was filled. */
  #allocated: Offset = 0;
  #dataAhead: Offset = 0;
  readonly #context: FileContext;

  constructor(readonly number: number, readonly directory: string, context: FileContext) {
    this.#context = context;
    this.data = context.openFiles.handle(join(directory, `msgs.${number}.dat`));
    this.index = context.openFiles.handle(join(directory, `msgs.${number}.idx`));
  }

  /** Whether every sequence between first and last has a record: then entry `i` is that of `first + i`. */
  get contiguous(): boolean {
    return this.last - this.first + 1 === this.records;
  }

  /** Whether its files are closed when they are not in use: not while it is being written to. */
  set closeWhenIdle(value: boolean) {
    this.data.closeWhenIdle = this.index.closeWhenIdle = value;
  }

  get dirty(): boolean {
    return this.records !== this.flushed.records;
  }

  /** Whether something was written that is not on the disk. */
  get unsynced(): boolean {
    return this.data.unsynced || this.index.unsynced;
  }

  *syncSteps(): WriteSteps {
    if (this.data.unsynced) yield this.data;
    if (this.index.unsynced) yield this.index;
  }

  get extent(): Extent {
    const { last, records, bytes, end, latest, lastTime, ordered } = this;
    return { last, records, bytes, end, latest, lastTime, ordered };
  }

  /** Notes a record that was put at {@link end}. `size`: its payload. */
  note(sequence: Sequence, time: Nanos, size: number): void {
    if (this.records === 0) {
      this.first = sequence;
      this.firstTime = this.latest = time;
    } else if (time < this.lastTime) this.ordered = false;
    if (time > this.latest) this.latest = time;
    this.last = sequence;
    this.lastTime = time;
    this.records++;
    this.liveCount++;
    this.bytes += size + OVERHEAD;
    this.liveBytes += size + OVERHEAD;
    this.end += HEADER_SIZE + size;
  }

  /** Goes back to holding nothing. */
  forget(): void {
    Object.assign(this, NOTHING);
    this.first = this.liveCount = this.liveBytes = 0;
    this.firstTime = 0n;
  }

  /** What it holds now is in its files. */
  recovered(): void {
    this.created = true;
    this.flushed = this.extent;
    this.liveCount = this.records;
    this.liveBytes = this.bytes;
  }

  /** Notes the eviction of one record. */
  evict(size: number): void {
    this.liveCount--;
    this.liveBytes -= size + OVERHEAD;
  }

  /** Makes both files, replacing what a broken slice left under their names. */
  create(): void {
    const { ports: { files }, options: { sync }, openFiles } = this.#context;
    openFiles.create(this.index.path, sync);
    try {
      openFiles.create(this.data.path, sync);
    } catch (error) {
      files.remove(this.index.path);
      throw error;
    }
    openFiles.keepEntries(this.directory);
    this.created = true;
  }

  /** Writes what `block` holds up to `end` in the data file and is not there yet. */
  writeData(block: SliceBlock, end: Offset): void {
    const until = Math.min(block.end, end - block.base);
    if (until <= block.writtenData) return;
    if (!this.created) this.create();
    const at = block.base + block.writtenData;
    if (this.physicalEnd > at && this.physicalEnd !== this.#dataAhead) {
      this.data.file.truncate(at);
      this.physicalEnd = at;
      // What was there must not come back in the place of what is written now.
      if (this.#context.options.sync) this.data.syncNow();
    }
    this.data.unsynced = true;
    this.data.file.writeAt(block.data.subarray(block.writtenData, until), at);
    this.physicalEnd = Math.max(this.physicalEnd, block.base + until);
    if (this.#context.options.sync && until - block.writtenData <= SMALL_WRITE) this.#growData(block.base + until);
    block.writtenData = until;
  }

  /**
   * Fills the data file beyond `end`, where messages come in small batches: syncing it is cheaper while it does not grow. The
   * filling reads as a record that is cut short.
   */
  #growData(end: Offset): void {
    if (end < this.#dataAhead) return;
    const ahead = Math.min(Math.max(end, MIN_AHEAD), FILLING.length);
    if (fill(this.data.file, FILLING.subarray(0, ahead), end)) this.physicalEnd = this.#dataAhead = end + ahead;
  }

  /** Writes the entries of `block` up to sequence `last` that are not in the index file yet. */
  writeEntries(block: SliceBlock, last: Sequence): void {
    const until = Math.min(block.count, last - block.first + 1);
    if (until <= block.writtenEntries) return;
    const at = VERSION_SIZE + (block.record + block.writtenEntries) * ENTRY_SIZE;
    this.index.unsynced = true;
    if (this.#context.options.sync) this.#allocate(at, VERSION_SIZE + (block.record + until) * ENTRY_SIZE);
    this.index.file.writeAt(entryBytes(block.entries, block.writtenEntries * WORDS, until - block.writtenEntries), at);
    block.writtenEntries = until;
  }

  /**
   * Fills the index file with zeros from `at` to beyond `end`: syncing it is cheaper while it does not grow. Recovery, the reference's too,
   * cuts them off (spec stores, section 3.10).
   */
  #allocate(at: Offset, end: Offset): void {
    if (end <= this.#allocated) return;
    const ahead = Math.min(Math.max(end, MIN_AHEAD), MAX_AHEAD) / ENTRY_SIZE | 0;
    // What stands before `at` are entries: of a recovered slice they were not allocated here.
    const from = Math.max(this.#allocated, at);
    const until = end + ahead * ENTRY_SIZE;
    if (fill(this.index.file, new Uint8Array(until - from), from)) this.#allocated = until;
  }

  /** Cuts off what was filled beyond messages and entries: nothing more is going to be appended. Throws FileFailed. */
  trim(): void {
    if (!this.created || this.dirty) return;
    const end = VERSION_SIZE + this.records * ENTRY_SIZE;
    if (this.#allocated > end) this.index.file.truncate(end);
    if (this.#dataAhead > this.end) this.data.file.truncate(this.physicalEnd = this.end);
    this.#allocated = this.#dataAhead = 0;
  }

  /** Goes back to what was flushed: the files are cut there. Throws FileFailed. */
  rollBack(): void {
    const { last, records, bytes, end, latest, lastTime, ordered } = this.flushed;
    Object.assign(this, { last, records, bytes, end, latest, lastTime, ordered });
    if (records === 0) this.first = 0;
    if (!this.created) return;
    if (this.physicalEnd > end) this.data.file.truncate(end);
    this.physicalEnd = end;
    const entriesEnd = VERSION_SIZE + records * ENTRY_SIZE;
    if (this.index.file.size() > entriesEnd) this.index.file.truncate(entriesEnd);
    if (this.#context.options.sync) {
      this.data.syncNow();
      this.index.syncNow();
    }
    this.#allocated = this.#dataAhead = 0;
  }

  /** Closes the files and removes them, or hands them to the archive script. */
  remove(channel: string): void {
    this.data.close();
    this.index.close();
    if (!this.created) return;
    this.created = false;
    if (this.#context.options.sliceArchiveScript === "" || !this.#archive(channel)) {
      this.#context.ports.files.remove(this.data.path);
      this.#context.ports.files.remove(this.index.path);
    }
  }

  /** `false` if the files could not be renamed. */
  #archive(channel: string): boolean {
    const { ports: { files, commands, log }, options: { sliceArchiveScript: script }, scripts } = this.#context;
    if (commands === undefined) return false;
    const data = `${this.data.path}.bak`;
    const index = `${this.index.path}.bak`;
    try {
      files.rename(this.data.path, data);
      files.rename(this.index.path, index);
    } catch {
      return false;
    }
    const running = commands.run(script, [channel, data, index]).then(({ output, error }) => {
      if (error !== undefined) {
        log.error(`Error invoking archive script ${JSON.stringify(script)}: ${error} (output=${output})`);
      } else if (output !== "") log.notice(`Output of archive script for ${channel} (${data} and ${index}): ${output}`);
    });
    scripts.add(running);
    running.finally(() => scripts.delete(running));
    return true;
  }

  close(): void {
    this.data.close();
    this.index.close();
  }
}

/** Lets a file grow; `false` if the disk has no room for what is only to make syncing cheaper. Throws FileFailed for other reasons. */
function fill(file: OpenFile, bytes: Uint8Array, at: Offset): boolean {
  try {
    file.writeAt(bytes, at);
    return true;
  } catch (error) {
    if (!(error instanceof FileFailed && error.code === "full")) throw error;
    file.truncate(at);
    return false;
  }
}

/** Bytes of messages that the last slices hold and their files do not. */
export function unflushedBytes(slices: readonly Slice[]): Offset {
  let bytes = 0;
  for (let i = slices.length - 1; i >= 0 && slices[i]!.dirty; i--) {
    bytes += slices[i]!.end - slices[i]!.flushed.end;
  }
  return bytes;
}
