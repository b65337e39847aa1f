/** Reading entries back from a segment: what stands close together comes with one read, and every record is checked. */
import { FileFailed, type OpenFile } from "../../ports/files.ts";
import { holdsEntry, RECORD_HEADER, recordSize } from "./wal_format.ts";
import type { WalIndex } from "./wal_index.ts";

/** One read brings this many bytes at most, unless the first record alone is longer: views of them keep all of them. */
const RUN_BYTES = 256 * 1024;
/** So much between two records, marks for instance, is read along. */
const GAP = 1024;

/**
 * The stored payloads, views of one buffer, of entry `from` and of those up to, not including, `to` that stand behind it in
 * `file`; no more once their records pass `maxBytes`, but at least one. Ends early before a damaged one. Throws FileFailed where
 * the first one is damaged, or cannot be read.
 */
export function readRun(file: OpenFile, index: WalIndex, from: number, to: number, maxBytes: number): Uint8Array[] {
  const start = index.offset(from) - RECORD_HEADER;
  const count = runLength(index, from, to, maxBytes);
  const bytes = new Uint8Array(endOf(index, from + count - 1) - start);
  const got = file.readAt(bytes, start);
  const payloads: Uint8Array[] = [];
  for (let at = from; at < from + count; at++) {
    const payload = index.offset(at) - start;
    const length = index.length(at);
    const end = payload + recordSize(length) - RECORD_HEADER;
    // What was sound when it was written, or when the log was opened, need not be any more: others would get it as sound.
    if (end > got || !holdsEntry(bytes, payload - RECORD_HEADER, end, at, index.term(at)!)) {
      if (at > from) break;
      throw new FileFailed("other", file.path, `entry ${at} of the cluster log is damaged in ${file.path}`);
    }
    payloads.push(bytes.subarray(payload, payload + length));
  }
  return payloads;
}

function runLength(index: WalIndex, from: number, to: number, maxBytes: number): number {
  const segment = index.segment(from);
  const start = index.offset(from) - RECORD_HEADER;
  let end = endOf(index, from);
  let size = end - start;
  let next = from + 1;
  for (; next < to && index.segment(next) === segment; next++) {
    const gap = index.offset(next) - RECORD_HEADER - end;
    size += recordSize(index.length(next));
    if (gap < 0 || gap > GAP || size > maxBytes || endOf(index, next) - start > RUN_BYTES) break;
    end = endOf(index, next);
  }
  return next - from;
}

/** Where the record of an entry ends in its segment. */
function endOf(index: WalIndex, at: number): number {
  return index.offset(at) - RECORD_HEADER + recordSize(index.length(at));
}
