/** Scans the values that are text: quoted, raw, unquoted and block strings. */
import { type Cursor, END, isBlank, isNewline, shown } from "./cursor.ts";

/** What an unquoted value turned out to be. */
export interface Unquoted {
  readonly kind: "string" | "bool" | "variable";
  readonly text: string;
}

/** Takes a raw string; the cursor stands behind its opening `'`. */
export function scanRaw(cursor: Cursor): string {
  const text = cursor.takeWhile((character) => character !== "'");
  if (cursor.atEnd) throw cursor.error("Unexpected EOF.");
  cursor.take();
  return text;
}

/** Takes a string with escapes; the cursor stands behind its opening `"`. */
export function scanQuoted(cursor: Cursor): string {
  const parts = new TextParts();
  while (!cursor.atEnd) {
    const character = cursor.take();
    if (character === '"') return parts.toString();
    if (character === "\\") scanEscape(cursor, parts);
    else parts.add(character);
  }
  throw cursor.error("Unexpected EOF.");
}

/**
 * Takes an unquoted value, of which `begun` was taken already. It ends before a blank, newline, `,` `;` `]` `}` or the end
 * of the text, or with a `'`, which belongs to nothing.
 */
export function scanUnquoted(cursor: Cursor, begun = ""): Unquoted {
  const parts = new TextParts();
  parts.add(begun);
  let escaped = false;
  while (!cursor.atEnd) {
    const character = cursor.peek();
    if (endsUnquoted(character)) break;
    cursor.take();
    if (character === "'") break;
    if (character === "\\") {
      escaped = true;
      scanEscape(cursor, parts);
    } else parts.add(character);
  }
  const text = parts.toString();
  if (escaped || begun !== "") return { kind: "string", text };
  if (isBoolean(text)) return { kind: "bool", text };
  if (text.startsWith("$")) return { kind: "variable", text: text.slice(1) };
  return { kind: "string", text };
}

/**
 * Takes a block string; the cursor stands behind its opening `(`. It ends at a `)` that stands alone on its line and keeps
 * the newlines on both sides.
 */
export function scanBlock(cursor: Cursor): string {
  const start = cursor.position;
  while (!cursor.atEnd) {
    const character = cursor.take();
    if (character !== ")" || !aloneOnLine(cursor, start)) continue;
    return cursor.text.slice(start, cursor.position - 1);
  }
  throw cursor.error("Unexpected EOF processing block.");
}

/** Whether the `)` just taken has its line for itself, or ends the text. */
function aloneOnLine(cursor: Cursor, start: number): boolean {
  const at = cursor.position - 1;
  if (at === start || cursor.text[at - 1] !== "\n") return false;
  return cursor.atEnd || cursor.lookAhead(0) === "\n" || (cursor.lookAhead(0) === "\r" && cursor.lookAhead(1) === "\n");
}

function endsUnquoted(character: string): boolean {
  return isBlank(character) || isNewline(character) || ",;]}".includes(character);
}

function isBoolean(text: string): boolean {
  return /^(?:true|false|yes|no|on|off)$/i.test(text);
}

const ESCAPES = new Map([["t", "\t"], ["n", "\n"], ["r", "\r"], ['"', '"'], ["\\", "\\"]]);

/** Takes what follows a backslash. */
function scanEscape(cursor: Cursor, parts: TextParts): void {
  const character = cursor.take();
  const plain = ESCAPES.get(character);
  if (plain !== undefined) {
    parts.add(plain);
    return;
  }
  if (character !== "x") {
    throw cursor.error(
      `Invalid escape character '${shown(character)}'. Only the following escape characters are allowed: ` +
        '\\xXX, \\t, \\n, \\r, \\", \\\\.',
    );
  }
  const digits = cursor.take() + cursor.take();
  if (digits.includes(END) || digits.includes("\n")) {
    throw cursor.error("Expected two hexadecimal digits after '\\x', but hit end of line");
  }
  if (!/^[0-9a-fA-F]{2}$/.test(digits)) {
    throw cursor.error(`Expected two hexadecimal digits after '\\x', but got '${digits}'`);
  }
  parts.addByte(Number.parseInt(digits, 16));
}

/** Text put together from characters and from single bytes of UTF-8. */
class TextParts {
  #text = "";
  #bytes: number[] = [];

  add(text: string): void {
    this.#settle();
    this.#text += text;
  }

  addByte(byte: number): void {
    this.#bytes.push(byte);
  }

  toString(): string {
    this.#settle();
    return this.#text;
  }

  #settle(): void {
    if (this.#bytes.length === 0) return;
    this.#text += new TextDecoder().decode(Uint8Array.from(this.#bytes));
    this.#bytes = [];
  }
}
