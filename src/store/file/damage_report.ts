/** The lines that tell an operator what is wrong with a file (spec stores, section 3.11). */
import type { Log } from "../../ports/log.ts";
import type { Offset } from "../../protocol/units.ts";
import { HEADER_SIZE, hex32, MAX_PAYLOAD, type RecordScanner, writeU32 } from "./record.ts";

const LINE = 20;
/** Of a large record only the beginning is shown. */
const SHOWN = 64 * LINE;

/** The file ends inside a record. `cut`: it is going to be cut there. */
export function reportTorn(
  log: Log,
  path: string,
  root: string,
  typed: boolean,
  found: RecordScanner,
  cut: boolean,
): void {
  log.error(`Unexpected EOF for file "${path}"`);
  if (!cut) {
    log.error(`It is recommended that you make a copy of the whole datatstore "${root}".`);
    log.error(`Restart with the ContinueOnUnexpectedEOF flag to truncate this file to this offset: ${found.at}.`);
    log.error("Dataloss may occur. Details about the first corrupted record follows...");
  }
  dump(log, typed, found);
  if (cut) return;
  if (found.headerPresent < HEADER_SIZE) {
    log.error(`record header expected to be ${HEADER_SIZE} bytes, only read ${found.headerPresent}`);
  } else log.error(`record payload expected to be ${found.size} bytes, only read ${found.present}`);
}

/** A file was cut. */
export function reportCut(log: Log, path: string, offset: Offset): void {
  log.notice(`File "${path}" has been truncated to offset: ${offset}`);
  log.notice("Recovery resumes...");
}

/** A record is not what its checksum says. */
export function reportCorrupt(log: Log, path: string, typed: boolean, found: RecordScanner, problem: string): void {
  log.error(`Corrupted record in file "${path}": ${problem}`);
  dump(log, typed, found);
}

function dump(log: Log, typed: boolean, found: RecordScanner): void {
  log.error("Record header:");
  log.error(" Bytes:");
  log.error(hex(headerBytes(typed, found)));
  if (found.headerPresent < HEADER_SIZE) return;
  if (typed) log.error(` Type: ${found.type}`);
  log.error(` Size: ${found.size}`);
  log.error(` CRC : ${hex32(found.crc)}`);
  log.error("Record payload:");
  const payload = found.bytes.subarray(found.start, found.start + Math.min(found.present, SHOWN));
  for (let at = 0; at < payload.length; at += LINE) log.error(dumpLine(payload.subarray(at, at + LINE)));
  if (found.present > SHOWN) log.error(`... ${found.present - SHOWN} more bytes`);
}

function headerBytes(typed: boolean, found: RecordScanner): Uint8Array {
  if (found.headerPresent < HEADER_SIZE) return found.bytes.subarray(found.start - found.headerPresent, found.start);
  const bytes = new Uint8Array(HEADER_SIZE);
  writeU32(bytes, 0, typed ? found.type * 0x1000000 + found.size : found.size);
  writeU32(bytes, 4, found.crc);
  return bytes;
}

function dumpLine(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".").join("");
  return `${hex(bytes).padEnd(LINE * 3 - 1)} - ${text}`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** A record claims a size that no record has. */
export function oversizedProblem(size: number): string {
  return `record of ${size} bytes, more than any can have (${MAX_PAYLOAD})`;
}
