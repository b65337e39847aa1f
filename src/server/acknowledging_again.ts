/**
 * Acknowledgements that may have died with an earlier leader, given again a little each turn: there can be a million of
 * them, and few are waited for (spec clustering, section 5.6, F1).
 */
import type { Clock } from "../ports/clock.ts";
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { doInTurns } from "./in_turns.ts";

/** Messages acknowledged in one step. */
const STEP = 16;

/** Acknowledges the last of these batches first: the younger a publish, the likelier its publisher waits. Ends early when `isOver`. */
export function acknowledgeAgain(
  batches: readonly PackedMessages[],
  acknowledge: (messages: PackedMessages) => void,
  clock: Clock,
  isOver: () => boolean,
): void {
  let batch = batches.length - 1;
  let from = 0;
  const step = () => {
    if (batch < 0 || isOver()) return false;
    const messages = batches[batch]!;
    const to = Math.min(from + STEP, messages.count);
    acknowledge(part(messages, from, to));
    from = to;
    if (to === messages.count) {
      batch--;
      from = 0;
    }
    return true;
  };
  void doInTurns(step, clock);
}

function part({ bytes, bounds }: PackedMessages, from: number, to: number): PackedMessages {
  return { count: to - from, bytes, bounds: bounds.subarray(from * MARKS, to * MARKS) };
}
