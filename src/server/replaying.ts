/**
 * Messages that are applied when the store holds their sequences already. After a crash the log is applied again from its
 * snapshot on, and they are the same. They need not be where a store outlived the end of its log, because power was lost
 * without syncing or an older log was put back: then what is agreed upon now counts (spec clustering, section 11.7, P8).
 */
import { type MessageLog, type MessageVisitor, StoreFailed } from "../ports/store.ts";
import { assert } from "../protocol/assert.ts";
import { MARKS, type Publish } from "../protocol/operations.ts";
import { sameBytes } from "../protocol/publish_request.ts";
import { isLater, type Nanos, type Sequence } from "../protocol/units.ts";
import { splitStored } from "./stored_form.ts";

/** Messages that were agreed upon, under consecutive sequences. */
export interface Agreed {
  readonly publish: Publish;
  readonly first: Sequence;
  /** Indexes of the publish's messages that get none. */
  readonly skipped: readonly number[];
  /** The agreed time of the channel's last message before the batch that this publish is a part of. */
  readonly notBefore: Nanos;
}

/**
 * The first of these messages' sequences, up to the log's last one, under which the log does not hold the same; `undefined`
 * where there is none. What cannot be read is not the same. What was evicted cannot be compared, but for its time. Throws StoreFailed.
 */
export function firstDifference(messages: MessageLog, agreed: Agreed): Sequence | undefined {
  const { first, notBefore, publish } = agreed;
  const kept = keptOf(agreed);
  const to = Math.min(first + kept.length - 1, messages.last);
  let time = publish.time > notBefore ? publish.time : notBefore;
  let next = Math.max(first, messages.first);
  const compare = (sequence: Sequence, buffer: Uint8Array, start: number, end: number): boolean => {
    const stored = splitStored(buffer, start, end);
    if (sequence < first) {
      if (stored.timestamp > time) time = stored.timestamp;
      return true;
    }
    if (sequence !== next || stored.timestamp !== time) return false;
    const { messages: { bytes, bounds } } = publish;
    const mark = kept[next - first]! * MARKS;
    if (!sameBytes(buffer, stored.fieldsStart, stored.fieldsEnd, bytes, bounds[mark]!, bounds[mark + 1]!)) return false;
    next++;
    return true;
  };
  try {
    if (isNewer(messages, first, time)) return first;
    // The one before tells below which time these are not.
    readNow(messages, first - 1, to, compare);
  } catch (error) {
    if (!(error instanceof StoreFailed && error.code === "corrupt")) throw error;
  }
  return next <= to ? next : undefined;
}

/** Whether a message under `sequence` is none of those that were evicted there: it is younger than any of them can be. */
function isNewer(messages: MessageLog, sequence: Sequence, time: Nanos): boolean {
  const { first, count, lastTimestamp } = messages;
  if (sequence >= first) return false;
  let youngest = lastTimestamp;
  if (count > 0) {
    readNow(messages, first, first, (_sequence, buffer, start, end) => {
      youngest = splitStored(buffer, start, end).timestamp;
      return true;
    });
  }
  return youngest > 0n && time > youngest;
}

/** Local stores read at once. */
function readNow(messages: MessageLog, from: Sequence, to: Sequence, visit: MessageVisitor): void {
  const read = messages.read(from, to, Number.MAX_SAFE_INTEGER, visit);
  assert(!isLater(read), "a store that reads later cannot be compared with");
}

function keptOf({ publish: { messages }, skipped }: Agreed): number[] {
  const kept: number[] = [];
  for (let i = 0; i < messages.count; i++) if (!skipped.includes(i)) kept.push(i);
  return kept;
}
