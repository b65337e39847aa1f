/** From options to a store: checked, its directory made, nothing in it read yet. */
import { FileFailed } from "../../ports/files.ts";
import { type Store, StoreFailed } from "../../ports/store.ts";
import { defaultLimits, resolveLimits, type StoreLimits } from "../limits.ts";
import { Checksum } from "./checksum.ts";
import { type FileContext, type FileStorePorts, join } from "./context.ts";
import { FileStore } from "./file_store.ts";
import { OpenFiles } from "./open_files.ts";
import { checkFileStoreOptions, defaultFileStoreOptions, type FileStoreOptions } from "./options.ts";
import { ReadCaches } from "./read_caches.ts";
import { Syncing } from "./syncing.ts";

/** The last start cut torn files off. */
const TRUNCATE_MARK = ".truncate.lck";

export type OpenFileStoreOptions = Partial<FileStoreOptions> & {
  readonly directory: string;
  readonly limits?: StoreLimits;
};

/**
 * Opens the store of a directory, which is made when missing; nothing in it is read yet. Throws StoreFailed `refused` for
 * options or limits that cannot be meant, with the reference's texts; `io` when the directory cannot be made.
 */
export function openFileStore(options: OpenFileStoreOptions, ports: FileStorePorts): Store {
  const { limits, ...given } = options;
  const all: FileStoreOptions = { ...defaultFileStoreOptions, ...given };
  const resolved = resolveLimits(limits ?? defaultLimits);
  checkFileStoreOptions(all);
  try {
    makeRoot(all, ports);
    markTruncation(all, ports);
  } catch (error) {
    if (!(error instanceof FileFailed)) throw error;
    throw new StoreFailed("io", error.message, { cause: error });
  }
  const context: FileContext = {
    options: all,
    ports,
    checksum: new Checksum(all.crcPolynomial),
    openFiles: new OpenFiles(ports.files, all.fileDescriptorsLimit, all.sync),
    syncing: new Syncing(all.sync, () => ports.clock.now()),
    readCaches: new ReadCaches(),
    tick: ports.clock.wall(),
    unclean: false,
    scripts: new Set(),
  };
  return new FileStore(context, resolved);
}

/** Makes the root and its parents, in a way that survives a power loss. */
function makeRoot({ directory, sync, replicated }: FileStoreOptions, { files }: FileStorePorts): void {
  const parents: string[] = [];
  for (let path = directory.replace(/\/+$/, ""); path !== "" && path !== "." && !files.exists(path);) {
    const cut = path.lastIndexOf("/");
    path = cut < 0 ? "." : path.slice(0, cut);
    parents.push(path === "" ? "/" : path);
  }
  files.makeDirectory(directory);
  if (sync || replicated) { for (const path of parents) files.syncDirectory(path); }
}

function markTruncation(options: FileStoreOptions, { files }: FileStorePorts): void {
  const mark = join(options.directory, TRUNCATE_MARK);
  if (!options.truncateUnexpectedEof) return files.remove(mark);
  try {
    files.open(mark, { mode: "new" }).close();
  } catch (error) {
    if (!(error instanceof FileFailed && error.code === "exists")) throw error;
    throw new StoreFailed(
      "refused",
      "file store should not be opened consecutively with the TruncateUnexpectedEOF option set to true",
    );
  }
}
