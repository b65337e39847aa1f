/**
 * Messages that are applied when the store holds their sequences already. After a crash the log is applied again from its
 * snapshot on, and they are the same. They need not be where a store outlived the end of its log, because power was lost
 * without syncing or an older log was put back: then what is agreed upon now counts (spec clustering, section 11.7, P8).
 */
import { type MessageLog, type MessageVisitor, StoreFailed } from "../ports/store.ts";
import { assert } from "../protocol/assert.ts";
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { sameBytes } from "../protocol/publish_request.ts";
import { isLater, type Nanos, type Sequence } from "../protocol/units.ts";
import { splitStored } from "./stored_form.ts";

/** Messages that were agreed upon, under consecutive sequences from `first` on, all of one time. */
export interface Agreed {
  readonly channel: string;
  readonly messages: PackedMessages;
  readonly first: Sequence;
  readonly time: Nanos;
}

/**
 * The first of these messages' sequences, up to the log's last one, under which the log does not hold the same; `undefined`
 * where there is none. What cannot be read is not the same. What was evicted cannot be compared, but for its time. Throws StoreFailed.
 */
export function firstDifference(messages: MessageLog, agreed: Agreed): Sequence | undefined {
  const { first, time, messages: { count, bytes, bounds } } = agreed;
  const to = Math.min(first + count - 1, messages.last);
  let next = Math.max(first, messages.first);
  const compare = (sequence: Sequence, buffer: Uint8Array, start: number, end: number): boolean => {
    const stored = splitStored(buffer, start, end);
    if (sequence !== next || stored.timestamp !== time) return false;
    const mark = (next - first) * MARKS;
    if (!sameBytes(buffer, stored.fieldsStart, stored.fieldsEnd, bytes, bounds[mark]!, bounds[mark + 1]!)) return false;
    next++;
    return true;
  };
  try {
    if (isNewer(messages, first, time)) return first;
    readNow(messages, first, to, compare);
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
