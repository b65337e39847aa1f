/** Hands committed entries to the replica, one after the other, and answers those who proposed them. */
import type { Clock } from "../ports/clock.ts";
import type { Replica } from "../ports/journal.ts";
import { StoreFailed } from "../ports/store.ts";
import { decodeFacts, decodeOperations } from "../protocol/operation_codec.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import { isLater, type Millis } from "../protocol/units.ts";
import type { Entry, MembershipAt } from "./core/mod.ts";
import type { Proposals } from "./proposals.ts";

export interface ApplyingEvents {
  /** Everything up to this entry is applied. */
  applied(entry: Entry): void;
  /** The store has no room (`true`), or has it again. */
  full(full: boolean): void;
  /** An entry cannot be applied: this node's state cannot be trusted any more. */
  failed(error: unknown): void;
}

const RETRY: Millis = 500;

export class Applying {
  readonly #replica: Replica;
  readonly #proposals: Proposals;
  readonly #clock: Clock;
  readonly #events: ApplyingEvents;
  #queue: Entry[] = [];
  #next = 0;
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
        const entry = this.#queue[this.#next]!;
        const later = this.#apply(entry);
        if (later !== undefined && !await later) continue;
        if (this.#stopped) return;
        this.#next++;
        if (this.#next === this.#queue.length || this.#next >= 1024) {
          this.#queue = this.#queue.slice(this.#next);
          this.#next = 0;
        }
        this.#done(entry);
      }
    } catch (error) {
      if (!this.#stopped) this.#events.failed(error);
      this.#stopped = true;
    } finally {
      this.#running = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #done(entry: Entry): void {
    this.#applied = entry.index;
    this.#events.applied(entry);
    if (this.#awaiting.length === 0) return;
    const awaiting = this.#awaiting;
    this.#awaiting = awaiting.filter(({ index }) => index > entry.index);
    for (const { index, resolve } of awaiting) if (index <= entry.index) resolve();
  }

  /** A promise when it takes time; it answers whether the entry is done, or has to be tried again. */
  #apply(entry: Entry): Promise<boolean> | undefined {
    switch (entry.kind) {
      case "operations":
        return this.#applyOperations(entry.index, entry.term, entry.payload);
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

  #applyOperations(index: number, term: number, payload: Uint8Array): Promise<boolean> | undefined {
    const operations = this.#proposals.operations(index, term) ?? decodeOperations(payload);
    try {
      const outcomes = this.#replica.apply(operations, index);
      if (isLater(outcomes)) return this.#await(outcomes, index, term);
      this.#proposals.applied(index, term, outcomes);
      return undefined;
    } catch (error) {
      return this.#waitForSpace(error);
    }
  }

  async #await(outcomes: Promise<readonly Outcome[]>, index: number, term: number): Promise<boolean> {
    try {
      this.#proposals.applied(index, term, await outcomes);
      return true;
    } catch (error) {
      return await this.#waitForSpace(error);
    }
  }

  /** Nothing of the entry took effect when the store was full: it is applied when there is room again. */
  async #waitForSpace(error: unknown): Promise<boolean> {
    if (!(error instanceof StoreFailed) || error.code !== "full") throw error;
    this.#events.full(true);
    await new Promise<void>((resolve) => this.#clock.wakeAt(this.#clock.now() + RETRY, resolve));
    this.#events.full(false);
    return false;
  }
}
