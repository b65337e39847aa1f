/** The files of a store that are open: opened when needed, closed when idle or when there are too many. */
import { FileFailed, type Files, type OpenFile } from "../../ports/files.ts";
import { StoreFailed } from "../../ports/store.ts";
import type { Millis } from "../../protocol/units.ts";
import { VERSION_SIZE, versionBytes, versionProblem } from "./record.ts";

/** A file is closed after this long without use. */
const IDLE: Millis = 1000;
/** How many files make room when the operating system allows no more. */
const ROOM = 16;

/** A file of the store, open or not. Use {@link file} anew for every operation: it may have been closed meanwhile. */
export class FileHandle {
  /** Written to since the last sync. */
  unsynced = false;
  /** Closed when idle; files that are written to all the time are not. */
  closeWhenIdle = true;
  /** @internal Not to be closed while above 0. */
  pins = 0;
  /** @internal */
  opened: OpenFile | undefined;
  /** @internal Grows with every use. */
  lastUse = 0;
  /** @internal */
  idleSince: Millis = 0;
  readonly #all: OpenFiles;

  constructor(readonly path: string, all: OpenFiles) {
    this.#all = all;
  }

  /** The open file, opened now if it was not. Throws FileFailed; StoreFailed `corrupt` if its version is wrong. */
  get file(): OpenFile {
    return this.#all.use(this);
  }

  /** Blocks until what was written is on the disk. Throws FileFailed; then the file is closed and not to be synced again. */
  syncNow(): void {
    const file = this.#all.use(this);
    try {
      file.syncNow();
    } catch (error) {
      this.close();
      throw error;
    }
    this.unsynced = false;
  }

  /** As {@link syncNow}, without blocking. */
  async sync(): Promise<void> {
    const file = this.#all.use(this);
    this.pins++;
    this.unsynced = false;
    try {
      await file.sync();
    } catch (error) {
      this.unsynced = true;
      this.close();
      throw error;
    } finally {
      this.pins--;
    }
  }

  /** Closes it if it is open. */
  close(): void {
    this.#all.closed(this);
  }
}

export class OpenFiles {
  readonly #files: Files;
  readonly #limit: number;
  readonly #sync: boolean;
  /** Directories in which something was made or renamed that may not be on the disk yet. */
  readonly #changed = new Set<string>();
  readonly #open = new Set<FileHandle>();
  #uses = 0;
  /** As of the last {@link maintain}. */
  #usesBefore = 0;
  #now: Millis = 0;

  /** `limit` 0: no limit. `sync`: what is made is on the disk at once. */
  constructor(files: Files, limit: number, sync: boolean) {
    this.#files = files;
    this.#limit = limit;
    this.#sync = sync;
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  handle(path: string): FileHandle {
    return new FileHandle(path, this);
  }

  /** @internal Called by the handle. */
  use(handle: FileHandle): OpenFile {
    handle.lastUse = ++this.#uses;
    if (handle.opened !== undefined) return handle.opened;
    if (this.#limit > 0 && this.#open.size >= this.#limit) this.#closeOldest(this.#open.size - this.#limit + 1);
    const file = this.#openFile(handle.path);
    try {
      checkVersion(file);
    } catch (error) {
      file.close();
      throw error;
    }
    handle.opened = file;
    handle.idleSince = this.#now;
    this.#open.add(handle);
    return file;
  }

  /** @internal Called by the handle. */
  closed(handle: FileHandle): void {
    handle.opened?.close();
    handle.opened = undefined;
    this.#open.delete(handle);
  }

  #openFile(path: string): OpenFile {
    return this.#withRoom(() => this.#files.open(path, { mode: "existing" }));
  }

  /** Tries again with fewer open files if there are too many. */
  #withRoom<T>(open: () => T): T {
    try {
      return open();
    } catch (error) {
      if (!(error instanceof FileFailed && error.code === "too-many-open") || !this.#closeOldest(ROOM)) throw error;
      return open();
    }
  }

  /**
   * Makes a file that holds its version and `content`, replacing any, in one step: it is never seen half written. With `sync` its
   * bytes are on the disk; {@link keepEntries} is left to the caller.
   */
  create(path: string, sync: boolean, content?: Uint8Array): void {
    this.#withRoom(() => createFile(this.#files, path, sync, content));
  }

  /** Something was made in these directories: on the disk when this returns, or, without sync, after {@link syncDirectories}. */
  keepEntries(...directories: string[]): void {
    for (const directory of directories) {
      if (this.#sync) this.#files.syncDirectory(directory);
      else this.#changed.add(directory);
    }
  }

  /** What was made without syncing is found again after a power loss. Throws FileFailed. */
  syncDirectories(): void {
    for (const directory of this.#changed) {
      if (this.#files.exists(directory)) this.#files.syncDirectory(directory);
      this.#changed.delete(directory);
    }
  }

  /** Closes up to `count` of those that were used longest ago; `false` if none could be. */
  #closeOldest(count: number): boolean {
    const candidates = [...this.#open].filter((handle) => handle.pins === 0);
    candidates.sort((a, b) => a.lastUse - b.lastUse);
    for (const handle of candidates.slice(0, count)) this.#retire(handle);
    return candidates.length > 0;
  }

  /** Closes a file; what was written to it is synced first, since a later sync through another descriptor may not see its errors. */
  #retire(handle: FileHandle): void {
    if (handle.unsynced) handle.syncNow();
    handle.close();
  }

  /** Closes what has been idle. Called about once a second. */
  maintain(now: Millis): void {
    this.#now = now;
    for (const handle of this.#open) {
      if (handle.lastUse > this.#usesBefore) handle.idleSince = now;
      else if (handle.closeWhenIdle && handle.pins === 0 && now - handle.idleSince >= IDLE) this.#retire(handle);
    }
    this.#usesBefore = this.#uses;
  }

  closeAll(): void {
    for (const handle of [...this.#open]) handle.close();
  }
}

/** Throws StoreFailed `corrupt` when the file does not begin with the version. */
export function checkVersion(file: OpenFile): void {
  const bytes = new Uint8Array(VERSION_SIZE);
  const problem = versionProblem(bytes, file.readAt(bytes, 0));
  if (problem !== undefined) throw new StoreFailed("corrupt", problem, { cause: `file "${file.path}", offset 0` });
}

function createFile(files: Files, path: string, sync: boolean, content?: Uint8Array): void {
  const temporary = `${path}.new`;
  try {
    const file = files.open(temporary, { mode: "empty" });
    try {
      file.writeAt(versionBytes(), 0);
      if (content !== undefined) file.writeAt(content, VERSION_SIZE);
      if (sync) file.syncNow();
    } finally {
      file.close();
    }
    files.rename(temporary, path);
  } catch (error) {
    files.remove(temporary);
    throw error;
  }
}
