/** Reading a file of records back after a crash: what may be cut off and what must be refused (spec stores, section 3.11). */
import type { OpenFile } from "../../ports/files.ts";
import { Malformed } from "../../protocol/varint.ts";
import type { Offset } from "../../protocol/units.ts";
import type { FileContext } from "./context.ts";
import { oversizedProblem, reportCorrupt, reportCut, reportTorn } from "./damage_report.ts";
import { crcProblem, HEADER_SIZE, RecordScanner } from "./record.ts";

/** Something stored cannot be read back; the message is the reference's, without its prefix. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** Takes a record's payload: `bytes[start, end)`, whose record begins at `at` in the file. Throws Malformed or Error when it makes no sense. */
export type TakeRecord = (type: number, bytes: Uint8Array, start: Offset, end: Offset, at: Offset) => void;

/**
 * Reads every record of `file` and answers where the whole ones end. Zeros at the end are cut off; a torn end is cut off if that
 * is allowed. Throws Unreadable.
 */
export function replayRecords(file: OpenFile, typed: boolean, context: FileContext, take: TakeRecord): Offset {
  const { ports: { log }, options, checksum } = context;
  const scanner = new RecordScanner(file, typed, options.crc ? checksum : undefined);
  for (;;) {
    const found = scanner.next();
    switch (found) {
      case "record":
        takeRecord(file, scanner, take);
        continue;
      case "end":
        return scanner.at;
      case "zeros":
        file.truncate(scanner.at);
        return scanner.at;
      case "torn": {
        const cut = options.truncateUnexpectedEof || context.unclean;
        reportTorn(log, file.path, options.directory, typed, scanner, cut);
        if (!cut) throw new Unreadable("unexpected EOF", { cause: place(file, scanner) });
        return cutAt(file, scanner.at, context);
      }
      default:
        if (context.unclean && wasNeverSynced(file, scanner)) return cutAt(file, scanner.at, context);
        throw refuse(file, typed, context, scanner, found);
    }
  }
}

function takeRecord(file: OpenFile, scanner: RecordScanner, take: TakeRecord): void {
  try {
    take(scanner.type, scanner.bytes, scanner.start, scanner.start + scanner.size, scanner.at);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const problem = error instanceof Malformed ? `proto: ${error.message}` : error.message;
    throw new Unreadable(problem, { cause: place(file, scanner) });
  }
}

function place(file: OpenFile, scanner: RecordScanner): string {
  return `file "${file.path}", offset ${scanner.at}`;
}

function cutAt(file: OpenFile, at: Offset, context: FileContext): Offset {
  file.truncate(at);
  reportCut(context.ports.log, file.path, at);
  return at;
}

function refuse(
  file: OpenFile,
  typed: boolean,
  context: FileContext,
  scanner: RecordScanner,
  found: string,
): Unreadable {
  const problem = found === "crc" ? crcProblem(scanner.crc, scanner.computed) : oversizedProblem(scanner.size);
  reportCorrupt(context.ports.log, file.path, typed, scanner, problem);
  return new Unreadable(problem, { cause: place(file, scanner) });
}

/**
 * After a power loss a write may be there in part, with zeros, or what a data file was filled with, where the rest belongs, even if
 * later writes are there. A record of such a write ends in them, within what it claims to be; one that was damaged otherwise hardly
 * ever does.
 */
function wasNeverSynced(file: OpenFile, scanner: RecordScanner): boolean {
  return endsUnsynced(file, scanner.at + HEADER_SIZE + scanner.size);
}

/** Whether what should end at `end` ends as what was never synced does: beyond the file, in zeros, or in what files are filled with. */
export function endsUnsynced(file: OpenFile, end: Offset): boolean {
  if (end > file.size()) return true;
  const last = new Uint8Array(1);
  file.readAt(last, end - 1);
  return last[0] === 0 || last[0] === 0xff;
}
