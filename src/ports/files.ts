/**
 * Files and directories. Reads and writes are positional and synchronous (performance notes, section 4: an append is
 * faster than the thread hop that would hide it); syncing exists in both forms because it may be slow.
 *
 * Every failure throws {@link FileFailed}. After a failed sync the handle is dead: the caller must never sync it again,
 * because the operating system may have dropped the unwritten pages.
 */
import type { Offset } from "../protocol/units.ts";

/** The reasons that callers tell apart; everything else is `other`. */
export type FileFailure = "not-found" | "exists" | "full" | "denied" | "too-many-open" | "other";

/** An operation on a file or directory failed. `full`: no space or quota left (ENOSPC, EDQUOT). */
export class FileFailed extends Error {
  override readonly name = "FileFailed";
  constructor(readonly code: FileFailure, readonly path: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

export interface OpenFile {
  readonly path: string;
  /** Present length in bytes. */
  size(): Offset;
  /** Reads into `into` from `at`; returns how many bytes there were: fewer than asked only at the end of the file. */
  readAt(into: Uint8Array, at: Offset): number;
  /** Writes all of `bytes` at `at`, growing the file as needed; on failure some of it may have been written. */
  writeAt(bytes: Uint8Array, at: Offset): void;
  truncate(size: Offset): void;
  /** Blocks until what was written is on the disk (fdatasync). */
  syncNow(): void;
  /** As {@link syncNow}, without blocking this thread. */
  sync(): Promise<void>;
  /** Idempotent. Does not sync. */
  close(): void;
}

export interface DirectoryEntry {
  readonly name: string;
  /** A symbolic link is neither a file nor a directory, whatever it points to. */
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/** An exclusive lock on a file, held until released or the process ends. */
export interface FileLock {
  release(): void;
}

export interface OpenOptions {
  /** `read`: must exist, read only. `existing`: must exist. `create`: made when missing. `new`: must not exist. `empty`: made or cut to 0. */
  readonly mode: "read" | "existing" | "create" | "new" | "empty";
  /** Permission bits for a new file, before the umask; 0o666 by default. */
  readonly permissions?: number;
}

export interface Files {
  open(path: string, options: OpenOptions): OpenFile;
  /** The entries of a directory sorted by name (byte order). */
  list(path: string): DirectoryEntry[];
  exists(path: string): boolean;
  /** Makes a directory and its parents (0o777 before the umask); fine when it exists. */
  makeDirectory(path: string): void;
  /** Removes one file; a missing one is fine. */
  remove(path: string): void;
  /** Removes a directory with everything in it; a missing one is fine. */
  removeTree(path: string): void;
  /** Renames within one file system, replacing an existing file. */
  rename(from: string, to: string): void;
  /** Makes created, renamed and removed entries of a directory durable. Does nothing where the platform cannot. */
  syncDirectory(path: string): void;
  /** Takes an exclusive lock on the file, made when missing; `undefined` when another process holds it. */
  lock(path: string): FileLock | undefined;
}
