/**
 * Messages that are applied when the store holds their sequences already. After a crash the log is applied again from its
 * snapshot on, and they are the same. They need not be where a store outlived the end of its log, because power was lost
 * without syncing or an older log was put back: then what is agreed upon now counts (spec clustering, section 11.7, P8).
 */
import { type MessageLog, StoreFailed } from "../ports/store.ts";
import { MARKS, type Publish } from "../protocol/operations.ts";
import { type Awaitable, isLater, type Nanos, type Sequence } from "../protocol/units.ts";
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
export function firstDifference(messages: MessageLog, agreed: Agreed): Awaitable<Sequence | undefined> {
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
    const fields = buffer.subarray(stored.fieldsStart, stored.fieldsEnd);
    if (sequence !== next || stored.timestamp !== time || !isMessage(fields, publish, kept[next - first]!)) {
      return false;
    }
    next++;
    return true;
  };
  const judge = () => next <= to ? next : undefined;
  const failed = (error: unknown): Sequence => {
    if (error instanceof StoreFailed && error.code === "corrupt") return next;
    throw error;
  };
  try {
    if (isNewer(messages, first, time)) return first;
    // The one before tells below which time these are not.
    const read = messages.read(first - 1, to, Number.MAX_SAFE_INTEGER, compare);
    return isLater(read) ? read.then(judge, failed) : judge();
  } catch (error) {
    return failed(error);
  }
}

/** Whether a message under `sequence` is none of those that were evicted there: it is younger than any of them can be. */
function isNewer(messages: MessageLog, sequence: Sequence, time: Nanos): boolean {
  if (sequence >= messages.first) return false;
  let youngest = messages.lastTimestamp;
  if (messages.count > 0) {
    messages.read(messages.first, messages.first, 1, (_sequence, buffer, start, end) => {
      youngest = splitStored(buffer, start, end).timestamp;
      return true;
    });
  }
  return youngest > 0n && time > youngest;
}

function keptOf({ publish: { messages }, skipped }: Agreed): number[] {
  const kept: number[] = [];
  for (let i = 0; i < messages.count; i++) if (!skipped.includes(i)) kept.push(i);
  return kept;
}

function isMessage(fields: Uint8Array, { messages: { bytes, bounds } }: Publish, i: number): boolean {
  const start = bounds[i * MARKS]!;
  if (bounds[i * MARKS + 1]! - start !== fields.length) return false;
  return fields.every((byte, at) => byte === bytes[start + at]);
}
