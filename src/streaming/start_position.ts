/** Which message a subscription wants first (spec streaming, section 5.2). */
import { StartPosition, type SubscriptionRequest } from "../protocol/client_messages.ts";
import type { Start } from "../protocol/operations.ts";
import type { Nanos, Sequence } from "../protocol/units.ts";

/** A channel's store as far as start positions depend on it. */
export interface ChannelBounds {
  /** 0 when nothing was ever stored, `last + 1` when everything is gone. */
  readonly first: Sequence;
  /** The sequence found for {@link startTime}, where that asks for one. */
  readonly atTime?: Sequence;
}

type Wanted = Pick<SubscriptionRequest, "startPosition" | "startSequence" | "startTimeDelta">;

/** The time whose sequence must be looked up before this request can be admitted; `undefined` for most. */
export function startTime(request: Wanted, wall: Nanos): Nanos | undefined {
  if (request.startPosition !== StartPosition.timeDelta || request.startTimeDelta <= 0n) return undefined;
  return wall - request.startTimeDelta;
}

/** The start that every replica resolves to the same sequence. */
export function startOf(request: Wanted, bounds: ChannelBounds): Start {
  switch (request.startPosition) {
    case StartPosition.lastReceived:
      return { kind: "last" };
    case StartPosition.first:
      return from(bounds.first);
    case StartPosition.sequence:
      return from(Math.max(request.startSequence, bounds.first));
    case StartPosition.timeDelta:
      if (request.startTimeDelta <= 0n) return { kind: "new" };
      return from(Math.max(bounds.atTime ?? 0, bounds.first));
    default:
      return { kind: "new" };
  }
}

function from(sequence: Sequence): Start {
  return { kind: "sequence", sequence: Math.max(1, sequence) };
}
