/** Where things stand in a message as it is stored (MsgProto; spec stores, section 3.6). */
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
