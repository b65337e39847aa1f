/**
 * `server.dat`: whose store this is (spec stores, section 3.4). Alone, a server is nothing without it; what a cluster's node
 * keeps there its log knows, too: damaged or lost, it is made anew.
 */
import { type Damage, StoreFailed } from "../../ports/store.ts";
import { ServerInfo } from "../../protocol/stored_records.ts";
import { Malformed } from "../../protocol/varint.ts";
import { damageText } from "./channel_damage.ts";
import { type FileContext, join } from "./context.ts";
import type { FileHandle } from "./open_files.ts";
import { crcProblem, encodeRecord, HEADER_SIZE, RecordScanner, VERSION_SIZE } from "./record.ts";
import { failed, openOrCreate } from "./recovery.ts";

/** What is left of a damaged one: the name is nobody's. */
const ASIDE = ".damaged";

export class ServerRecord {
  readonly #handle: FileHandle;
  readonly #context: FileContext;
  /** What was wrong when it was read. */
  #damage: Damage | undefined;
  #isUnreadable = false;

  constructor(context: FileContext) {
    this.#context = context;
    this.#handle = context.openFiles.handle(join(context.options.directory, "server.dat"));
  }

  /**
   * What it says, and what is wrong with it; `undefined`: nothing was ever stored. `hasChannels`: whether there is something else
   * in the store. Throws StoreFailed with the reference's texts where it cannot be used, and not be made anew.
   */
  read(hasChannels: () => boolean): { readonly info: ServerInfo | undefined; readonly damage?: Damage } | undefined {
    this.#isUnreadable = false;
    try {
      const info = readRecord(this.#handle, this.#context);
      if (info !== undefined) return { info };
      if (!hasChannels()) return undefined;
      throw new StoreFailed("refused", "no server state recovered but channels present");
    } catch (error) {
      const isDamage = error instanceof StoreFailed && (error.code === "corrupt" || error.code === "refused");
      if (!isDamage || !this.#context.options.replicated) throw error;
      this.#isUnreadable = error.code === "corrupt";
      return { info: undefined, damage: this.#damageOf(error) };
    }
  }

  #damageOf(refusal: StoreFailed): Damage {
    const { path } = this.#handle;
    const kept = this.#isUnreadable ? `, and the damaged one kept as "${path}${ASIDE}"` : "";
    const setAside = () => `file "${path}" was made anew from what the cluster log knows${kept}`;
    return { text: damageText(refusal), refusal, harmless: true, setAside };
  }

  /** Replaces it; what could not be read is put beside it. Durable with sync. Throws FileFailed. */
  write(info: ServerInfo): void {
    const { ports: { files }, options: { directory, sync }, checksum, openFiles } = this.#context;
    const { path } = this.#handle;
    this.#handle.close();
    if (this.#isUnreadable) files.rename(path, path + ASIDE);
    this.#isUnreadable = false;
    openFiles.create(path, sync, encodeRecord(0, ServerInfo.encode(info), checksum));
    openFiles.keepEntries(directory);
  }
}

/** Reads `server.dat`, made if it is missing. `undefined`: it holds nothing. Throws StoreFailed. */
function readRecord(handle: FileHandle, context: FileContext): ServerInfo | undefined {
  const { log } = context.ports;
  openOrCreate(handle, context, (problem) => `unable to recover server file "server.dat": ${problem}`);
  const file = handle.file;
  const scanner = new RecordScanner(file, false, context.options.crc ? context.checksum : undefined);
  const found = scanner.next();
  if (found === "end") return undefined;
  try {
    if (found === "zeros") throw new Malformed("end of file padded with zeros", VERSION_SIZE);
    if (found === "torn" || found === "oversized") throw new Malformed("unexpected EOF", VERSION_SIZE);
    if (found === "crc") throw new Malformed(crcProblem(scanner.crc, scanner.computed), VERSION_SIZE);
    const expected = VERSION_SIZE + HEADER_SIZE + scanner.size;
    if (file.size() !== expected) {
      throw new StoreFailed(
        "corrupt",
        `unable to recover server file "${handle.path}": incorrect file size, expected ${expected} bytes, got ${file.size()} bytes`,
        { cause: `file "${handle.path}", offset ${expected}` },
      );
    }
    return ServerInfo.decode(scanner.bytes, scanner.start, scanner.start + scanner.size);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    log.error(`Server file "${handle.path}" corrupted: ${error.reason}`);
    log.error("Follow instructions in documentation in order to recover from this");
    throw failed(
      `unable to recover server file "${handle.path}"`,
      new Error(error.reason, { cause: `file "${handle.path}", offset ${VERSION_SIZE}` }),
    );
  }
}
