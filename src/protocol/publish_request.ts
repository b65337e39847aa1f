/**
 * PubMsg, PubAck and Ack by hand, on bytes: the path that every message takes (spec streaming, section 1.2). Decoding
 * leaves offsets in one reused object and makes nothing new.
 */
import { Buffer } from "node:buffer";
import type { Offset } from "./units.ts";

/** Numbers of the fields of a PubMsg, a bit each: 1 to 6, and the checksum that nobody looks at. */
const PUB_MSG_FIELDS = 0b100_0111_1110;
/** Numbers of the fields of an Ack, a bit each. */
const ACK_FIELDS = 0b110;

/**
 * Where the fields of a decoded PubMsg stand in its buffer. A field that is missing has equal start and end. When a field
 * occurs twice the last one counts.
 */
export class PubMsgOffsets {
  clientStart: Offset = 0;
  clientEnd: Offset = 0;
  guidStart: Offset = 0;
  guidEnd: Offset = 0;
  subjectStart: Offset = 0;
  subjectEnd: Offset = 0;
  replyStart: Offset = 0;
  replyEnd: Offset = 0;
  dataStart: Offset = 0;
  dataEnd: Offset = 0;
  connIdStart: Offset = 0;
  connIdEnd: Offset = 0;

  /** Decodes `buffer[start, end)`; `false` when it is not a PubMsg. The guid may be known even then. */
  decode(buffer: Uint8Array, start: Offset, end: Offset): boolean {
    this.clientStart =
      this.clientEnd =
      this.guidStart =
      this.guidEnd =
      this.subjectStart =
      this.subjectEnd =
        start;
    this.replyStart =
      this.replyEnd =
      this.dataStart =
      this.dataEnd =
      this.connIdStart =
      this.connIdEnd =
        start;
    let at = start;
    while (at < end) {
      const tag = buffer[at++]!;
      if ((tag & 7) !== 2 || tag >= 0x80 || tag < 8) {
        at = skipField(buffer, at - 1, end, PUB_MSG_FIELDS);
        if (at < 0) return false;
        continue;
      }
      let length = at < end ? buffer[at++]! : -1;
      if (length >= 0x80) {
        at = readLength(buffer, at - 1, end);
        length = lengthRead;
        if (at < 0) return false;
      }
      if (length < 0 || at + length > end) return false;
      this.#note(tag >> 3, at, at + length);
      at += length;
    }
    return true;
  }

  #note(field: number, start: Offset, end: Offset): void {
    if (field === 1) {
      this.clientStart = start;
      this.clientEnd = end;
    } else if (field === 2) {
      this.guidStart = start;
      this.guidEnd = end;
    } else if (field === 3) {
      this.subjectStart = start;
      this.subjectEnd = end;
    } else if (field === 4) {
      this.replyStart = start;
      this.replyEnd = end;
    } else if (field === 5) {
      this.dataStart = start;
      this.dataEnd = end;
    } else if (field === 6) {
      this.connIdStart = start;
      this.connIdEnd = end;
    }
  }
}

/** What {@link readLength} read. */
let lengthRead = 0;

/** Reads a length of up to five bytes at `at`; answers the offset behind it, or -1. */
function readLength(buffer: Uint8Array, at: Offset, end: Offset): Offset {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 5 && at < end; i++) {
    const byte = buffer[at++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      lengthRead = value;
      return at;
    }
    scale *= 0x80;
  }
  return -1;
}

/**
 * Passes over the field whose tag begins at `at`; answers the offset behind it, or -1 when it is malformed. `known`: a bit
 * for each number of a field that has another form.
 */
function skipField(buffer: Uint8Array, at: Offset, end: Offset, known: number): Offset {
  at = readLength(buffer, at, end);
  const field = Math.floor(lengthRead / 8);
  if (at < 0 || field === 0 || (field < 32 && (known >> field & 1) === 1)) return -1;
  const wireType = lengthRead & 7;
  if (wireType === 0) {
    for (let i = 0; i < 10 && at < end; i++) if (buffer[at++]! < 0x80) return at;
    return -1;
  }
  if (wireType === 2) {
    at = readLength(buffer, at, end);
    if (at < 0) return -1;
    at += lengthRead;
  } else if (wireType === 1) at += 8;
  else if (wireType === 5) at += 4;
  else return -1;
  return at <= end ? at : -1;
}

/** Where the fields of a decoded Ack stand, and the sequence it names. */
export class AckOffsets {
  sequence = 0;
  subjectStart: Offset = 0;
  subjectEnd: Offset = 0;

  /** Decodes `buffer[start, end)`; `false` when it is not an Ack, or names a sequence above 2^53. */
  decode(buffer: Uint8Array, start: Offset, end: Offset): boolean {
    this.sequence = 0;
    this.subjectStart = this.subjectEnd = start;
    let at = start;
    while (at < end) {
      const tag = buffer[at]!;
      if (tag === 0x0a) {
        at = readLength(buffer, at + 1, end);
        if (at < 0 || at + lengthRead > end) return false;
        this.subjectStart = at;
        at += lengthRead;
        this.subjectEnd = at;
      } else if (tag === 0x10) {
        at = this.#readSequence(buffer, at + 1, end);
        if (at < 0) return false;
      } else {
        at = skipField(buffer, at, end, ACK_FIELDS);
        if (at < 0) return false;
      }
    }
    return true;
  }

  #readSequence(buffer: Uint8Array, at: Offset, end: Offset): Offset {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8 && at < end; i++) {
      const byte = buffer[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.sequence = value;
        return value <= Number.MAX_SAFE_INTEGER ? at : -1;
      }
      scale *= 0x80;
    }
    return -1;
  }
}

/** Copies `from[start, end)` to `into[at…]`: by hand when short, which is faster than a view. */
export function copyBytes(from: Uint8Array, start: Offset, end: Offset, into: Uint8Array, at: Offset): Offset {
  const length = end - start;
  if (length < 24) {
    for (let i = 0; i < length; i++) into[at + i] = from[start + i]!;
  } else into.set(from.subarray(start, end), at);
  return at + length;
}

/** Writes tag, length and bytes of a length-delimited field (numbers below 16); answers the offset behind it. */
export function writeField(
  into: Uint8Array,
  at: Offset,
  field: number,
  from: Uint8Array,
  start: Offset,
  end: Offset,
): Offset {
  into[at++] = field << 3 | 2;
  let length = end - start;
  while (length >= 0x80) {
    into[at++] = length & 0x7f | 0x80;
    length >>>= 7;
  }
  into[at++] = length;
  return copyBytes(from, start, end, into, at);
}

/** The most that {@link writeField} adds to the bytes themselves: a tag and five bytes of length. */
export const FIELD_OVERHEAD = 6;

/** From so many bytes on one call that compares all of them is quicker than looking at each; ten times at 2,000. */
const LONG = 100;

/** Whether two runs of bytes are the same. */
export function sameBytes(
  a: Uint8Array,
  aStart: Offset,
  aEnd: Offset,
  b: Uint8Array,
  bStart: Offset,
  bEnd: Offset,
): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  if (aEnd - aStart >= LONG) return Buffer.compare(a.subarray(aStart, aEnd), b.subarray(bStart, bEnd)) === 0;
  for (let i = aStart, j = bStart; i < aEnd; i++, j++) if (a[i] !== b[j]) return false;
  return true;
}
