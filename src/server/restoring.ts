/** Brings the message store up to what a snapshot names, from messages that other nodes hold. */
import { assert } from "../protocol/assert.ts";
import type { MessageSource } from "../ports/journal.ts";
import type { MessageLog } from "../ports/store.ts";
import { UNLIMITED } from "../protocol/limits.ts";
import { isLater, type Sequence } from "../protocol/units.ts";
import type { ChannelSnapshot } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";
import { splitStored } from "./stored_form.ts";

/** What is known of the channels that the store holds. */
export interface Judgement {
  /** It is an earlier channel of that name. */
  outdated(channel: string): boolean;
  /** Up to which message it is what was agreed upon; `undefined` where this node knows no such channel. */
  certain(channel: string): Sequence | undefined;
  /** Nobody can tell here whose messages the others are; a channel that was found to agree is taken out. */
  readonly doubted: Set<string>;
}

/**
 * Makes the store hold every channel of the snapshot from its first to its last message, and no other channel that this node knows or
 * doubts: one that it has not heard of yet may have been made since. Messages at hand are kept, where they are in doubt only
 * if other nodes hold the same; a hole is filled from `source`. Going on after a failure starts where the store ends.
 * Leaves every channel without limits.
 */
export async function restoreMessages(
  channels: readonly ChannelSnapshot[],
  judgement: Judgement,
  source: MessageSource,
  recorder: Recorder,
): Promise<void> {
  const named = new Set(channels.map(({ name }) => name));
  const { outdated, certain, doubted } = judgement;
  for (const name of [...recorder.channels.keys()]) {
    const isGone = !named.has(name) && (doubted.has(name) || certain(name) !== undefined);
    if (isGone || outdated(name)) await recorder.deleteChannel(name);
  }
  for (const channel of channels) {
    if (doubted.has(channel.name)) await settleDoubt(channel, certain(channel.name), source, recorder);
    doubted.delete(channel.name);
    await recorder.createChannel({ kind: "create channel", channel: channel.name });
    // What the limits had left when the snapshot was taken is told by the snapshot.
    recorder.limit(channel.name, UNLIMITED);
    await fill(channel, source, recorder);
    recorder.evictBefore(channel.name, beginning(channel));
  }
}

/** Drops what is in doubt, the messages after `certain`, unless other nodes hold the same. */
async function settleDoubt(
  { name, incarnation }: ChannelSnapshot,
  certain: Sequence | undefined,
  source: MessageSource,
  recorder: Recorder,
): Promise<void> {
  const messages = recorder.channels.get(name)?.messages;
  if (messages === undefined) return;
  const from = Math.max(messages.first, (certain ?? 0) + 1);
  if (messages.count > 0 && from <= messages.last) {
    if (await source.agrees(name, incarnation, from, messages.last)) return;
  }
  if (certain === undefined) await recorder.deleteChannel(name);
  else await messages.forgetAfter(certain);
}

/**
 * Messages from the end of the store to the end of the snapshot. Where the beginning of that range has expired everywhere,
 * what the store holds is older still and is dropped; where messages are lost, what is before them is kept.
 */
async function fill(channel: ChannelSnapshot, source: MessageSource, recorder: Recorder): Promise<void> {
  const { messages } = recorder.channels.get(channel.name)!;
  if (messages.last >= channel.last) return;
  const from = Math.max(messages.last + 1, beginning(channel), 1);
  if (from > messages.last + 1) restart(messages, from);
  await source.fetch(channel.name, channel.incarnation, from, channel.last, {
    take(sequence, buffer, start, end) {
      if (sequence > messages.last + 1) messages.skipTo(sequence);
      const { timestamp, fieldsStart, fieldsEnd } = splitStored(buffer, start, end);
      messages.append(sequence, timestamp, buffer, fieldsStart, fieldsEnd);
    },
    expired: (before) => restart(messages, before),
  });
  if (messages.last < channel.last) messages.skipTo(channel.last + 1);
  await messages.flush();
}

/** The first message that the state of the snapshot still knows. */
function beginning({ first, expiredBefore }: ChannelSnapshot): Sequence {
  return Math.max(first, expiredBefore);
}

/** Empties a log so that `sequence` comes next. Local stores do that at once. */
function restart(messages: MessageLog, sequence: Sequence): void {
  assert(!isLater(messages.empty(sequence)), "a store that empties later cannot be restored into");
}
