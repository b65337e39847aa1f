/** The options of a file store, their defaults and their checks (spec stores, section 4). */
import { StoreFailed } from "../../ports/store.ts";
import type { Millis } from "../../protocol/units.ts";
import { IEEE } from "./checksum.ts";

export interface FileStoreOptions {
  /** The root directory; made with its parents when missing. */
  readonly directory: string;
  /** Whether `subs.dat` and `clients.dat` are rewritten when much of them is dead. */
  readonly compactEnabled: boolean;
  /** Percentage of dead records from which a file is rewritten; at least 1. */
  readonly compactFragmentation: number;
  /** Seconds between two rewritings of one file; at least 1. */
  readonly compactInterval: number;
  /** Smaller files are not rewritten; bytes, 0: any. */
  readonly compactMinFileSize: number;
  /** Bytes that are held back before they are written without being asked to. */
  readonly bufferSize: number;
  /** Whether checksums are checked on reading. */
  readonly crc: boolean;
  /** Polynomial in reversed form, 1 to 0xffffffff. */
  readonly crcPolynomial: number;
  /** Whether flushing survives a power loss. */
  readonly sync: boolean;
  /** A slice is closed at this many messages; 0: no such limit. With all three 0 the channel's limits decide. */
  readonly sliceMaxMessages: number;
  /** A slice is closed at this size in bytes. */
  readonly sliceMaxBytes: number;
  /** A slice is closed when its first message is this old. */
  readonly sliceMaxAge: Millis;
  /** Called with channel, data file and index file when a slice is no longer needed. Empty: files are removed. */
  readonly sliceArchiveScript: string;
  /** How many files are kept open; soft, 0: unlimited. */
  readonly fileDescriptorsLimit: number;
  /** How many channels are recovered side by side; at least 1. */
  readonly parallelRecovery: number;
  /** Whether a file that ends inside a record is cut there instead of refused; not in two starts in a row. */
  readonly truncateUnexpectedEof: boolean;
  /** Bytes read ahead; 0: nothing. */
  readonly readBufferSize: number;
  /** What was written without syncing is synced this often; 0 or less: never. */
  readonly autoSync: Millis;
  /** Messages are flushed this much later than asked for, while something else keeps them until they are settled; 0: at once. */
  readonly flushLag: Millis;
  /**
   * The nodes of a cluster hold the same messages: what was evicted is noted, so that a start evicts the same, whatever the limits,
   * and tells it from what is lost; and what cannot be used is told as damage, not refused.
   */
  readonly replicated: boolean;
}

/** Every option as it is when it was not set, but for the directory. */
export const defaultFileStoreOptions: Omit<FileStoreOptions, "directory"> = {
  compactEnabled: true,
  compactFragmentation: 50,
  compactInterval: 300,
  compactMinFileSize: 1024 * 1024,
  bufferSize: 2 * 1024 * 1024,
  crc: true,
  crcPolynomial: IEEE,
  sync: true,
  sliceMaxMessages: 0,
  sliceMaxBytes: 64 * 1024 * 1024,
  sliceMaxAge: 0,
  sliceArchiveScript: "",
  fileDescriptorsLimit: 0,
  parallelRecovery: 1,
  truncateUnexpectedEof: false,
  readBufferSize: 2 * 1024 * 1024,
  autoSync: 60_000,
  flushLag: 0,
  replicated: false,
};

/** Throws StoreFailed `refused` with the reference's text for the first option that cannot be meant. */
export function checkFileStoreOptions(options: FileStoreOptions): void {
  const refuseUnless = (right: boolean, text: string) => {
    if (!right) throw new StoreFailed("refused", text);
  };
  refuseUnless(options.directory !== "", "for FILE stores, root directory must be specified");
  refuseUnless(options.bufferSize >= 0, "buffer size value must be a positive number");
  refuseUnless(options.compactFragmentation >= 1, "compact fragmentation value must at least be 1");
  refuseUnless(options.compactInterval >= 1, "compact interval value must at least be 1 seconds");
  refuseUnless(options.compactMinFileSize >= 0, "compact minimum file size value must be a positive number");
  refuseUnless(
    options.crcPolynomial >= 1 && options.crcPolynomial <= 0xffffffff,
    "crc polynomial should be between 1 and 4294967295",
  );
  refuseUnless(
    options.sliceMaxMessages >= 0 && options.sliceMaxBytes >= 0 && options.sliceMaxAge >= 0,
    "slice max values must be positive numbers",
  );
  refuseUnless(options.fileDescriptorsLimit >= 0, "file descriptor limit must be a positive number");
  refuseUnless(options.parallelRecovery >= 1, "parallel recovery value must be at least 1");
  refuseUnless(options.readBufferSize >= 0, "read buffer size value must be a positive number");
}
