/**
 * How writes reach the disk: blocking while the disk is quick, else beside the other work (performance notes, section 4).
 * A writer gives its work as steps, each ending with the file that must be on the disk before the next step begins.
 */
import { FileFailed } from "../../ports/files.ts";
import { StoreFailed } from "../../ports/store.ts";
import type { Awaitable, Millis } from "../../protocol/units.ts";
import { FileHandle } from "./open_files.ts";

/** Writes, and yields each file, or the files together, that must be synced before it goes on. */
export type WriteSteps = Generator<FileHandle | readonly FileHandle[], void, void>;

/** Up to this average, waiting is cheaper than being told later. */
const QUICK: Millis = 0.5;
/** Weight of the latest sync in the average. */
const WEIGHT = 0.1;
/** While syncs are not waited for, one in so many is, to see how quick the disk is now: being told later takes time of its own. */
const PROBE = 50;

/** What is flushed together: the messages of a turn, or the subscriptions. */
export type Flushed = "messages" | "subscriptions";

export class Syncing {
  /** How many logs have something to flush: with several of a kind, they sync side by side. */
  readonly dirty: Record<Flushed, number> = { messages: 0, subscriptions: 0 };
  /** What ended this store, if something did. */
  failure: StoreFailed | undefined;
  /** Of syncs that were waited for. */
  #average: Millis = 0;
  #sinceProbe = 0;
  readonly #now: () => Millis;

  constructor(readonly enabled: boolean, now: () => Millis) {
    this.#now = now;
  }

  /** Throws if the disk has failed before. */
  check(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** Performs the steps, made for one of the two ways; without blocking if `beside`. Throws or rejects with StoreFailed; a failed sync, or a write that failed for other reasons than room, ends the store. */
  run(steps: (beside: boolean) => WriteSteps, what: Flushed, beside: boolean): Awaitable<void> {
    if (!this.enabled) return this.runBlocking(steps(false));
    if (!beside && this.dirty[what] <= 1 && this.#shouldWait()) return this.runBlocking(steps(false));
    return this.runBeside(steps(true));
  }

  #shouldWait(): boolean {
    if (this.#average < QUICK) return true;
    this.#sinceProbe = (this.#sinceProbe + 1) % PROBE;
    return this.#sinceProbe === 0;
  }

  /** Performs the steps with syncing, whatever the options say, without blocking. */
  async runBeside(steps: WriteSteps): Promise<void> {
    for (;;) {
      const step = this.#step(steps);
      if (step.done === true) return;
      try {
        await syncTogether(step.value);
      } catch (error) {
        throw this.syncFailed(error);
      }
    }
  }

  /** As {@link run}, and blocks. */
  runBlocking(steps: WriteSteps): void {
    for (;;) {
      const step = this.#step(steps);
      if (step.done === true) return;
      if (!this.enabled) continue;
      for (const handle of step.value instanceof FileHandle ? [step.value] : step.value) this.#syncNow(handle);
    }
  }

  #syncNow(handle: FileHandle): void {
    const began = this.#now();
    try {
      handle.syncNow();
    } catch (error) {
      throw this.syncFailed(error);
    }
    this.#note(this.#now() - began);
  }

  #step(steps: WriteSteps): IteratorResult<FileHandle | readonly FileHandle[], void> {
    this.check();
    try {
      return steps.next();
    } catch (error) {
      throw this.writeFailed(error);
    }
  }

  #note(took: Millis): void {
    const weight = this.#average < QUICK ? WEIGHT : 0.5;
    this.#average += (took - this.#average) * weight;
  }

  /** A write failed: for lack of room or of descriptors it may go better later; all else ends the store. */
  writeFailed(error: unknown): unknown {
    if (error instanceof FileFailed && (error.code === "full" || error.code === "too-many-open")) {
      return new StoreFailed("full", error.message, { cause: error });
    }
    if (error instanceof FileFailed) return this.#end(error);
    return error;
  }

  /** A sync failed: what it was to save may be lost, and asking again would not tell. */
  syncFailed(error: unknown): unknown {
    return error instanceof FileFailed ? this.#end(error) : error;
  }

  #end(error: FileFailed): StoreFailed {
    return this.failure ??= new StoreFailed("io", error.message, { cause: error });
  }
}

/** Rejects when all have ended and one has failed. */
async function syncTogether(files: FileHandle | readonly FileHandle[]): Promise<void> {
  if (files instanceof FileHandle) return await files.sync();
  const results = await Promise.allSettled(files.map((file) => file.sync()));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
