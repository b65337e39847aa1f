/** Cuts the text of a configuration file into tokens (spec cli-config-monitoring, section 2.2). */
import { Cursor, END, isBlank, isNewline, shown } from "./cursor.ts";
import { isDigit, scanNegative, scanNumber } from "./scan_number.ts";
import { scanBlock, scanQuoted, scanRaw, scanUnquoted } from "./scan_text.ts";
import type { Token, TokenKind } from "./tokens.ts";

type Surrounding = "top" | "map" | "array";
type Expectation = "item" | "value" | "terminator";

/** Nesting above this is refused: no real file comes near it. */
const MAX_DEPTH = 500;

/** Pull-based: {@link next} until it answers `end`. Throws ConfigError, after which the lexer is of no use. */
export class Lexer {
  readonly cursor: Cursor;
  #around: Surrounding[] = ["top"];
  #expect: Expectation = "item";
  #key = "";
  #separated = false;

  constructor(text: string) {
    this.cursor = new Cursor(text);
  }

  next(): Token {
    for (;;) {
      const token = this.#step();
      if (token !== undefined) return token;
    }
  }

  #step(): Token | undefined {
    if (this.#expect === "value") return this.#value();
    const around = this.#around.at(-1);
    if (this.#expect === "terminator") return this.#terminator(around ?? "top");
    if (around === "top") return this.#topItem();
    return around === "map" ? this.#mapItem() : this.#arrayItem();
  }

  /** A key at top level, or the end. */
  #topItem(): Token | undefined {
    const { cursor } = this;
    cursor.takeWhile((character) =>
      isBlank(character) || isNewline(character) || character === "{" || character === "}"
    );
    if (cursor.atEnd) return this.#token("end", "", cursor.position);
    if (this.#comment()) return undefined;
    const character = cursor.peek();
    if (character === "/") throw this.#errorAfter("Unexpected EOF.");
    if (isSeparator(character)) throw this.#errorAfter(`Unexpected key separator '${character}'`);
    return this.#keyToken("");
  }

  /** A key of a map, or its end. */
  #mapItem(): Token | undefined {
    const { cursor } = this;
    cursor.takeWhile((character) => isBlank(character) || isNewline(character));
    if (this.#comment()) return undefined;
    const character = cursor.take();
    switch (character) {
      case END:
        throw cursor.error("Unexpected EOF processing map.");
      case "}":
        return this.#close("map end");
      case "]":
        throw cursor.error("Unexpected array end ']' processing map.");
      case "/":
        return undefined;
      case ":":
      case "=":
        throw cursor.error(`Unexpected key separator '${character}'.`);
    }
    cursor.position -= character.length;
    return this.#keyToken(" processing map");
  }

  /** An element of an array, or its end. */
  #arrayItem(): Token | undefined {
    const { cursor } = this;
    cursor.takeWhile((character) => isBlank(character) || isNewline(character));
    if (this.#comment()) return undefined;
    const character = cursor.peek();
    if (character === "," || character === "/") throw this.#errorAfter("Unexpected array value terminator ','.");
    if (character === "]") {
      cursor.take();
      return this.#close("array end");
    }
    this.#expect = "value";
    return undefined;
  }

  /** What must stand behind a value. */
  #terminator(around: Surrounding): Token | undefined {
    const { cursor } = this;
    cursor.takeWhile(isBlank);
    if (this.#comment()) return undefined;
    const character = cursor.take();
    if (character === "/") return around === "top" ? undefined : this.#nextItem();
    if (around === "top") {
      if (character === END || isNewline(character) || ",;}".includes(character)) return this.#nextItem();
      throw cursor.error(terminatorExpected(around, character));
    }
    if (character === (around === "map" ? "}" : "]")) return this.#close(around === "map" ? "map end" : "array end");
    if (character === "," || isNewline(character) || (around === "map" && character === ";")) return this.#nextItem();
    throw cursor.error(terminatorExpected(around, character));
  }

  #nextItem(): undefined {
    this.#expect = "item";
    return undefined;
  }

  /** A bare or quoted key, or an include. */
  #keyToken(where: string): Token {
    const { cursor } = this;
    const quote = cursor.peek();
    if (quote === "'" || quote === '"') {
      const start = cursor.position + 1;
      cursor.take();
      const text = cursor.takeWhile((character) => character !== quote);
      if (cursor.atEnd) throw cursor.error(quotedKeyEof(where, quote));
      cursor.take();
      return this.#keyEnd(text, start);
    }
    const start = cursor.position;
    const text = cursor.takeWhile((character) =>
      !isBlank(character) && !isNewline(character) && !isSeparator(character)
    );
    if (/^include$/i.test(text) && (isBlank(cursor.peek()) || isNewline(cursor.peek()))) return this.#include(start);
    if (cursor.atEnd && where !== "") throw cursor.error(`Unexpected EOF${where} key.`);
    return this.#keyEnd(text, start);
  }

  /** Takes the separator. */
  #keyEnd(text: string, start: number): Token {
    const token = this.#token("key", text, start);
    const { cursor } = this;
    cursor.takeWhile((character) => isBlank(character) || isNewline(character));
    this.#separated = isSeparator(cursor.peek());
    if (this.#separated) cursor.take();
    this.#key = text;
    this.#expect = "value";
    return token;
  }

  #include(start: number): Token {
    const { cursor } = this;
    cursor.takeWhile(isBlank);
    const path = this.#includePath(cursor.peek());
    this.#expect = "terminator";
    return this.#token("include", path, start);
  }

  #includePath(first: string): string {
    const { cursor } = this;
    if (first === "'" || first === '"') {
      cursor.take();
      const path = cursor.takeWhile((character) => character !== first);
      if (cursor.atEnd) throw cursor.error(`Unexpected EOF in ${first === '"' ? "double " : ""}quoted include`);
      cursor.take();
      return path;
    }
    const found = INCLUDE_SURPRISES.get(isNewline(first) ? "\n" : isDigit(first) || first === "-" ? "0" : first);
    if (found !== undefined) throw this.#errorAfter(`Expected include value but found ${found}`);
    const path = cursor.takeWhile((character) =>
      !isBlank(character) && !isNewline(character) && !";}'".includes(character)
    );
    if (cursor.peek() === "'") cursor.take();
    return path;
  }

  /** The value at the cursor. */
  #value(): Token | undefined {
    const { cursor } = this;
    const around = this.#around.at(-1);
    cursor.takeWhile((character) => isBlank(character) || (around !== "top" && isNewline(character)));
    const start = cursor.position;
    if (cursor.atEnd && around === "top") return this.#emptyAtEnd();
    const character = cursor.peek();
    if (isNewline(character)) throw this.#errorAfter("Expected value but found new line");
    if (",;]}".includes(character) || cursor.atEnd) return this.#missingValue(around ?? "top", character);
    this.#expect = "terminator";
    switch (character) {
      case "[":
        return this.#open("array", "array start");
      case "{":
        return this.#open("map", "map start");
      case "'":
        cursor.take();
        return this.#token("string", scanRaw(cursor), start + 1);
      case '"':
        cursor.take();
        return this.#token("string", scanQuoted(cursor), start + 1);
      case "(":
        cursor.take();
        return this.#token("string", scanBlock(cursor), start + 1);
      case ".":
        throw this.#errorAfter("Floats must start with a digit");
      case "-": {
        cursor.take();
        const scanned = scanNegative(cursor);
        return this.#token(scanned.kind, scanned.text, start);
      }
    }
    const scanned = isDigit(character) ? scanNumber(cursor) : scanUnquoted(cursor);
    return this.#token(scanned.kind, scanned.text, start);
  }

  /** Nothing but the end behind a key: with a separator an empty string, without it a file that is cut off. */
  #emptyAtEnd(): Token {
    this.#expect = "terminator";
    return this.#token(this.#separated ? "string" : "end", "", this.cursor.position);
  }

  /**
   * A key without value is an empty string, except before the `}` of a map: there a lenient reader would give the key the
   * map around it, so it is an error that says so.
   */
  #missingValue(around: Surrounding, character: string): Token {
    this.#expect = "terminator";
    const { cursor } = this;
    if (around === "top" || character === ";") return this.#token("string", "", cursor.position);
    cursor.take();
    if (around === "map" && character === ",") throw cursor.error('Unexpected map value terminator ",".');
    if (around === "map" && character === "}") {
      throw cursor.error(`Expected a value for the key "${this.#key}", but got '}' instead.`);
    }
    throw cursor.error(terminatorExpected(around, character));
  }

  #open(around: "map" | "array", kind: TokenKind): Token {
    const start = this.cursor.position;
    this.cursor.take();
    if (this.#around.length >= MAX_DEPTH) {
      throw this.cursor.error(`Maps and arrays are nested deeper than ${MAX_DEPTH} levels`);
    }
    this.#around.push(around);
    this.#expect = "item";
    return this.#token(kind, "", start);
  }

  #close(kind: TokenKind): Token {
    this.#around.pop();
    this.#expect = "terminator";
    return this.#token(kind, "", this.cursor.position - 1);
  }

  /** Skips a comment that begins at the cursor. */
  #comment(): boolean {
    const { cursor } = this;
    const begins = cursor.peek() === "#" || (cursor.peek() === "/" && cursor.lookAhead(1) === "/");
    if (begins) cursor.takeWhile((character) => !isNewline(character));
    return begins;
  }

  #errorAfter(reason: string): Error {
    this.cursor.take();
    return this.cursor.error(reason);
  }

  #token(kind: TokenKind, text: string, offset: number): Token {
    return { kind, text, at: this.cursor.positionOf(offset) };
  }
}

const INCLUDE_SURPRISES = new Map([
  ["[", "start of an array"],
  ["{", "start of a map"],
  ["(", "start of a block"],
  ["0", "start of a number"],
  ["\\", "escape sequence"],
  ["\n", "new line"],
]);

function terminatorExpected(around: Surrounding, character: string): string {
  const found = `but got '${shown(character)}' instead.`;
  if (around === "top") return `Expected a top-level value to end with a new line, comment or EOF, ${found}`;
  return around === "map"
    ? `Expected a map value terminator "," or a map terminator "}", ${found}`
    : `Expected an array value terminator "," or an array terminator "]", ${found}`;
}

function quotedKeyEof(where: string, quote: string): string {
  if (where === "") return "Unexpected EOF.";
  return `Unexpected EOF${where.replace("map", quote === '"' ? "double quoted map key" : "quoted map key")}.`;
}

function isSeparator(character: string): boolean {
  return character === ":" || character === "=";
}
