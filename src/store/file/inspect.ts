/**
 * Looking into a data directory without a server: nothing is written, repaired or locked, and what cannot be read is listed
 * instead of refused. A directory that a server uses at the same moment may look torn at its ends.
 */
import { FileFailed, type Files, type OpenFile } from "../../ports/files.ts";
import type { RecoveredSubscription } from "../../ports/store.ts";
import { MsgProto } from "../../protocol/client_messages.ts";
import { type ClientInfo, ServerInfo } from "../../protocol/stored_records.ts";
import { Malformed } from "../../protocol/varint.ts";
import type { Offset, Sequence } from "../../protocol/units.ts";
import { Checksum, IEEE } from "./checksum.ts";
import { ClientReplay } from "./clients_log.ts";
import { isChannelFolder, join } from "./context.ts";
import { CRC, ENTRY_SIZE, ENTRY_WORDS, entryOffset, entrySequence, isZeroEntry, SIZE } from "./message_index.ts";
import { crcProblem, HEADER_SIZE, RecordScanner, VERSION_SIZE, versionProblem } from "./record.ts";
import { SubscriptionReplay } from "./subscription_records.ts";

/** Something that is not as it should be, and where. */
export interface Damage {
  readonly file: string;
  readonly offset: Offset;
  readonly problem: string;
}

/** What a directory is read with. */
export interface Inspection {
  readonly files: Files;
  readonly directory: string;
  /** By default that of the IEEE polynomial. */
  readonly checksum?: Checksum;
  /** Is told of everything that is not as it should be. */
  readonly damage: (damage: Damage) => void;
}

/** One slice as its files say. */
export interface SliceReport {
  readonly number: number;
  /** What its index lists; without an index, what its data file holds. */
  readonly first: Sequence;
  readonly last: Sequence;
  readonly messages: number;
  readonly dataBytes: number;
  /** Bytes of the data file that no entry points to. */
  readonly deadBytes: number;
}

/** Is handed each message that can be read, in the order of slices and of their entries. Return `false` to stop. */
export type TakeMessage = (message: MsgProto, slice: number) => boolean;

/** The names of the channels: of all folders, but for those that something else keeps in the store's. */
export function listChannels({ files, directory }: Inspection): string[] {
  return files.list(directory).filter(isChannelFolder).map((entry) => entry.name);
}

/** The server's identity; `undefined` if there is none that can be read. */
export function inspectServer(inspection: Inspection): ServerInfo | undefined {
  let info: ServerInfo | undefined;
  scan(inspection, join(inspection.directory, "server.dat"), false, (_type, bytes, start, end) => {
    info ??= ServerInfo.decode(bytes, start, end);
  });
  return info;
}

/** The registered clients, as far as they can be read. */
export function inspectClients(inspection: Inspection): ClientInfo[] {
  const replay = new ClientReplay();
  scan(
    inspection,
    join(inspection.directory, "clients.dat"),
    true,
    (type, bytes, start, end) => replay.apply(type, bytes, start, end),
  );
  return [...replay.clients.values()];
}

/** A channel's subscriptions with what is pending, as far as they can be read. */
export function inspectSubscriptions(inspection: Inspection, channel: string): RecoveredSubscription[] {
  const replay = new SubscriptionReplay();
  const path = join(join(inspection.directory, channel), "subs.dat");
  scan(inspection, path, true, (type, bytes, start, end) => replay.apply(type, bytes, start, end));
  return replay.recovered();
}

/** A channel's slices in ascending order; every message is read, checked and handed to `take`. */
export function inspectMessages(
  inspection: Inspection,
  channel: string,
  take: TakeMessage = () => true,
): SliceReport[] {
  const directory = join(inspection.directory, channel);
  const names = inspection.files.list(directory).filter((entry) => entry.isFile).map((entry) => entry.name);
  const numbers: number[] = [];
  for (const name of names.filter((each) => each.startsWith("msgs.") && each.endsWith(".dat"))) {
    const middle = name.slice("msgs.".length, -".dat".length);
    if (/^\d{1,15}$/.test(middle)) numbers.push(Number(middle));
    else {inspection.damage({
        file: join(directory, name),
        offset: 0,
        problem: `message log has an invalid name: ${name}`,
      });}
  }
  const reports: SliceReport[] = [];
  for (const number of numbers.sort((a, b) => a - b)) {
    const report = inspectSlice(
      inspection,
      join(directory, `msgs.${number}`),
      number,
      names.includes(`msgs.${number}.idx`),
      take,
    );
    if (report === undefined) break;
    if (report.messages > 0) reports.push(report);
  }
  return reports;
}

/** `undefined` when `take` has had enough. */
function inspectSlice(
  inspection: Inspection,
  path: string,
  number: number,
  hasIndex: boolean,
  take: TakeMessage,
): SliceReport | undefined {
  const data = open(inspection, `${path}.dat`);
  const index = hasIndex ? open(inspection, `${path}.idx`) : undefined;
  const reader = new SliceReader(inspection, number, take);
  try {
    if (data === undefined) return reader.report(0);
    if (index === undefined || !reader.readByIndex(data, index)) reader.readByData(data);
    return reader.stopped ? undefined : reader.report(data.size());
  } finally {
    data?.close();
    index?.close();
  }
}

class SliceReader {
  stopped = false;
  #first: Sequence = 0;
  #last: Sequence = 0;
  #messages = 0;
  #used: number = VERSION_SIZE;
  readonly #inspection: Inspection;
  readonly #checksum: Checksum;
  readonly #number: number;
  readonly #take: TakeMessage;

  constructor(inspection: Inspection, number: number, take: TakeMessage) {
    this.#inspection = inspection;
    this.#checksum = inspection.checksum ?? new Checksum(IEEE);
    this.#number = number;
    this.#take = take;
  }

  report(dataBytes: number): SliceReport {
    const dead = Math.max(0, dataBytes - this.#used);
    return {
      number: this.#number,
      first: this.#first,
      last: this.#last,
      messages: this.#messages,
      dataBytes,
      deadBytes: dead,
    };
  }

  /** Follows the index; `false` if it lists nothing. */
  readByIndex(data: OpenFile, index: OpenFile): boolean {
    const words = new Uint32Array(ENTRY_WORDS);
    const bytes = new Uint8Array(words.buffer);
    for (let at = VERSION_SIZE; !this.stopped; at += ENTRY_SIZE) {
      const read = index.readAt(bytes, at);
      if (read === 0 || (read === ENTRY_SIZE && isZeroEntry(words, 0))) break;
      if (read < ENTRY_SIZE) {
        this.#inspection.damage({ file: index.path, offset: at, problem: "unexpected EOF" });
        break;
      }
      const computed = this.#checksum.ofEntry(words, 0);
      if (computed === words[CRC]) this.#readEntry(data, index, at, words);
      else this.#inspection.damage({ file: index.path, offset: at, problem: crcProblem(words[CRC]!, computed) });
    }
    return this.#messages > 0;
  }

  #readEntry(data: OpenFile, index: OpenFile, at: Offset, words: Uint32Array): void {
    this.#note(entrySequence(words, 0), HEADER_SIZE + words[SIZE]!);
    const offset = entryOffset(words, 0);
    const scanner = new RecordScanner(data, false, this.#checksum, offset);
    const problem = this.#problemOf(scanner, scanner.next());
    if (problem !== undefined) return this.#inspection.damage({ file: data.path, offset, problem });
    if (scanner.size !== words[SIZE]) {
      const text = `expected size to be ${words[SIZE]}, got ${scanner.size}`;
      return this.#inspection.damage({ file: index.path, offset: at, problem: text });
    }
    this.#decode(data, scanner, (message) => message.sequence === entrySequence(words, 0));
  }

  readByData(data: OpenFile): void {
    const scanner = new RecordScanner(data, false, this.#checksum);
    for (let found = scanner.next(); found !== "end" && found !== "zeros" && !this.stopped; found = scanner.next()) {
      const problem = this.#problemOf(scanner, found);
      if (problem !== undefined) return this.#inspection.damage({ file: data.path, offset: scanner.at, problem });
      this.#decode(data, scanner, (message) => {
        this.#note(message.sequence, HEADER_SIZE + scanner.size);
        return true;
      });
    }
  }

  #problemOf(scanner: RecordScanner, found: string): string | undefined {
    if (found === "record") return undefined;
    if (found === "crc") return crcProblem(scanner.crc, scanner.computed);
    return found === "end" ? "EOF" : found === "torn" ? "unexpected EOF" : `no record (${found})`;
  }

  #decode(data: OpenFile, scanner: RecordScanner, check: (message: MsgProto) => boolean): void {
    try {
      const message = MsgProto.decode(scanner.bytes, scanner.start, scanner.start + scanner.size);
      if (!check(message)) throw new Malformed(`another message, ${message.sequence},`, scanner.start);
      if (!this.#take(message, this.#number)) this.stopped = true;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#inspection.damage({ file: data.path, offset: scanner.at, problem: error.message });
    }
  }

  #note(sequence: Sequence, bytes: number): void {
    if (this.#messages++ === 0) this.#first = sequence;
    this.#last = sequence;
    this.#used += bytes;
  }
}

/** Opens a file for reading; one that is not there or has another version is damage. */
function open({ files, damage }: Inspection, path: string): OpenFile | undefined {
  try {
    const file = files.open(path, { mode: "read" });
    const version = new Uint8Array(VERSION_SIZE);
    const problem = versionProblem(version, file.readAt(version, 0));
    if (problem === undefined) return file;
    file.close();
    damage({ file: path, offset: 0, problem });
  } catch (error) {
    if (!(error instanceof FileFailed)) throw error;
    damage({ file: path, offset: 0, problem: error.message });
  }
  return undefined;
}

/** Reads a file's records up to the first that cannot be. */
function scan(
  inspection: Inspection,
  path: string,
  typed: boolean,
  take: (type: number, bytes: Uint8Array, start: Offset, end: Offset) => void,
): void {
  const file = open(inspection, path);
  if (file === undefined) return;
  const scanner = new RecordScanner(file, typed, inspection.checksum ?? new Checksum(IEEE));
  try {
    for (let found = scanner.next(); found !== "end" && found !== "zeros"; found = scanner.next()) {
      if (found === "crc") throw new Error(crcProblem(scanner.crc, scanner.computed));
      if (found !== "record") throw new Error("unexpected EOF");
      take(scanner.type, scanner.bytes, scanner.start, scanner.start + scanner.size);
    }
  } catch (error) {
    inspection.damage({
      file: path,
      offset: scanner.at,
      problem: error instanceof Error ? error.message : String(error),
    });
  } finally {
    file.close();
  }
}
