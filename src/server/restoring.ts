/** Brings the message store up to what a snapshot names, from messages that other nodes hold. */
import type { MessageSource } from "../ports/journal.ts";
import { MsgProto } from "../protocol/client_messages.ts";
import type { Sequence } from "../protocol/units.ts";
import type { Recorder } from "./recorder.ts";

/** A channel as a snapshot names it. */
export interface SnapshotChannel {
  readonly channel: string;
  readonly incarnation: number;
  readonly first: Sequence;
  readonly last: Sequence;
}

/**
 * Makes the store hold every channel of the snapshot up to its last message, and no other channel. Messages at hand are
 * kept; a hole is filled from `source`. Going on after a failure starts where the store ends.
 */
export async function restoreMessages(
  channels: readonly SnapshotChannel[],
  outdated: (channel: string) => boolean,
  source: MessageSource,
  recorder: Recorder,
): Promise<void> {
  const named = new Set(channels.map(({ channel }) => channel));
  for (const name of [...recorder.channels.keys()]) {
    if (!named.has(name) || outdated(name)) await recorder.deleteChannel(name);
  }
  for (const channel of channels) {
    await recorder.createChannel({ kind: "create channel", channel: channel.channel });
    await fill(channel, source, recorder);
  }
}

async function fill(channel: SnapshotChannel, source: MessageSource, recorder: Recorder): Promise<void> {
  const { messages } = recorder.channels.get(channel.channel)!;
  if (messages.last >= channel.last) return;
  const from = Math.max(messages.last + 1, channel.first, 1);
  let next = from;
  const append = (sequence: Sequence, buffer: Uint8Array, start: number, end: number): boolean => {
    if (sequence > next && next === from) emptyBefore(sequence);
    const { timestamp, fieldsStart, fieldsEnd } = splitStored(buffer, start, end);
    messages.append(sequence, timestamp, buffer, fieldsStart, fieldsEnd);
    next = sequence + 1;
    return true;
  };
  const emptyBefore = (sequence: Sequence) => {
    if (messages.last + 1 < sequence) messages.evictBefore(messages.last + 1);
  };
  const first = await source.fetch(channel.channel, channel.incarnation, from, channel.last, append);
  await messages.flush();
  if (next <= channel.last || first > channel.last) await messages.empty(channel.last + 1);
}

/** Where the fields 2 to 4 of a stored message stand, and its timestamp. */
export function splitStored(
  buffer: Uint8Array,
  start: number,
  end: number,
): { timestamp: bigint; fieldsStart: number; fieldsEnd: number } {
  const { timestamp } = MsgProto.decode(buffer, start, end);
  let at = start;
  if (buffer[at] === 0x08) { for (at++; buffer[at++]! >= 0x80;); }
  const fieldsStart = at;
  while (at < end && (buffer[at] === 0x12 || buffer[at] === 0x1a || buffer[at] === 0x22)) {
    let length = 0;
    let scale = 1;
    let byte: number;
    at++;
    do {
      byte = buffer[at++]!;
      length += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    at += length;
  }
  return { timestamp, fieldsStart, fieldsEnd: at };
}
