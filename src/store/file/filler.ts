/** What stands in the place of messages that a file log was never given (spec stores, section 3.6). */
import { writeVarint } from "../../protocol/varint.ts";

const SUBJECT_TAG = 0x12;

/** MsgProto field 2 of `channel`: all that a message holds which fills a gap. */
export function fillerOf(channel: string): Uint8Array {
  const subject = new TextEncoder().encode(channel);
  const head = new Uint8Array(6);
  head[0] = SUBJECT_TAG;
  const headLength = writeVarint(head, 1, subject.length);
  const filler = new Uint8Array(headLength + subject.length);
  filler.set(head.subarray(0, headLength));
  filler.set(subject, headLength);
  return filler;
}
