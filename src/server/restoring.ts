/** Brings the message store up to what a snapshot names, from messages that other nodes hold. */
import { assert } from "../protocol/assert.ts";
import type { MessageSource } from "../ports/journal.ts";
import type { MessageLog } from "../ports/store.ts";
import { UNLIMITED } from "../protocol/limits.ts";
import { VarintReader } from "../protocol/varint.ts";
import { isLater, type Sequence } from "../protocol/units.ts";
import type { ChannelSnapshot } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";

/** Tags of a stored message's fields. */
const SUBJECT = 0x12;
const REPLY = 0x1a;
const DATA = 0x22;
const TIMESTAMP = 0x28;

/** What is known of the channels that the store holds. */
export interface Judgement {
  /** It is an earlier channel of that name. */
  outdated(channel: string): boolean;
  /** Nobody can tell here whose messages these are; a channel that was found to agree is taken out. */
  readonly doubted: Set<string>;
}

/**
 * Makes the store hold every channel of the snapshot from its first to its last message, and no other channel. Messages at
 * hand are kept, where they are in doubt only if other nodes hold the same; a hole is filled from `source`. Going on after a failure
 * starts where the store ends. Leaves every channel without limits.
 */
export async function restoreMessages(
  channels: readonly ChannelSnapshot[],
  { outdated, doubted }: Judgement,
  source: MessageSource,
  recorder: Recorder,
): Promise<void> {
  const named = new Set(channels.map(({ name }) => name));
  for (const name of [...recorder.channels.keys()]) {
    if (!named.has(name) || outdated(name)) await recorder.deleteChannel(name);
  }
  for (const channel of channels) {
    if (doubted.has(channel.name) && !await agrees(channel, source, recorder)) {
      await recorder.deleteChannel(channel.name);
    }
    doubted.delete(channel.name);
    await recorder.createChannel({ kind: "create channel", channel: channel.name });
    // What the limits had left when the snapshot was taken is told by the snapshot.
    recorder.limit(channel.name, UNLIMITED);
    await fill(channel, source, recorder);
    recorder.evictBefore(channel.name, beginning(channel));
  }
}

async function agrees(channel: ChannelSnapshot, source: MessageSource, recorder: Recorder): Promise<boolean> {
  const messages = recorder.channels.get(channel.name)?.messages;
  if (messages === undefined || messages.count === 0) return false;
  return await source.agrees(channel.name, channel.incarnation, messages.first, messages.last);
}

/**
 * Messages from the end of the store to the end of the snapshot. Where the beginning of that range has expired everywhere,
 * what the store holds is older still and is dropped, so that no hole remains.
 */
async function fill(channel: ChannelSnapshot, source: MessageSource, recorder: Recorder): Promise<void> {
  const { messages } = recorder.channels.get(channel.name)!;
  if (messages.last >= channel.last) return;
  const from = Math.max(messages.last + 1, beginning(channel), 1);
  const append = (sequence: Sequence, buffer: Uint8Array, start: number, end: number): boolean => {
    if (sequence > messages.last + 1) restart(messages, sequence);
    const { timestamp, fieldsStart, fieldsEnd } = splitStored(buffer, start, end);
    messages.append(sequence, timestamp, buffer, fieldsStart, fieldsEnd);
    return true;
  };
  await source.fetch(channel.name, channel.incarnation, from, channel.last, append);
  if (messages.last < channel.last) restart(messages, channel.last + 1);
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

const reader = new VarintReader();

/** Where the fields 2 to 4 of a stored message stand, and its timestamp. Throws Malformed. */
export function splitStored(
  buffer: Uint8Array,
  start: number,
  end: number,
): { timestamp: bigint; fieldsStart: number; fieldsEnd: number } {
  let timestamp = 0n;
  let fieldsStart = -1;
  let fieldsEnd = -1;
  reader.reset(buffer, start, end);
  while (!reader.done) {
    const at = reader.at;
    const tag = reader.readNumber();
    if (tag === TIMESTAMP) timestamp = reader.readInt64();
    else reader.skip(tag & 7);
    if (tag !== SUBJECT && tag !== REPLY && tag !== DATA) continue;
    if (fieldsStart < 0) fieldsStart = at;
    fieldsEnd = reader.at;
  }
  if (fieldsStart < 0) fieldsStart = fieldsEnd = start;
  return { timestamp, fieldsStart, fieldsEnd };
}
