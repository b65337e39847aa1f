/** Reading a file of records back after a crash: what may be cut off and what must be refused (spec stores, section 3.11). */
import type { OpenFile } from "../../ports/files.ts";
import { Malformed } from "../../protocol/varint.ts";
import type { Offset } from "../../protocol/units.ts";
import type { Checksum } from "./checksum.ts";
import type { FileContext } from "./context.ts";
import { oversizedProblem, reportCorrupt, reportCut, reportTorn } from "./damage_report.ts";
import { crcProblem, HEADER_SIZE, MAX_TYPED_PAYLOAD, readU32, RecordScanner } from "./record.ts";

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
        const cut = options.truncateUnexpectedEof ||
          (context.unclean && wasNeverSynced(file, scanner, typed, checksum));
        reportTorn(log, file.path, options.directory, typed, scanner, cut);
        if (!cut) throw new Unreadable("unexpected EOF", { cause: place(file, scanner) });
        return cutAt(file, scanner.at, context);
      }
      default:
        if (context.unclean && wasNeverSynced(file, scanner, typed, checksum)) return cutAt(file, scanner.at, context);
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
 * Whether the bad record at hand is what a power loss leaves of the last writes, and not damage to older ones. Such a write is there
 * in part, with zeros, or what data files are filled with, where the rest belongs; and later writes may be there behind it. Then the
 * next whole record has such a byte before it, where a damaged record has its own.
 */
function wasNeverSynced(file: OpenFile, scanner: RecordScanner, typed: boolean, checksum: Checksum): boolean {
  const next = nextRecord(file, scanner.at + 1, typed, checksum);
  return endsUnsynced(file, next ?? scanner.at + HEADER_SIZE + scanner.size);
}

/** How far behind a bad record the next whole one is looked for. */
const SEARCHED = 4 * 1024 * 1024;
/** The highest type of a record. */
const MAX_TYPE = 5;
/** The first byte of a stored message. */
const SEQUENCE_TAG = 0x08;

/** Where the next whole record begins. */
function nextRecord(file: OpenFile, from: Offset, typed: boolean, checksum: Checksum): Offset | undefined {
  const bytes = new Uint8Array(Math.max(0, Math.min(SEARCHED, file.size() - from)));
  const length = file.readAt(bytes, from);
  for (let at = 0; at + HEADER_SIZE < length; at++) {
    const word = readU32(bytes, at);
    const type = typed ? word >>> 24 : 0;
    const size = typed ? word & MAX_TYPED_PAYLOAD : word;
    if (size === 0 || at + HEADER_SIZE + size > length) continue;
    if (typed ? type === 0 || type > MAX_TYPE : bytes[at + HEADER_SIZE] !== SEQUENCE_TAG) continue;
    if (checksum.of(bytes, at + HEADER_SIZE, at + HEADER_SIZE + size) === readU32(bytes, at + 4)) return from + at;
  }
  return undefined;
}

/** Whether what should end at `end` ends as what was never synced does: beyond the file, in zeros, or in what files are filled with. */
export function endsUnsynced(file: OpenFile, end: Offset): boolean {
  if (end > file.size()) return true;
  const last = new Uint8Array(1);
  file.readAt(last, end - 1);
  return last[0] === 0 || last[0] === 0xff;
}
