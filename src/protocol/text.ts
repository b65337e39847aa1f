/**
 * Short texts in UTF-8. A call of the runtime's encoder costs more than the letters of a name: what is short and ASCII is
 * copied here, and names that come again and again are recognised instead of being made anew.
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longer texts are left to the runtime. */
const SHORT = 64;
/** How many texts are remembered, a power of two. */
const SLOTS = 512;

const known: string[] = new Array<string>(SLOTS).fill("");

/** Writes `text` at `at`, where its bytes must fit (three for each unit always do), and returns the offset behind it. */
export function encodeText(text: string, into: Uint8Array, at: number): number {
  const { length } = text;
  if (length > SHORT) return encodeLong(text, into, at);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return encodeLong(text, into, at);
    into[at + i] = unit;
  }
  return at + length;
}

function encodeLong(text: string, into: Uint8Array, at: number): number {
  return at + encoder.encodeInto(text, into.subarray(at)).written;
}

/** The text of `bytes[start, end)`; what is not UTF-8 becomes U+FFFD. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return "";
  if (length > SHORT) return decoder.decode(bytes.subarray(start, end));
  let hash = length;
  for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + bytes[i]! | 0;
  const slot = (hash ^ (hash >>> 9) ^ (hash >>> 18)) & (SLOTS - 1);
  const text = known[slot]!;
  if (isText(text, bytes, start, length)) return text;
  return known[slot] = decoder.decode(bytes.subarray(start, end));
}

/** Only what is ASCII compares equal. */
function isText(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i]!;
    if (byte >= 0x80 || text.charCodeAt(i) !== byte) return false;
  }
  return true;
}
