/** A log that remembers its lines. */
import type { Log } from "../../src/ports/log.ts";
import { deadline } from "./deadline.ts";

/** How long a line may take, milliseconds: longer than any busy machine makes it last. */
const PATIENCE = 40_000;

export class RecordingLog implements Log {
  /** Each with its level first: `ERR text`. */
  readonly lines: string[] = [];
  readonly debugging = false;
  readonly tracing = false;
  #waiting: (() => void)[] = [];

  /** Resolves once there are `count` lines that fit. */
  async untilLines(fitting: RegExp, count = 1): Promise<void> {
    const problem = () => new Error(`${fitting} was not logged ${count} times:\n${this.lines.join("\n")}`);
    while (this.count(fitting) < count) {
      await deadline(new Promise<void>((resolve) => this.#waiting.push(resolve)), PATIENCE, problem);
    }
  }

  /** How many lines fit. */
  count(fitting: RegExp): number {
    return this.lines.filter((line) => fitting.test(line)).length;
  }

  fatal(text: string): void {
    this.#add(`FTL ${text}`);
  }
  error(text: string): void {
    this.#add(`ERR ${text}`);
  }
  warn(text: string): void {
    this.#add(`WRN ${text}`);
  }
  notice(text: string): void {
    this.#add(`INF ${text}`);
  }
  debug(text: string): void {
    this.#add(`DBG ${text}`);
  }
  trace(text: string): void {
    this.#add(`TRC ${text}`);
  }

  #add(line: string): void {
    this.lines.push(line);
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
