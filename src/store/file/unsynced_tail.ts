/**
 * What a power loss can leave of the last flush. Messages and their entries may be synced at once, and then either may be there
 * without the other. Nobody was told that such messages are stored; entries without messages are found here, and cut off.
 */
import { StoreFailed } from "../../ports/store.ts";
import type { Offset } from "../../protocol/units.ts";
import type { FileContext } from "./context.ts";
import { ENTRY_SIZE, ENTRY_WORDS, entryOffset, SIZE } from "./message_index.ts";
import { HEADER_SIZE, VERSION_SIZE } from "./record.ts";
import { endsUnsynced } from "./record_recovery.ts";
import { readEntries, readRun } from "./slice_reading.ts";
import type { Slice } from "./slice.ts";

/** Batches of messages beyond this many bytes are synced before their entries are written: so much is looked through. */
export const WINDOW: Offset = 8 * 1024 * 1024;
/** Entries, and bytes of messages, that are looked at in one go. */
const ENTRIES = 4096;
const BYTES = 1024 * 1024;

/** Cuts entries of the last flush off the index whose messages are not there; `true` if there were any. `slice.flushed` must be what its index lists. */
export function cutUnsynced(slice: Slice, context: FileContext): boolean {
  for (let record = windowStart(slice); record < slice.flushed.records;) {
    const entries = readEntries(slice, record, ENTRIES, undefined);
    try {
      record += readRun(slice, entries, BYTES, context.checksum).count;
    } catch (error) {
      if (!(error instanceof StoreFailed)) throw error;
      const end = entryOffset(entries.words, 0) + HEADER_SIZE + entries.words[SIZE]!;
      if (!endsUnsynced(slice.data.file, end)) {
        // Damage of another kind: it is told when the message is read.
        record++;
        continue;
      }
      context.ports.log.warn(
        `File "${slice.data.path}" lacks the last ${
          slice.flushed.records - record
        } messages of "${slice.index.path}", which were never synced: they are dropped`,
      );
      slice.index.file.truncate(VERSION_SIZE + record * ENTRY_SIZE);
      slice.index.syncNow();
      return true;
    }
  }
  return false;
}

/** The first record that may belong to the last flush. */
function windowStart(slice: Slice): number {
  if (slice.end <= WINDOW) return 0;
  let record = slice.flushed.records;
  while (record > 0) {
    const count = Math.min(ENTRIES, record);
    const { words } = readEntries(slice, record - count, count, undefined);
    for (let i = count - 1; i >= 0; i--, record--) {
      if (entryOffset(words, i * ENTRY_WORDS) < slice.end - WINDOW) return record;
    }
  }
  return 0;
}
