/** The flushes of one log: one at a time, the next one collecting meanwhile; and what a failed write means for the log. */
import { StoreFailed } from "../../ports/store.ts";
import { type Awaitable, isLater } from "../../protocol/units.ts";
import type { Flushed, Syncing, WriteSteps } from "./syncing.ts";

/** What is flushed. */
export interface Flushable {
  /** Whether there is anything to flush. */
  readonly dirty: boolean;
  /**
   * Begins a flush: the steps write what is there now. May be asked again for the same flush after {@link makeRoom}. `beside`: other
   * work goes on meanwhile.
   */
  writeSteps(beside: boolean): WriteSteps;
  /** The steps are done. */
  flushed(): void;
  /** Gives up everything since the last flush. Answers whether that includes what came after the present one began. Throws FileFailed. */
  rollBack(): boolean;
  /** Frees room on a full disk; `false` if there is nothing to free. */
  makeRoom(): boolean;
}

export class Flushing {
  readonly #syncing: Syncing;
  readonly #log: Flushable;
  readonly #what: Flushed;
  readonly #beside: boolean;
  /** The flush that is under way, and the one that waits for it. */
  #running: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  /** Something was given up that no caller has been told about. */
  #lost: StoreFailed | undefined;

  /** `beside`: syncing never blocks. */
  constructor(syncing: Syncing, log: Flushable, what: Flushed, beside = false) {
    this.#beside = beside;
    this.#syncing = syncing;
    this.#what = what;
    this.#log = log;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Throws if the disk has failed, or what was appended before was given up meanwhile. To be called before anything is appended. */
  check(): void {
    if (this.#syncing.failure !== undefined || this.#lost !== undefined) this.#refuse();
  }

  #refuse(): void {
    this.#syncing.check();
    const lost = this.#lost;
    this.#lost = undefined;
    throw lost;
  }

  /** Throws or rejects with StoreFailed. */
  flush(): Awaitable<void> {
    if (this.#running !== undefined) return this.#queued ??= this.#flushNext(this.#running);
    this.check();
    if (!this.#log.dirty) return;
    const write = () => this.#syncing.run((beside) => this.#log.writeSteps(beside), this.#what, this.#beside);
    let result: Awaitable<void>;
    try {
      result = this.#withRoom(write);
    } catch (error) {
      throw this.#failed(error);
    }
    if (!isLater(result)) return this.#log.flushed();
    return this.#running = this.#finish(result.catch((error) => this.#withRoom(write, error)));
  }

  async #finish(writing: Promise<void>): Promise<void> {
    try {
      await writing;
      this.#log.flushed();
    } catch (error) {
      throw this.#failed(error);
    } finally {
      this.#running = undefined;
    }
  }

  async #flushNext(before: Promise<void>): Promise<void> {
    await before.catch(() => {});
    this.#queued = undefined;
    await this.flush();
  }

  /** Writes something now that is not to be durable yet; not while a flush is under way. Throws StoreFailed. */
  writeNow(write: () => void): void {
    try {
      this.#withRoom(write);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Tries again after a full disk if the log can make room. `failure`: the first attempt's. */
  #withRoom<T>(write: () => T, failure?: unknown): T {
    try {
      if (failure !== undefined) throw failure;
      return write();
    } catch (error) {
      const known = this.#syncing.writeFailed(error);
      if (!(known instanceof StoreFailed && known.code === "full") || !this.#log.makeRoom()) throw known;
      return write();
    }
  }

  /** After a failed write: with a full disk, the log goes back to the last flush. */
  #failed(failure: unknown): unknown {
    const error = this.#syncing.writeFailed(failure);
    if (!(error instanceof StoreFailed) || error.code !== "full") return error;
    try {
      if (this.#log.rollBack()) this.#lost = error;
    } catch (cause) {
      return this.#syncing.syncFailed(cause);
    }
    return error;
  }

  /** Waits for what is under way. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
  }
}
