/**
 * Agreement with oneself: what is committed is applied at once, one batch after the other. When the store is full the
 * clients of that batch are refused and the server goes on; when the disk fails, the server stops.
 */
import { type Journal, NotAgreed, PartlyStored, type Replica, type Role } from "../ports/journal.ts";
import { StoreFailed } from "../ports/store.ts";
import type { Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import { type Awaitable, isLater } from "../protocol/units.ts";

export class SoloJournal implements Journal {
  readonly nodeId = "";
  /** One: the next batch collects while this one is synced. */
  readonly commitsAtOnce = 1;
  readonly #onFatal: (failure: StoreFailed) => void;
  #replica: Replica | undefined;
  #index: number;
  /** Settles when everything committed so far is applied; `undefined` when nothing is under way. */
  #tail: Promise<unknown> | undefined;
  #stopped = false;

  /** `firstIndex`: above every index used before a restart, so that channel incarnations never repeat. */
  constructor(options: { firstIndex: number; onFatal: (failure: StoreFailed) => void }) {
    this.#index = options.firstIndex;
    this.#onFatal = options.onFatal;
  }

  get role(): Role {
    return this.#stopped ? "Shutdown" : "Leader";
  }

  get mayServe(): boolean {
    return !this.#stopped && this.#replica !== undefined;
  }

  async start(replica: Replica): Promise<void> {
    this.#replica = replica;
    await replica.lead();
  }

  commit(operations: readonly Operation[]): Awaitable<readonly Outcome[]> {
    if (this.#tail === undefined) return this.#track(this.#apply(operations));
    return this.#track(this.#tail.then(() => this.#apply(operations)));
  }

  report(): void {}

  restate(): void {}

  flushReports(): void {}

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#tail;
    this.#replica?.follow();
  }

  #apply(operations: readonly Operation[]): Awaitable<readonly Outcome[]> {
    if (this.#stopped) throw new NotAgreed("stopped", "server is shutting down");
    let outcomes: Awaitable<readonly Outcome[]>;
    try {
      outcomes = this.#replica!.apply(operations, this.#index++);
    } catch (error) {
      return this.#outcomesOf(error);
    }
    return isLater(outcomes) ? outcomes.catch((error: unknown) => this.#outcomesOf(error)) : outcomes;
  }

  /** Remembers what is under way, so that the next batch waits for it. */
  #track(outcomes: Awaitable<readonly Outcome[]>): Awaitable<readonly Outcome[]> {
    if (!isLater(outcomes)) return outcomes;
    const settled = outcomes.then(ignore, ignore).then(() => {
      if (this.#tail === settled) this.#tail = undefined;
    });
    this.#tail = settled;
    return outcomes;
  }

  /** What a failed apply comes to. Throws what is to be told to everybody. */
  #outcomesOf(error: unknown): readonly Outcome[] {
    if (error instanceof PartlyStored) return error.outcomes;
    if (!(error instanceof StoreFailed)) throw error;
    if (error.code === "io" || error.code === "corrupt") this.#onFatal(error);
    throw new NotAgreed("store", error.message, { cause: error });
  }
}

function ignore(): void {}
