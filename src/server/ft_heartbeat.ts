/** The activation time that fault tolerance heartbeats carry: Go's binary time (spec streaming, section 9.5). */
import type { Nanos } from "../protocol/units.ts";

const LENGTH = 15;
const VERSION = 1;
/** Seconds from the year 1 to 1970. */
const UNIX_EPOCH = 62_135_596_800n;
const BILLION = 1_000_000_000n;
/** Zone offset that stands for UTC. */
const UTC = -1;

export function encodeTime(time: Nanos): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setBigUint64(1, time / BILLION + UNIX_EPOCH);
  view.setUint32(9, Number(time % BILLION));
  view.setInt16(13, UTC);
  return bytes;
}

/** `undefined` when it is no such time. */
export function decodeTime(bytes: Uint8Array): Nanos | undefined {
  if (bytes.length !== LENGTH || bytes[0] !== VERSION) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nanos = view.getUint32(9);
  return nanos >= 1e9 ? undefined : (view.getBigUint64(1) - UNIX_EPOCH) * BILLION + BigInt(nanos);
}
