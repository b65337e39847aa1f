/** Which message a subscription wants first (spec streaming, section 5.2). */
import { StartPosition, type SubscriptionRequest } from "../protocol/client_messages.ts";
import type { Start } from "../protocol/operations.ts";
import type { Nanos, Sequence } from "../protocol/units.ts";

type Wanted = Pick<SubscriptionRequest, "startPosition" | "startSequence" | "startTimeDelta">;

/** The time whose sequence must be looked up before this request can be admitted; `undefined` for most. */
export function startTime(request: Wanted, wall: Nanos): Nanos | undefined {
  if (request.startPosition !== StartPosition.timeDelta || request.startTimeDelta <= 0n) return undefined;
  return wall - request.startTimeDelta;
}

/**
 * The start that every replica resolves to the same sequence. `first`: the store's first sequence, 0 when nothing was ever
 * stored and above its last when everything is gone; `atTime`: the sequence found for {@link startTime}.
 */
export function startOf(request: Wanted, first: Sequence, atTime: Sequence): Start {
  switch (request.startPosition) {
    case StartPosition.lastReceived:
      return { kind: "last" };
    case StartPosition.first:
      return from(first);
    case StartPosition.sequence:
      return from(Math.max(request.startSequence, first));
    case StartPosition.timeDelta:
      if (request.startTimeDelta <= 0n) return { kind: "new" };
      return from(Math.max(atTime, first));
    default:
      return { kind: "new" };
  }
}

function from(sequence: Sequence): Start {
  return { kind: "sequence", sequence: Math.max(1, sequence) };
}
