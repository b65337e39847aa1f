/** The time of an index entry in memory (spec stores, section 3.7). */
import type { Nanos } from "../protocol/units.ts";

/** The time of the entry at word `at`. */
export function entryTime(words: Uint32Array, at: number): Nanos {
  return BigInt.asIntN(64, (BigInt(words[at + 5]!) << 32n) | BigInt(words[at + 4]!));
}
