/** A channel's messages in files: slices in ascending order, the newest messages also in memory (spec stores, section 3). */
import { type ChannelLimits, type MessageLog, type MessageVisitor, StoreFailed } from "../../ports/store.ts";
import { type Awaitable, isLater, type Millis, type Nanos, type Offset, type Sequence } from "../../protocol/units.ts";
import { Reading } from "../block_reading.ts";
import { exceeds, limitsReached } from "../retention.ts";
import type { FileContext } from "./context.ts";
import { cutSlices } from "./cutting.ts";
import { EntryFinder } from "./entry_finder.ts";
import { fillerOf } from "./filler.ts";
import { FirstNote } from "./first_note.ts";
import { type Flushable, Flushing } from "./flushing.ts";
import { GapNote } from "./gap_note.ts";
import { Lagging } from "./lagging.ts";
import { SIZE } from "./message_index.ts";
import { readMessages } from "./message_reading.ts";
import { ReadCache } from "./read_cache.ts";
import { OVERHEAD, Slice, unflushedBytes } from "./slice.ts";
import { removeSliceFiles } from "./slice_files.ts";
import { type SliceLimits, sliceLimits } from "./slice_limits.ts";
import type { WriteSteps } from "./syncing.ts";
import { Tail } from "./tail.ts";
import { WINDOW } from "./unsynced_tail.ts";

/** No gap in sequences above this is filled: it would be a mistake, and fill the disk. */
const MAX_GAP = 1_000_000;
/** Without appends or reads for this long, written messages are no longer kept in memory. */
const IDLE: Millis = 1000;

export class FileMessageLog implements MessageLog, Flushable {
  first: Sequence = 0;
  last: Sequence = 0;
  count = 0;
  bytes = 0;
  lastTimestamp: Nanos = 0n;
  /** Ascending. All but the first hold only messages that are not evicted. */
  #slices: Slice[] = [];
  /** Slices all of whose messages are evicted; their files go when what pushed them out is safe. */
  #doomed: Slice[] = [];
  /** Slices that were closed since the last flush. */
  readonly #full: Slice[] = [];
  readonly #tail: Tail;
  readonly #cache: ReadCache;
  /** MsgProto field 2 of this channel: all that a message which fills a gap holds. */
  readonly #filler: Uint8Array;
  #limits: ChannelLimits;
  #sliceLimits: SliceLimits;
  #dirty = false;
  readonly #flushing: Flushing;
  readonly #lagging: Lagging | undefined;
  /** Messages above were appended after that flush began. */
  #flushTarget: Sequence = 0;
  /** Evicted at the last flush, or by order: below stays evicted even if what came after is given up. */
  #floor: Sequence = 0;
  /** So far numbers are given out at least: where there is no slice, or a gap after the last one. */
  #numbered: Sequence = 0;
  #warned = false;
  #used = false;
  #idleSince: Millis = 0;

  readonly #entries: EntryFinder;
  readonly firstNote: FirstNote;
  readonly gapNote: GapNote;
  /** What {@link first} was when the present flush began. */
  #flushedFirst: Sequence = 0;

  constructor(
    readonly channel: string,
    readonly directory: string,
    limits: ChannelLimits,
    readonly context: FileContext,
  ) {
    this.#tail = new Tail(context.checksum);
    const { readBufferSize, crc, flushLag } = context.options;
    this.#cache = new ReadCache(context.readCaches, readBufferSize, crc ? context.checksum : undefined);
    this.#entries = new EntryFinder(this.#tail, this.#cache);
    this.#flushing = new Flushing(context.syncing, this, "messages", flushLag > 0);
    this.#lagging = flushLag > 0 ? new Lagging(this.#flushing, this, flushLag, context.ports.clock) : undefined;
    this.#limits = limits;
    this.#sliceLimits = sliceLimits(context.options, limits);
    this.#filler = fillerOf(channel);
    this.firstNote = new FirstNote(directory, context);
    this.gapNote = new GapNote(directory, context);
  }

  /** Takes over what recovery found, in ascending order, and evicts what was evicted, and what limits and age at `now` do not allow. */
  adopt(slices: readonly Slice[], now: Nanos): void {
    this.#slices = [...slices];
    this.#numbered = this.gapNote.endAfter(slices.at(-1)?.last ?? 0);
    this.#recount(0);
    while (exceeds(this.count, this.bytes, this.#limits)) this.#evictFirst();
    const { maxAge } = this.#limits;
    if (maxAge > 0n) this.evictBefore(this.#entries.firstAfter(slices, this.first, now - maxAge) ?? this.last + 1);
    this.evictBefore(this.firstNote.read() ?? 0);
    this.#floor = this.first;
    this.#bury();
    this.#cache.clear();
  }

  append(sequence: Sequence, timestamp: Nanos, fields: Uint8Array, start: Offset, end: Offset): void {
    this.#flushing.check();
    if (sequence <= this.last) return;
    if (this.last > 0 && sequence > this.last + 1) this.#fillGap(sequence, timestamp);
    this.#put(this.#writeSlice(), sequence, timestamp, fields, start, end);
    if (exceeds(this.count, this.bytes, this.#limits)) this.#enforceLimits();
    if (this.#lagging !== undefined || this.#flushing.running) return;
    if (this.#tail.unwritten > this.context.options.bufferSize) {
      this.#flushing.writeNow(() => this.#tail.writeAhead(this.#slices, this.context.syncing));
    }
  }

  #put(slice: Slice, sequence: Sequence, time: Nanos, fields: Uint8Array, start: Offset, end: Offset): void {
    const size = this.#tail.put(slice, sequence, time, fields, start, end) + OVERHEAD;
    if (this.count === 0) this.first = sequence;
    this.last = sequence;
    this.lastTimestamp = time;
    this.count++;
    this.bytes += size;
    this.#used = true;
    if (this.#dirty) return;
    this.#dirty = true;
    this.context.syncing.dirty.messages++;
  }

  #fillGap(until: Sequence, time: Nanos): void {
    if (until - this.last > MAX_GAP) {
      throw new StoreFailed("refused", `channel ${this.channel}: sequence ${until} is too far beyond ${this.last}`);
    }
    const slice = this.#slices.at(-1) ?? this.#writeSlice();
    for (let sequence = this.last + 1; sequence < until; sequence++) {
      this.#put(slice, sequence, time, this.#filler, 0, this.#filler.length);
    }
  }

  /** The slice that the next message belongs to: a new one if the present one has reached its limits. */
  #writeSlice(): Slice {
    const newest = this.#slices.at(-1);
    if (
      newest !== undefined && newest.last >= this.#numbered && !this.#sliceLimits.reached(newest, this.context.tick)
    ) return newest;
    const slice = new Slice((newest?.number ?? 0) + 1, this.directory, this.context);
    slice.closeWhenIdle = false;
    if (newest !== undefined) {
      newest.closeWhenIdle = true;
      this.#full.push(newest);
    }
    this.#slices.push(slice);
    if (this.#slices.length > 1 && this.#slices[0]!.liveCount === 0) this.#doomed.push(this.#slices.shift()!);
    return slice;
  }

  #enforceLimits(): void {
    if (!this.#warned) {
      this.#warned = true;
      this.context.ports.log.warn(limitsReached(this.channel, this.count, this.bytes, this.#limits));
    }
    while (exceeds(this.count, this.bytes, this.#limits)) this.#evictFirst();
  }

  /** Evicts the first message. */
  #evictFirst(): void {
    const slice = this.#slices[0]!;
    if (slice.liveCount === 1) this.#evictSlice(slice);
    else this.#evictUpTo(slice, this.first);
  }

  /** Evicts all of the first slice. */
  #evictSlice(slice: Slice): void {
    this.count -= slice.liveCount;
    this.bytes -= slice.liveBytes;
    slice.liveCount = slice.liveBytes = 0;
    if (this.#slices.length > 1) this.#doomed.push(this.#slices.shift()!);
    this.first = this.count === 0 ? this.last + 1 : this.#slices[0]!.first;
  }

  /** Evicts the messages of the first slice up to `sequence`; others remain in it. */
  #evictUpTo(slice: Slice, sequence: Sequence): void {
    let at = this.first;
    const entries = this.#entries;
    while (at <= sequence && entries.find(slice, at)) {
      const found = entries.sequence;
      if (found > sequence) break;
      const size = entries.words[entries.at + SIZE]!;
      slice.evict(size);
      this.count--;
      this.bytes -= size + OVERHEAD;
      at = found + 1;
    }
    if (!slice.contiguous && entries.find(slice, at)) at = entries.sequence;
    this.first = at;
  }

  setLimits(limits: ChannelLimits): void {
    this.#limits = limits;
    this.#sliceLimits = sliceLimits(this.context.options, limits);
  }

  evictBefore(sequence: Sequence): void {
    const limit = Math.min(sequence, this.last + 1);
    const before = this.first;
    while (this.count > 0 && this.first < limit) {
      const slice = this.#slices[0]!;
      if (slice.last < limit) this.#evictSlice(slice);
      else this.#evictUpTo(slice, limit - 1);
    }
    this.#floor = Math.max(this.#floor, limit);
    if (this.#dirty || this.#flushing.running) return;
    if (this.first !== before) this.firstNote.moved(this.first);
    this.#bury();
  }

  flush(): Awaitable<void> {
    return (this.#lagging ?? this.#flushing).flush();
  }

  /** As {@link flush}, without lag. */
  flushNow(): Awaitable<void> {
    return this.#lagging === undefined ? this.#flushing.flush() : this.#lagging.flushNow();
  }

  /** Writes slice by slice what is not in the files. */
  *writeSteps(beside: boolean): WriteSteps {
    this.#flushTarget = this.last;
    this.#flushedFirst = this.first;
    const targets = this.#slices.filter((slice) => slice.dirty).map((slice) => ({ slice, extent: slice.extent }));
    for (const { slice, extent } of targets) {
      if (this.#doomed.includes(slice)) continue;
      const atOnce = beside && slice === this.#slices.at(-1) && extent.end - slice.flushed.end <= WINDOW;
      yield* atOnce ? this.#tail.stepsAtOnce(slice, extent) : this.#tail.steps(slice, extent);
      slice.flushed = extent;
    }
    for (const slice of this.#full.splice(0)) if (this.#slices.includes(slice)) slice.trim();
  }

  /** Evicted slices can make room, but the last slice that is on disk must stay. */
  makeRoom(): boolean {
    if (!this.#slices.some((slice) => slice.flushed.records > 0)) return false;
    const freed = this.#doomed.some((slice) => slice.created);
    this.#bury();
    return freed;
  }

  flushed(): void {
    // Of a store that is only looked at nothing is noted.
    if (this.#dirty) this.firstNote.moved(this.#flushedFirst);
    this.#setDirty();
    if (!this.#dirty) {
      this.#floor = this.first;
      this.#bury();
    }
    this.#tail.trim(false);
  }

  #setDirty(): void {
    const dirty = this.#slices.some((slice) => slice.dirty);
    if (dirty !== this.#dirty) this.context.syncing.dirty.messages += dirty ? 1 : -1;
    this.#dirty = dirty;
  }

  /** Removes the files of slices that are evicted. */
  #bury(): void {
    if (this.#doomed.length === 0) return;
    this.firstNote.settle(this.#slices[0]?.first ?? this.first);
    for (const slice of this.#doomed) {
      slice.remove(this.channel);
      this.#cache.clear(slice);
    }
    this.#tail.dropSlices(this.#doomed);
    this.#doomed = [];
    this.#setDirty();
  }

  /** What lags is kept somewhere else too, and is tried again. */
  rollBack(): boolean {
    if (this.#lagging !== undefined) return false;
    const before = this.last;
    const slices = [...this.#doomed, ...this.#slices];
    this.#doomed = [];
    this.#slices = slices.filter((slice) => slice.flushed.records > 0);
    for (const slice of slices) if (slice.flushed.records === 0) slice.remove(this.channel);
    for (const slice of this.#slices) if (slice.dirty) slice.rollBack();
    const newest = this.#slices.at(-1);
    if (newest !== undefined) newest.closeWhenIdle = false;
    this.#tail.dropSlices(slices.filter((slice) => slice.flushed.records === 0));
    this.#tail.cut(newest?.last ?? 0);
    this.#recount(this.#floor);
    this.#setDirty();
    if (this.last < before) {
      this.context.ports.log.error(
        `Channel ${this.channel}: no room, messages ${this.last + 1} to ${before} were not stored`,
      );
    }
    return this.#flushing.running && before > this.#flushTarget;
  }

  /** Sets everything that is derived from the slices, evicting below `floor`. */
  #recount(floor: Sequence): void {
    const newest = this.#slices.at(-1);
    this.last = Math.max(newest?.last ?? 0, this.#numbered);
    this.lastTimestamp = newest?.lastTime ?? 0n;
    this.count = this.bytes = 0;
    for (const slice of this.#slices) {
      this.count += slice.liveCount = slice.records;
      this.bytes += slice.liveBytes = slice.bytes;
    }
    this.first = this.#slices[0]?.first ?? (this.last === 0 ? 0 : this.last + 1);
    if (floor > this.first) this.evictBefore(floor);
  }

  read(from: Sequence, to: Sequence, maxBytes: number, visit: MessageVisitor): Sequence {
    this.#used = true;
    const reading = new Reading(Math.max(from, this.first), Math.min(to, this.last), maxBytes, visit);
    readMessages(reading, this.#slices, this.#tail, this.#cache);
    return reading.stopped ? reading.next : Math.max(from, to + 1);
  }

  sequenceAt(timestamp: Nanos): Sequence {
    return this.#entries.sequenceAt(this, this.#slices, timestamp);
  }

  forgetAfter(sequence: Sequence): Awaitable<void> {
    if (sequence >= this.last) return;
    const flushed = this.flushNow();
    if (isLater(flushed)) return flushed.then(() => this.forgetAfter(sequence));
    if (sequence < this.first) return this.empty(sequence + 1);
    this.gapNote.cut(sequence);
    this.#numbered = Math.min(this.#numbered, sequence);
    this.#slices = cutSlices(this.#slices, sequence, this.#entries, this.context);
    this.#tail.clear();
    this.#cache.clear();
    this.#recount(this.first);
  }

  skipTo(sequence: Sequence): void {
    this.evictBefore((this.gapNote.gap?.to ?? -1) + 1);
    if (this.count > 0) this.gapNote.write({ from: this.last + 1, to: sequence - 1 });
    this.#numbered = sequence - 1;
    this.#recount(this.first);
  }

  empty(restartAt: Sequence = 0): Awaitable<void> {
    if (this.#flushing.running) return this.#flushing.settle().then(() => this.empty(restartAt));
    this.context.syncing.check();
    this.release();
    removeSliceFiles(this.directory, this.context);
    this.firstNote.forget();
    this.gapNote.cut(0);
    this.#numbered = restartAt > 0 ? restartAt - 1 : 0;
    this.#floor = 0;
    this.#recount(0);
  }

  /** Leaves the files as the reference would: without room for more. Throws FileFailed. */
  finish(): void {
    for (const slice of this.#slices) slice.trim();
  }

  /** Closes files and forgets what is in memory, flushed or not. */
  release(): void {
    for (const slice of [...this.#slices, ...this.#doomed]) slice.close();
    this.#slices = [];
    this.firstNote.close();
    this.#doomed = [];
    this.#full.length = 0;
    this.#tail.clear();
    this.#cache.clear();
    this.#setDirty();
  }

  /** Frees what has not been used lately. */
  maintain(now: Millis): void {
    this.#cache.maintain(now);
    if (this.#used) this.#idleSince = now;
    else if (now - this.#idleSince >= IDLE && !this.#flushing.running) this.#tail.trim(true);
    this.#used = false;
  }

  /** Waits for what is under way. */
  settle(): Promise<void> {
    return this.#flushing.settle();
  }

  /** Whether something waits to be flushed. */
  get dirty(): boolean {
    return this.#dirty;
  }

  get unflushed(): Offset {
    return unflushedBytes(this.#slices);
  }
  /** Whether something was written, or waits to be, that is not on the disk. */
  get unsynced(): boolean {
    return this.#dirty || this.#slices.some((slice) => slice.unsynced);
  }

  /** The steps of syncing what was written without. */
  *syncSteps(): WriteSteps {
    for (const slice of this.#slices) yield* slice.syncSteps();
  }
}
