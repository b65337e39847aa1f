/**
 * What one start found and did, told as one block of lines: what was read, what disagreed with it, what was done about
 * that. A start that is refused tells it, too.
 */
import type { Log } from "../ports/log.ts";

type Part = "read" | "disagreed" | "done";

export class StartReport {
  readonly #lines: { readonly part: Part; readonly text: string }[] = [];
  #told = false;

  /** Something of this node's past was found, or that there is none. */
  read(text: string): void {
    this.#add("read", text);
  }

  /** Something does not fit what else was found, or what it should be. */
  disagreed(text: string): void {
    this.#add("disagreed", text);
  }

  done(text: string): void {
    this.#add("done", text);
  }

  #all(refused: boolean): readonly string[] {
    const lines = this.#lines.map(({ part, text }) => `${part}: ${text}`);
    const firstDone = this.#lines.findIndex(({ part }) => part === "done");
    const isDone = firstDone >= 0;
    if (!this.#lines.some(({ part }) => part === "disagreed")) {
      lines.splice(isDone ? firstDone : lines.length, 0, "disagreed: nothing");
    }
    if (refused) lines.push("done: nothing more, this node does not start");
    else if (!isDone) lines.push("done: nothing, this node goes on where it was");
    return lines;
  }

  /** Tells everything, once; what comes later is told as it comes. */
  tell(log: Log, refused = false): void {
    if (this.#told) return;
    this.#told = true;
    log.notice("cluster start report:");
    for (const line of this.#all(refused)) {
      if (line.startsWith("disagreed: ") && line !== "disagreed: nothing") log.warn(`  ${line}`);
      else log.notice(`  ${line}`);
    }
  }

  #add(part: Part, text: string): void {
    this.#lines.push({ part, text });
  }
}
