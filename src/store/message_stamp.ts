/** A timestamp in the two forms in which it is stored: as MsgProto field 5 and as two 32-bit halves. Computed once a batch. */
import { writeVarint64 } from "../protocol/varint.ts";
import type { Nanos } from "../protocol/units.ts";

const FIELD_5_VARINT = 0x28;

export class MsgStamp {
  time: Nanos = 0n;
  low = 0;
  high = 0;
  /** The encoded field is `bytes[0, length)`; nothing for time 0. */
  readonly bytes = new Uint8Array(11);
  length = 0;

  /** Messages of one batch share their time, so that mostly there is nothing to do. */
  set(time: Nanos): void {
    if (time === this.time) return;
    this.time = time;
    this.low = Number(BigInt.asUintN(32, time));
    this.high = Number(BigInt.asUintN(32, time >> 32n));
    this.bytes[0] = FIELD_5_VARINT;
    this.length = time === 0n ? 0 : writeVarint64(this.bytes, 1, time);
  }
}
