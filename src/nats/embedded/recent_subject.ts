/** Who wanted the last message of one publisher: most publish to one subject many times in a row. */
import type { Account } from "./account.ts";
import type { Interested } from "./delivery.ts";
import { sameBytes, textOf } from "../wire/frames.ts";

/** The longest subject that is remembered. */
const LONGEST = 256;

export class RecentSubject {
  readonly #subject = new Uint8Array(LONGEST);
  #length = -1;
  #slot = 0;
  #version = 0;
  #account: Account | undefined;
  #interested: Interested | undefined;
  /** The parser's number of the line that the subject was in; 0 when nobody said. */
  #line = 0;

  /** Whether the last subject asked for was this one. */
  is(buffer: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    return length === this.#length && sameBytes(this.#subject, 0, buffer, start, length);
  }

  /**
   * Everybody interested in a subject of an account, as of now. `line`: the parser's number of it, which tells a repeated
   * subject without a look; always of the same parser, or 0.
   */
  find(account: Account, buffer: Uint8Array, start: number, end: number, line = 0): Interested {
    const repeated = line !== 0 && line === this.#line;
    const same = account === this.#account && (repeated || this.is(buffer, start, end));
    if (same) this.#line = line;
    if (same && account.tree.version(this.#slot) === this.#version) return this.#interested!;
    const interested = account.cache.find(buffer, start, end);
    if (end - start > LONGEST) return interested;
    if (!same) {
      this.#line = line;
      this.#subject.set(buffer.subarray(start, end));
      this.#length = end - start;
      this.#slot = account.tree.slotOf(textOf(buffer, start, end));
      this.#account = account;
    }
    this.#version = account.tree.version(this.#slot);
    this.#interested = interested;
    return interested;
  }
}
