/** A place in the text of a configuration file, moved character by character, that can say where it is. */
import { ConfigError } from "./errors.ts";

/** Where a key stands. The column counts bytes: from 0 on line 1 and from 1 on later lines, as operators' tools expect. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Stands for the end of the text, also in error messages. */
export const END = "\0";

/** Walks over `text`. All moves are by whole characters (code points). */
export class Cursor {
  readonly text: string;
  position = 0;
  /** Position of {@link #counted}, kept so that positions in ascending order cost one pass over the text. */
  #line = 1;
  #column = 0;
  #counted = 0;

  constructor(text: string) {
    this.text = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  get atEnd(): boolean {
    return this.position >= this.text.length;
  }

  /** The character at the cursor, {@link END} at the end. */
  peek(): string {
    const code = this.text.codePointAt(this.position);
    return code === undefined ? END : String.fromCodePoint(code);
  }

  /** The UTF-16 unit `ahead` places on; empty beyond the end. Enough for syntax characters. */
  lookAhead(ahead: number): string {
    return this.text.charAt(this.position + ahead);
  }

  /** Takes the character at the cursor; {@link END} at the end, where the cursor stays. */
  take(): string {
    const character = this.peek();
    if (!this.atEnd) this.position += character.length;
    return character;
  }

  /** Moves on while `test` holds for the character at the cursor, and returns what was passed. */
  takeWhile(test: (character: string) => boolean): string {
    const start = this.position;
    while (!this.atEnd && test(this.peek())) this.position += this.peek().length;
    return this.text.slice(start, this.position);
  }

  /** Where `offset` is; cheap when asked for in ascending order. */
  positionOf(offset: number): Position {
    this.#count(offset);
    return { line: this.#line, column: this.#column };
  }

  /**
   * A lexical error seen when the character before the cursor had been taken: a newline that was taken counts, so the line
   * is that after it.
   */
  error(reason: string): ConfigError {
    return new ConfigError(`Parse error on line ${this.lineHere()}: '${reason}'`);
  }

  lineHere(): number {
    this.#count(this.position);
    return this.#line;
  }

  #count(offset: number): void {
    if (offset < this.#counted) {
      this.#counted = 0;
      this.#line = 1;
      this.#column = 0;
    }
    for (; this.#counted < offset; this.#counted++) {
      const unit = this.text.charCodeAt(this.#counted);
      this.#column += utf8Length(unit);
      if (unit !== NEWLINE) continue;
      this.#line++;
      this.#column = 1;
    }
  }
}

const NEWLINE = 10;

/** Bytes of a UTF-16 unit in UTF-8; each half of a pair stands for two of four. */
function utf8Length(unit: number): number {
  if (unit < 0x80) return 1;
  return unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
}

/** A blank or tab. */
export function isBlank(character: string): boolean {
  return character === " " || character === "\t";
}

/** A line feed or carriage return. */
export function isNewline(character: string): boolean {
  return character === "\n" || character === "\r";
}

/** A character for an error text: a newline is written as an escape. */
export function shown(character: string): string {
  return character === "\n" ? "\\n" : character;
}
