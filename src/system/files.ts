/** The machine's files, through descriptors of `node:fs`: the only interface here with positional reads and writes. */
import fs from "node:fs";
import {
  type DirectoryEntry,
  FileFailed,
  type FileFailure,
  type FileLock,
  type Files,
  type OpenFile,
  type OpenOptions,
} from "../ports/files.ts";
import type { Offset } from "../protocol/units.ts";
import { lockFile } from "./file_lock.ts";

const { constants } = fs;

const openFlags: Readonly<Record<OpenOptions["mode"], number>> = {
  read: constants.O_RDONLY,
  existing: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
  new: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  empty: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
};

const failures: Readonly<Record<string, FileFailure>> = {
  ENOENT: "not-found",
  EEXIST: "exists",
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "full",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  EMFILE: "too-many-open",
  ENFILE: "too-many-open",
};

/** The files that a running server uses. */
export function systemFiles(): Files {
  return new SystemFiles();
}

class SystemFiles implements Files {
  open(path: string, options: OpenOptions): OpenFile {
    return attempt("open", path, () => {
      const descriptor = fs.openSync(path, openFlags[options.mode], options.permissions ?? 0o666);
      // Opening a directory for reading succeeds; it is refused here, where the path is known, not at the first read.
      if (options.mode === "read" && fs.fstatSync(descriptor).isDirectory()) {
        fs.closeSync(descriptor);
        throw new Error("is a directory");
      }
      return new SystemFile(path, descriptor);
    });
  }

  list(path: string): DirectoryEntry[] {
    const entries = attempt("list", path, () => fs.readdirSync(path, { withFileTypes: true }));
    return entries
      .map((entry) => ({ name: entry.name, isFile: entry.isFile(), isDirectory: entry.isDirectory() }))
      .sort((a, b) => byBytes(a.name, b.name));
  }

  exists(path: string): boolean {
    return fs.existsSync(path);
  }

  makeDirectory(path: string): void {
    attempt("make directory", path, () => fs.mkdirSync(path, { recursive: true, mode: 0o777 }));
  }

  remove(path: string): void {
    attempt("remove", path, () => {
      try {
        fs.unlinkSync(path);
      } catch (cause) {
        if ((cause as { code?: unknown }).code !== "ENOENT") throw cause;
      }
    });
  }

  removeTree(path: string): void {
    attempt("remove directory", path, () => fs.rmSync(path, { recursive: true, force: true }));
  }

  rename(from: string, to: string): void {
    attempt("rename", from, () => fs.renameSync(from, to));
  }

  syncDirectory(path: string): void {
    if (Deno.build.os === "windows") return;
    attempt("sync directory", path, () => {
      const descriptor = fs.openSync(path, constants.O_RDONLY);
      try {
        fs.fsyncSync(descriptor);
      } finally {
        fs.closeSync(descriptor);
      }
    });
  }

  lock(path: string): FileLock | undefined {
    return attempt("lock", path, () => lockFile(path));
  }
}

class SystemFile implements OpenFile {
  readonly path: string;
  #descriptor: number;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  size(): Offset {
    return attempt("size", this.path, () => fs.fstatSync(this.#open()).size);
  }

  readAt(into: Uint8Array, at: Offset): number {
    const descriptor = this.#open();
    let done = 0;
    try {
      while (done < into.length) {
        const count = fs.readSync(descriptor, into, done, into.length - done, at + done);
        if (count === 0) break;
        done += count;
      }
    } catch (cause) {
      throw failed("read", this.path, cause);
    }
    return done;
  }

  writeAt(bytes: Uint8Array, at: Offset): void {
    const descriptor = this.#open();
    let done = 0;
    try {
      while (done < bytes.length) {
        done += fs.writeSync(descriptor, bytes, done, bytes.length - done, at + done);
      }
    } catch (cause) {
      throw failed("write", this.path, cause);
    }
  }

  truncate(size: Offset): void {
    attempt("truncate", this.path, () => fs.ftruncateSync(this.#open(), size));
  }

  syncNow(): void {
    attempt("sync", this.path, () => fs.fdatasyncSync(this.#open()));
  }

  sync(): Promise<void> {
    const descriptor = this.#open();
    return new Promise((resolve, reject) => {
      fs.fdatasync(descriptor, (cause) => {
        if (cause) reject(failed("sync", this.path, cause));
        else resolve();
      });
    });
  }

  close(): void {
    if (this.#descriptor < 0) return;
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    attempt("close", this.path, () => fs.closeSync(descriptor));
  }

  #open(): number {
    if (this.#descriptor < 0) throw new FileFailed("other", this.path, `${this.path} is closed`);
    return this.#descriptor;
  }
}

function attempt<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw failed(action, path, cause);
  }
}

function failed(action: string, path: string, cause: unknown): FileFailed {
  if (cause instanceof FileFailed) return cause;
  const { code, message } = cause as { code?: unknown; message?: string };
  const failure = failures[String(code)] ?? "other";
  return new FileFailed(failure, path, `cannot ${action} ${path}: ${message ?? cause}`, { cause });
}

const encoder = new TextEncoder();

function byBytes(a: string, b: string): number {
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  }
  return left.length - right.length;
}
