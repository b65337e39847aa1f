/** A log file with an optional size limit: when it grows above, it is renamed with the time and a new one begins. */
import fs from "node:fs";
import { type LogSink, timeOfDay } from "./log.ts";
import { wallTime } from "./wall_time.ts";

export interface LogFileOptions {
  readonly path: string;
  /** Bytes above which the file is rotated; 0 for never. */
  readonly sizeLimit: number;
  /** Stands in the line that begins a rotated file. */
  readonly pid: number;
}

/** Opens the log file, made when missing. Throws with the operator's text when that fails, e.g. `error opening file: open x.log: no such file or directory`. */
export function fileSink(options: LogFileOptions): LogSink {
  return new LogFile(options);
}

class LogFile implements LogSink {
  readonly #path: string;
  readonly #pid: number;
  #limit: number;
  #descriptor: number;
  #size: number;

  constructor(options: LogFileOptions) {
    this.#path = options.path;
    this.#pid = options.pid;
    this.#limit = options.sizeLimit;
    this.#descriptor = openForAppending(options.path);
    this.#size = fs.fstatSync(this.#descriptor).size;
    if (this.#limit > 0 && this.#size > this.#limit) {
      this.#append(`${this.#stamp()}[INF] Rotating logfile...\n`);
      this.#rotate(this.#stamp());
    }
  }

  write(stamp: string, level: string, text: string): void {
    this.#append(`${stamp}[${level}] ${text}\n`);
    if (this.#limit > 0 && this.#size > this.#limit) this.#rotate(stamp);
  }

  reopen(): boolean {
    try {
      const descriptor = openForAppending(this.#path);
      this.#closeDescriptor();
      this.#descriptor = descriptor;
      this.#size = fs.fstatSync(descriptor).size;
    } catch {
      // The old file is better than none; the line about the reopening shows where it went.
    }
    return true;
  }

  close(): void {
    this.#closeDescriptor();
    this.#descriptor = -1;
  }

  #append(line: string): void {
    if (this.#descriptor < 0) return;
    try {
      this.#size += fs.writeSync(this.#descriptor, line);
    } catch {
      // A full disk takes no lines, and must not take the server down with it.
    }
  }

  #rotate(stamp: string): void {
    const backup = backupPath(this.#path);
    try {
      fs.renameSync(this.#path, backup);
      const descriptor = openForAppending(this.#path);
      this.#closeDescriptor();
      this.#descriptor = descriptor;
      this.#size = 0;
      // The reference ends this one line so; scripts may look for it.
      this.#append(`${stamp}[INF] Rotated log, backup saved as "${backup}"\r\n`);
    } catch (cause) {
      this.#limit *= 2;
      this.#append(
        `${stamp}[ERR] Unable to rotate the log, the size limit is now ${this.#limit}: ${(cause as Error).message}\n`,
      );
    }
  }

  #stamp(): string {
    return `[${this.#pid}] ${timeOfDay(false)} `;
  }

  #closeDescriptor(): void {
    if (this.#descriptor < 0) return;
    try {
      fs.closeSync(this.#descriptor);
    } catch {
      // Its lines are written already.
    }
  }
}

/** What the reference says of the system's reasons. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  EROFS: "read-only file system",
};

function openForAppending(path: string): number {
  try {
    return fs.openSync(path, "a", 0o660);
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    throw new Error(`error opening file: open ${path}: ${reasons[code ?? ""] ?? message}`, { cause });
  }
}

/** Where a rotated file goes: the path with the local time, e.g. `x.log.2026.11.22.11.40.32.123456789`, not taken yet. */
function backupPath(path: string): string {
  const millis = wallTime();
  const [time, micros] = timeOfDay(false, millis).split(".");
  for (let nanos = Math.floor((millis * 1e6) % 1000);; nanos++) {
    const backup = `${path}.${time!.replaceAll(/[/ :]/g, ".")}.${micros}${String(nanos % 1000).padStart(3, "0")}`;
    if (!fs.existsSync(backup)) return backup;
  }
}
