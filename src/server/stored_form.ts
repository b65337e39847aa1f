/** Where things stand in a message as it is stored (MsgProto; spec stores, section 3.6). */
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { VarintReader } from "../protocol/varint.ts";

/** Tags of a stored message's fields. */
const SUBJECT = 0x12;
const REPLY = 0x1a;
const DATA = 0x22;
const TIMESTAMP = 0x28;

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

/** Stored messages' fields 2 to 4 as messages to be agreed upon, of nobody who waits for an acknowledgement. */
export function packStored(parts: readonly Uint8Array[]): PackedMessages {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  const bounds = new Int32Array(parts.length * MARKS);
  let at = 0;
  parts.forEach((part, i) => {
    bounds[i * MARKS] = at;
    bytes.set(part, at);
    at += part.length;
    bounds.fill(at, i * MARKS + 1, (i + 1) * MARKS);
  });
  return { count: parts.length, bytes, bounds };
}
