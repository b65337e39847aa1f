/** What became of operations of which some found no room in the store, and were given again. */
import type { Outcome } from "../protocol/outcomes.ts";

/** Outcomes by place; missing where there is none yet. */
export type Known = readonly (Outcome | undefined)[];

/** The outcomes of all operations, from those known `before` and those that came now. */
export function merged(before: Known | undefined, now: readonly Outcome[]): readonly Outcome[] {
  let at = 0;
  return before?.map((outcome) => outcome ?? now[at++]!) ?? now;
}
