/** What this node proposed and waits for: who asked, by the index where it stands in the log. */
import { NotAgreed } from "../ports/journal.ts";
import type { Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";

/** Text for clients whose request may or may not be agreed upon. */
export const LOST = "leadership lost while committing log";
/** Text for clients whose request was not taken. */
export const NO_LEADER = "node is not the leader";

interface Waiting {
  readonly term: number;
  readonly operations: readonly Operation[];
  readonly answer: Answerer;
}

/** Collects the outcomes of the entries that one commit became. */
export class Answerer {
  readonly promise: Promise<readonly Outcome[]>;
  #resolve: (outcomes: readonly Outcome[]) => void = () => {};
  #reject: (error: NotAgreed) => void = () => {};
  #left: number;
  #outcomes: readonly Outcome[] = [];

  constructor(entries: number) {
    this.#left = entries;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  applied(outcomes: readonly Outcome[]): void {
    this.#outcomes = this.#outcomes.length === 0 ? outcomes : [...this.#outcomes, ...outcomes];
    if (--this.#left === 0) this.#resolve(this.#outcomes);
  }

  failed(error: NotAgreed): void {
    this.#reject(error);
  }
}

export class Proposals {
  readonly #operations = new Map<number, Waiting>();
  /** Index and term of this node's own reports: it knows what they say. */
  readonly #reports = new Map<number, number>();

  add(index: number, term: number, operations: readonly Operation[], answer: Answerer): void {
    this.#operations.set(index, { term, operations, answer });
  }

  addReport(index: number, term: number): void {
    this.#reports.set(index, term);
  }

  get size(): number {
    return this.#operations.size;
  }

  /** The operations of an entry that this node proposed in this life; `undefined` for others'. */
  operations(index: number, term: number): readonly Operation[] | undefined {
    const waiting = this.#operations.get(index);
    return waiting?.term === term ? waiting.operations : undefined;
  }

  /** The entry at `index` of `term` was applied: answers whoever waits for it, also if another took its place. */
  applied(index: number, term: number, outcomes: readonly Outcome[]): void {
    const waiting = this.#operations.get(index);
    if (waiting === undefined) return;
    this.#operations.delete(index);
    if (waiting.term === term) waiting.answer.applied(outcomes);
    else waiting.answer.failed(new NotAgreed("unknown", LOST));
  }

  /** A snapshot came in place of the entry: it is agreed upon, but what became of it here nobody knows. */
  replaced(index: number, term: number): void {
    this.isOwnReport(index, term);
    this.#operations.get(index)?.answer.failed(new NotAgreed("unknown", LOST));
    this.#operations.delete(index);
  }

  /** Whether the report at `index` is this node's own; asked once. */
  isOwnReport(index: number, term: number): boolean {
    const mine = this.#reports.get(index) === term;
    this.#reports.delete(index);
    return mine;
  }

  /** Nobody knows what becomes of what is still waiting. Own reports stay known: they may come back as committed. */
  abandon(error: NotAgreed): void {
    const waiting = [...this.#operations.values()];
    this.#operations.clear();
    for (const { answer } of waiting) answer.failed(error);
  }

  /** Reports up to `index` were committed or replaced. */
  forgetReports(index: number): void {
    for (const known of this.#reports.keys()) if (known <= index) this.#reports.delete(known);
  }
}
