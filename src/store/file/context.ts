/** What the parts of one file store share. */
import type { Clock } from "../../ports/clock.ts";
import type { Commands } from "../../ports/commands.ts";
import type { DirectoryEntry, Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Checksum } from "./checksum.ts";
import type { ReadCaches } from "./read_caches.ts";
import type { Nanos } from "../../protocol/units.ts";
import type { OpenFiles } from "./open_files.ts";
import type { FileStoreOptions } from "./options.ts";
import type { Syncing } from "./syncing.ts";

/** The ports of a file store. Without `commands` no archive script is run. */
export interface FileStorePorts {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly commands?: Commands;
}

export interface FileContext {
  readonly options: FileStoreOptions;
  readonly ports: FileStorePorts;
  readonly checksum: Checksum;
  readonly openFiles: OpenFiles;
  readonly syncing: Syncing;
  readonly readCaches: ReadCaches;
  /** Wall time, read about once a second: how old slices are. */
  tick: Nanos;
  /**
   * The last run of this server here did not end by closing the store: ends of files that were never synced may be cut off,
   * and what is there may not be on the disk yet.
   */
  unclean: boolean;
  /** Archive scripts that are running. */
  readonly scripts: Set<Promise<void>>;
}

/** Whether a folder in the store's is a channel's. No channel's name begins with a dot, but a cluster's log may lie there. */
export function isChannelFolder({ name, isDirectory }: DirectoryEntry): boolean {
  return isDirectory && !name.startsWith(".");
}

/** The path of something in a directory. */
export function join(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}
