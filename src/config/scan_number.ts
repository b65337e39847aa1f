/** Scans values that begin with a digit or a minus: integers with size suffixes, floats, dates, or unquoted text after all. */
import { type Cursor, END, isBlank, isNewline, shown } from "./cursor.ts";
import { scanUnquoted, type Unquoted } from "./scan_text.ts";

export interface Scanned {
  readonly kind: "integer" | "float" | "date" | Unquoted["kind"];
  readonly text: string;
}

/** Takes a value whose first character, a digit, stands at the cursor. */
export function scanNumber(cursor: Cursor): Scanned {
  const digits = takeDigits(cursor);
  const next = cursor.peek();
  if (endsInteger(next)) return { kind: "integer", text: digits };
  if (next === "-") return scanDate(cursor, digits);
  if (next === ".") return scanFraction(cursor, digits);
  if (/^[kmgtpe]$/i.test(next)) return scanSuffix(cursor, digits);
  return scanUnquoted(cursor, digits + cursor.take());
}

/** Takes a negative number; the cursor stands behind the minus. */
export function scanNegative(cursor: Cursor): Scanned {
  const first = cursor.take();
  if (first === ".") throw cursor.error("Floats must start with a digit, not '.'.");
  if (!isDigit(first)) throw cursor.error(`Expected a digit but got '${shown(first)}'.`);
  const digits = `-${first}${takeDigits(cursor)}`;
  const next = cursor.peek();
  if (next === ".") return scanFraction(cursor, digits);
  if (/^[kmgtpe]$/i.test(next)) return size(cursor, digits + takeSuffix(cursor));
  return { kind: "integer", text: digits };
}

/** A size suffix, unless something follows that makes the whole an unquoted string. */
function scanSuffix(cursor: Cursor, digits: string): Scanned {
  const text = digits + takeSuffix(cursor);
  const next = cursor.peek();
  return endsInteger(next) || isDigit(next) ? size(cursor, text) : scanUnquoted(cursor, text);
}

function takeSuffix(cursor: Cursor): string {
  return cursor.take() + cursor.takeWhile((character) => /^[bi]$/i.test(character));
}

/** A size whose suffix means nothing would leave its key without a value: an error here says where. */
function size(cursor: Cursor, text: string): Scanned {
  if (/[kmgtpe](?:|b|i|ib)$/i.test(text)) return { kind: "integer", text };
  throw cursor.error(
    `Unknown size suffix in ${text}; use k, m, g, t, p or e (powers of 1000), or kb, mb and so on (powers of 1024)`,
  );
}

/** `.` and digits; a second `.` makes it an address. */
function scanFraction(cursor: Cursor, digits: string): Scanned {
  cursor.take();
  const first = cursor.take();
  if (!isDigit(first)) {
    throw cursor.error(`Floats must have a digit after the '.', but got '${shown(first)}' instead.`);
  }
  const fraction = first + takeDigits(cursor);
  if (cursor.peek() !== ".") return { kind: "float", text: `${digits}.${fraction}` };
  const rest = cursor.takeWhile((character) => isDigit(character) || ".:-".includes(character));
  return { kind: "string", text: `${digits}.${fraction}${rest}` };
}

const DATE_FORM = "dddd-dd-ddTdd:dd:ddZ";

/** The rest of a date; the cursor stands on the first `-`. */
function scanDate(cursor: Cursor, year: string): Scanned {
  if (year.length !== 4) {
    cursor.take();
    throw cursor.error("All ISO8601 dates must be in full Zulu form.");
  }
  let text = year;
  for (const expected of DATE_FORM.slice(4)) {
    const character = cursor.take();
    if (expected === "d" ? !isDigit(character) : character !== expected) throw dateError(cursor, expected, character);
    text += character;
  }
  return { kind: "date", text };
}

function dateError(cursor: Cursor, expected: string, character: string): Error {
  if (expected === "d") {
    return cursor.error(`Expected digit in ISO8601 datetime, but found '${shown(character)}' instead.`);
  }
  return cursor.error(`Expected '${expected}' in ISO8601 datetime, but found '${shown(character)}' instead.`);
}

function takeDigits(cursor: Cursor): string {
  return cursor.takeWhile(isDigit);
}

export function isDigit(character: string): boolean {
  return character.length === 1 && character >= "0" && character <= "9";
}

function endsInteger(character: string): boolean {
  return character === END || isBlank(character) || isNewline(character) || ",;}".includes(character);
}
