/**
 * Acknowledgements that may have died with an earlier leader, given again a little each turn: there can be a million of
 * them, and few are waited for (spec clustering, section 5.6, F1).
 */
import type { Clock } from "../ports/clock.ts";
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import type { Awaitable } from "../protocol/units.ts";
import { doInTurns } from "./in_turns.ts";

/** Messages acknowledged in one step. */
const STEP = 16;
/** Steps that are done at once: the younger a publish, the likelier its publisher waits. */
const AT_ONCE = 32;

export interface AgainOptions {
  readonly clock: Clock;
  /** What everybody waits for: the rest comes after it. */
  readonly answered: Awaitable<void>;
  /** Whether another server may lead: nothing is acknowledged any more. */
  readonly isOver: () => boolean;
}

/** Acknowledges all of `batches`, which go from old to young, from the youngest on. */
export async function acknowledgeAgain(
  batches: readonly PackedMessages[],
  acknowledge: (messages: PackedMessages) => void,
  { clock, answered, isOver }: AgainOptions,
): Promise<void> {
  let batch = batches.length - 1;
  let left = batches[batch]?.count ?? 0;
  const step = () => {
    if (batch < 0 || isOver()) return false;
    const from = Math.max(0, left - STEP);
    acknowledge(part(batches[batch]!, from, left));
    left = from;
    if (left === 0) left = batches[--batch]?.count ?? 0;
    return true;
  };
  for (let i = 0; i < AT_ONCE; i++) if (!step()) return;
  await answered;
  await doInTurns(step, clock);
}

function part({ bytes, bounds }: PackedMessages, from: number, to: number): PackedMessages {
  return { count: to - from, bytes, bounds: bounds.subarray(from * MARKS, to * MARKS) };
}
