/** Hands committed entries to the replica, one after the other, and answers those who proposed them. */
import type { Clock } from "../ports/clock.ts";
import type { Replica } from "../ports/journal.ts";
import { StoreFailed } from "../ports/store.ts";
import { decodeFacts, decodeOperations } from "../protocol/operation_codec.ts";
import type { Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import { isLater, type Millis } from "../protocol/units.ts";
import { type Entry, entryBytes, type MembershipAt, type SnapshotMark } from "./core/mod.ts";
import { ROUND } from "./digests.ts";
import type { Proposals } from "./proposals.ts";

export interface ApplyingEvents {
  /** Everything up to this entry is applied: `count` more entries, which hold `bytes`. */
  applied(entry: Entry, count: number, bytes: number): void;
  /** The store is about to remove what this entry deletes: nobody will have it any more. */
  deleting(index: number): void;
  /** The store has no room (`true`), or has it again. */
  full(full: boolean): void;
  /** An entry cannot be applied: this node's state cannot be trusted any more. */
  failed(error: unknown): void;
}

/** An entry and the operations in it. */
interface Applied {
  readonly entry: Entry;
  readonly operations: readonly Operation[];
}

const RETRY: Millis = 500;
/** So much is applied with one flush of the store at most. */
const RUN_ENTRIES = 256;
const RUN_BYTES = 1024 * 1024;

export class Applying {
  readonly #replica: Replica;
  readonly #proposals: Proposals;
  readonly #clock: Clock;
  readonly #events: ApplyingEvents;
  #queue: Entry[] = [];
  #next = 0;
  /** There was no room for all of it: it is tried again as it was, for part of it may be done. */
  #unfinished: readonly Applied[] | undefined;
  #running = false;
  #held = true;
  #stopped = false;
  #idle: (() => void)[] = [];
  #applied = 0;
  #awaiting: { readonly index: number; readonly resolve: () => void }[] = [];
  /** The membership as of the last applied entry. */
  membership: MembershipAt;

  /** Applies nothing before {@link release}. */
  constructor(
    replica: Replica,
    proposals: Proposals,
    clock: Clock,
    membership: MembershipAt,
    events: ApplyingEvents,
  ) {
    this.#replica = replica;
    this.#proposals = proposals;
    this.#clock = clock;
    this.#events = events;
    this.membership = membership;
  }

  /** The last entry that was applied, while the state is as of that one: nothing is being applied, and nothing holds. */
  get restsAt(): number | undefined {
    return this.#running || this.#held || this.#stopped ? undefined : this.#applied;
  }

  /** The last entry that was applied; the state may be ahead. */
  get applied(): number {
    return this.#applied;
  }

  push(entries: readonly Entry[]): void {
    for (const entry of entries) this.#queue.push(entry);
    this.#run();
  }

  /** Applies nothing more until {@link release}; answers when nothing is being applied. */
  hold(): Promise<void> {
    this.#held = true;
    return this.#running ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  release(): void {
    this.#held = false;
    this.#run();
  }

  /** While held: the state is a snapshot's now, which covers what was waiting up to there. */
  replaced({ index, membership }: SnapshotMark): void {
    this.membership = membership;
    this.#unfinished = undefined;
    while (this.#next < this.#queue.length && this.#queue[this.#next]!.index <= index) {
      const { index: covered, term } = this.#queue[this.#next++]!;
      this.#proposals.replaced(covered, term);
    }
    this.#reachedNow(index);
  }

  /** Answers when everything up to `index` is applied, or nothing is applied any more. */
  reached(index: number): Promise<void> {
    if (this.#applied >= index || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => this.#awaiting.push({ index, resolve }));
  }

  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#next = 0;
    for (const { resolve } of this.#awaiting.splice(0)) resolve();
  }

  #run(): void {
    if (this.#running || this.#held || this.#stopped) return;
    this.#running = true;
    void this.#loop();
  }

  /** Leaves the synchronous path only where the replica takes its time. */
  async #loop(): Promise<void> {
    try {
      while (this.#next < this.#queue.length && !this.#held && !this.#stopped) {
        const run = this.#unfinished ?? this.#nextRun();
        const later = this.#apply(run);
        if (later !== undefined && !await later) {
          this.#unfinished = run;
          continue;
        }
        this.#unfinished = undefined;
        if (this.#stopped) return;
        this.#next += run.length;
        if (this.#next === this.#queue.length || this.#next >= 1024) {
          this.#queue = this.#queue.slice(this.#next);
          this.#next = 0;
        }
        this.#done(run);
      }
    } catch (error) {
      if (!this.#stopped) this.#events.failed(error);
      this.#stopped = true;
    } finally {
      this.#running = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #done(run: readonly Applied[]): void {
    const last = run[run.length - 1]!.entry;
    this.#events.applied(last, run.length, run.reduce((sum, { entry }) => sum + entryBytes(entry), 0));
    this.#reachedNow(last.index);
  }

  #reachedNow(applied: number): void {
    this.#applied = applied;
    if (this.#awaiting.length === 0) return;
    const awaiting = this.#awaiting;
    this.#awaiting = awaiting.filter(({ index }) => index > applied);
    for (const { index, resolve } of awaiting) if (index <= applied) resolve();
  }

  /** The next entry, or several that hold nothing but messages: these are stored with one flush. */
  #nextRun(): Applied[] {
    const run: Applied[] = [];
    let bytes = 0;
    for (let at = this.#next; at < this.#queue.length && run.length < RUN_ENTRIES && bytes < RUN_BYTES; at++) {
      const entry = this.#queue[at]!;
      const operations = entry.kind === "operations"
        ? this.#proposals.operations(entry.index, entry.term) ?? decodeOperations(entry.payload)
        : [];
      const onlyMessages = operations.length > 0 && operations.every((operation) => operation.kind === "publish");
      if (run.length > 0 && !onlyMessages) break;
      run.push({ entry, operations });
      bytes += entryBytes(entry);
      // Nodes compare their states there (D8).
      if (!onlyMessages || entry.index % ROUND === 0) break;
    }
    return run;
  }

  /** A promise when it takes time; it answers whether the run is done, or has to be tried again. */
  #apply(run: readonly Applied[]): Promise<boolean> | undefined {
    const { entry } = run[0]!;
    switch (entry.kind) {
      case "operations":
        return this.#applyOperations(run);
      case "facts":
        if (!this.#proposals.isOwnReport(entry.index, entry.term)) this.#replica.learn(decodeFacts(entry.payload));
        break;
      case "membership":
        this.membership = { index: entry.index, membership: entry.membership };
        break;
      case "no-op":
      case "identity":
    }
    this.#proposals.applied(entry.index, entry.term, []);
    return undefined;
  }

  #applyOperations(run: readonly Applied[]): Promise<boolean> | undefined {
    const operations = run.length === 1 ? run[0]!.operations : run.flatMap((each) => each.operations);
    const { index } = run[run.length - 1]!.entry;
    if (operations.some(({ kind }) => kind === "delete channel")) this.#events.deleting(index);
    try {
      const outcomes = this.#replica.apply(operations, index);
      if (isLater(outcomes)) return this.#await(outcomes, run);
      this.#answer(run, outcomes);
      return undefined;
    } catch (error) {
      return this.#waitForSpace(error);
    }
  }

  async #await(outcomes: Promise<readonly Outcome[]>, run: readonly Applied[]): Promise<boolean> {
    try {
      this.#answer(run, await outcomes);
      return true;
    } catch (error) {
      return await this.#waitForSpace(error);
    }
  }

  #answer(run: readonly Applied[], outcomes: readonly Outcome[]): void {
    let at = 0;
    for (const { entry, operations } of run) {
      const own = run.length === 1 ? outcomes : outcomes.slice(at, at + operations.length);
      at += operations.length;
      this.#proposals.applied(entry.index, entry.term, own);
    }
  }

  /** What the store had no room for took no effect, and is applied when there is room again. */
  async #waitForSpace(error: unknown): Promise<boolean> {
    if (!(error instanceof StoreFailed) || error.code !== "full") throw error;
    this.#events.full(true);
    await new Promise<void>((resolve) => this.#clock.wakeAt(this.#clock.now() + RETRY, resolve));
    this.#events.full(false);
    return false;
  }
}
