/** A channel's subscriptions in `subs.dat`: an append-only file of records, rewritten when much of it is dead (spec stores, sections 3.5 and 3.8). */
import { StoreFailed, type SubscriptionLog } from "../../ports/store.ts";
import type { Awaitable, Millis, Offset, Sequence } from "../../protocol/units.ts";
import { SubscriptionState } from "../../protocol/stored_records.ts";
import { compactSubscriptions } from "./compaction.ts";
import { type FileContext, join } from "./context.ts";
import { type Flushable, Flushing } from "./flushing.ts";
import type { FileHandle } from "./open_files.ts";
import { MAX_TYPED_PAYLOAD, VERSION_SIZE } from "./record.ts";
import { RecordBuffer } from "./record_buffer.ts";
import { ACK, DELETE, NEW, PENDING, type SubscriptionReplay, UPDATE } from "./subscription_records.ts";
import type { WriteSteps } from "./syncing.ts";

export class FileSubscriptionsLog implements SubscriptionLog, Flushable {
  readonly handle: FileHandle;
  readonly #context: FileContext;
  #buffer: RecordBuffer;
  /** What is being written while a flush is under way. */
  #writing: RecordBuffer;
  /** End of the records in the file, and how much of that is flushed. */
  #end: Offset = VERSION_SIZE;
  #flushedEnd: Offset = VERSION_SIZE;
  #dirty = false;
  readonly #flushing: Flushing;
  /** By id of a subscription that exists: how many of its records of pending messages are alive, roughly. */
  readonly #pendings = new Map<number, number>();
  /** Records that say something, and those that are dead (spec stores, section 3.8). */
  #records = 0;
  #deleted = 0;
  #compactWanted = false;
  #compactedAt: Millis | undefined;

  constructor(readonly channel: string, directory: string, context: FileContext) {
    this.#context = context;
    this.handle = context.openFiles.handle(join(directory, "subs.dat"));
    this.#buffer = new RecordBuffer(context.checksum);
    this.#writing = new RecordBuffer(context.checksum);
    this.#flushing = new Flushing(context.syncing, this, "subscriptions");
  }

  /** Takes over what recovery found; `end` is where the whole records end. */
  adopt(replay: SubscriptionReplay, end: Offset): void {
    this.#end = this.#flushedEnd = end;
    this.handle.unsynced = this.#context.unclean;
    this.#count(replay);
  }

  #count(replay: SubscriptionReplay): void {
    this.#pendings.clear();
    for (const [id, { pending }] of replay.subscriptions) this.#pendings.set(id, pending.size);
    this.#records = replay.records;
    this.#deleted = replay.deleted;
  }

  create(state: SubscriptionState): void {
    this.#addState(NEW, state);
    this.#records++;
    this.#pendings.set(state.id, 0);
  }

  update(state: SubscriptionState): void {
    this.#addState(UPDATE, state);
    this.#records++;
    if (this.#pendings.has(state.id)) this.#deleted++;
    else this.#pendings.set(state.id, 0);
  }

  #addState(type: number, state: SubscriptionState): void {
    const size = SubscriptionState.size(state);
    if (size > MAX_TYPED_PAYLOAD) {
      throw new StoreFailed(
        "refused",
        `subscription ${state.id} of channel ${this.channel} takes ${size} bytes, more than ${MAX_TYPED_PAYLOAD}`,
      );
    }
    this.#flushing.check();
    this.#buffer.add(type, size, (into, at) => SubscriptionState.encodeInto(state, into, at));
    this.#added();
  }

  delete(id: number): void {
    this.#flushing.check();
    this.#buffer.addPair(DELETE, id, 0);
    const pending = this.#pendings.get(id);
    if (pending !== undefined) {
      this.#deleted += 1 + pending;
      this.#pendings.delete(id);
      this.#compactWanted = true;
    }
    this.#added();
  }

  addPending(id: number, sequence: Sequence): void {
    this.#flushing.check();
    this.#buffer.addPair(PENDING, id, sequence);
    const pending = this.#pendings.get(id);
    if (pending !== undefined) {
      this.#pendings.set(id, pending + 1);
      this.#records++;
    }
    this.#added();
  }

  acknowledge(id: number, sequence: Sequence): void {
    this.#flushing.check();
    this.#buffer.addPair(ACK, id, sequence);
    const pending = this.#pendings.get(id);
    if (pending !== undefined) {
      if (pending > 0) this.#pendings.set(id, pending - 1);
      this.#deleted++;
      this.#compactWanted = true;
    }
    this.#added();
  }

  #added(): void {
    if (!this.#dirty) {
      this.#dirty = true;
      this.#context.syncing.dirty.subscriptions++;
    }
    // What is held back is written now and then, so that memory stays bounded.
    if (this.#buffer.length > this.#context.options.bufferSize && !this.#flushing.running) {
      this.#flushing.writeNow(() => this.#write(this.#buffer));
    }
  }

  #write(buffer: RecordBuffer): void {
    if (buffer.length === 0) return;
    this.handle.unsynced = true;
    this.handle.file.writeAt(buffer.bytes, this.#end);
    this.#end += buffer.length;
    buffer.clear();
  }

  flush(): Awaitable<void> {
    return this.#flushing.flush();
  }

  /** The same: what is recorded here does not lag. */
  flushNow(): Awaitable<void> {
    return this.flush();
  }

  get dirty(): boolean {
    return this.#dirty;
  }

  *writeSteps(): WriteSteps {
    if (this.#writing.length === 0) [this.#writing, this.#buffer] = [this.#buffer, this.#writing];
    this.#write(this.#writing);
    yield this.handle;
  }

  flushed(): void {
    this.#flushedEnd = this.#end;
    this.#setDirty(this.#buffer.length > 0);
  }

  makeRoom(): boolean {
    return false;
  }

  #setDirty(dirty: boolean): void {
    if (dirty !== this.#dirty) this.#context.syncing.dirty.subscriptions += dirty ? 1 : -1;
    this.#dirty = dirty;
  }

  rollBack(): boolean {
    const after = this.#flushing.running && this.#buffer.length > 0;
    this.#buffer.clear();
    this.#writing.clear();
    this.#setDirty(false);
    this.#end = this.#flushedEnd;
    this.#cutPartialWrite();
    return after;
  }

  /** Rewrites the file if it is due (spec stores, section 3.8). Called about once a second. */
  compactIfDue(now: Millis): Awaitable<void> {
    const { compactEnabled, compactMinFileSize, compactFragmentation, compactInterval } = this.#context.options;
    if (!compactEnabled || !this.#compactWanted || this.#flushing.running) return;
    if (this.#compactedAt !== undefined && now - this.#compactedAt < compactInterval * 1000) return;
    const size = this.#end + this.#buffer.length - VERSION_SIZE;
    const fragmentation = this.#records === 0 ? 100 : Math.floor(this.#deleted * 100 / this.#records);
    if (size < compactMinFileSize || fragmentation < compactFragmentation) return;
    this.#compactWanted = false;
    this.#compactedAt = now;
    return this.compact();
  }

  /** Rewrites the file with what is alive. On failure the old one stays, which is logged. */
  async compact(): Promise<void> {
    try {
      const { replay, end } = await compactSubscriptions(this, this.#context);
      this.#end = this.#flushedEnd = end;
      this.#setDirty(false);
      this.#count(replay);
      this.#records = replay.subscriptions.size;
      for (const { pending } of replay.subscriptions.values()) this.#records += pending.size;
      this.#deleted = 0;
    } catch (error) {
      this.#cutAfterCompacting();
      this.#context.ports.log.error(
        `Unable to compact ${this.handle.path}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #cutAfterCompacting(): void {
    try {
      this.#cutPartialWrite();
    } catch (cause) {
      this.#context.syncing.syncFailed(cause);
    }
  }

  /** Cuts off what a failed write has left. Throws FileFailed. */
  #cutPartialWrite(): void {
    const { file } = this.handle;
    if (file.size() > this.#end) file.truncate(this.#end);
  }

  /** Where the records in the file end. */
  get end(): Offset {
    return this.#end;
  }

  /** Writes what is held back; no flush may be under way. */
  drain(): void {
    this.#write(this.#buffer);
  }

  get unsynced(): boolean {
    return this.#dirty || this.handle.unsynced;
  }

  /** The steps of syncing what was written without. */
  *syncSteps(): WriteSteps {
    if (this.handle.unsynced) yield this.handle;
  }

  settle(): Promise<void> {
    return this.#flushing.settle();
  }

  /** Closes the file and forgets what is not in it. */
  release(): void {
    this.#buffer.clear();
    this.#setDirty(false);
    this.handle.close();
  }
}
