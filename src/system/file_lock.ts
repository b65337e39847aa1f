/**
 * An exclusive lock on a file, by flock(2). It goes with the process, however that ends. The reference locks by fcntl(2),
 * which flock does not exclude.
 */
import type { FileLock } from "../ports/files.ts";

/** Takes the lock, making the file when missing; `undefined` when it is held, here or elsewhere. Throws Deno's errors. */
export function lockFile(path: string): FileLock | undefined {
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  try {
    const taken = typeof file.tryLockSync === "function" ? file.tryLockSync(true) : tryLockWithoutHelp(file);
    if (!taken) {
      file.close();
      return undefined;
    }
  } catch (error) {
    file.close();
    throw error;
  }
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      file.close();
    },
  };
}

/**
 * Deno before 2.6 can only wait for a lock. The kernel's list says whether there is anything to wait for; what it does
 * not show (another container's lock, another system) is waited for, so that two processes never both go on.
 */
function tryLockWithoutHelp(file: Deno.FsFile): boolean {
  if (listedAsLocked(file.statSync(), kernelLocks())) return false;
  file.lockSync(true);
  return true;
}

function kernelLocks(): string {
  try {
    return Deno.readTextFileSync("/proc/locks");
  } catch {
    return "";
  }
}

/** Exported for its tests: whether a text in the form of Linux's `/proc/locks` names a held flock on this file. */
export function listedAsLocked(info: { dev: number; ino: number | null }, locks: string): boolean {
  // `1: FLOCK  ADVISORY  WRITE 4242 fd:01:1835010 0 EOF`; a waiting process has `->` after the number.
  for (const line of locks.split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] !== "FLOCK") continue;
    const [major, minor, inode] = (fields[5] ?? "").split(":");
    if (Number(inode) === info.ino && sameDevice(info.dev, parseInt(major!, 16), parseInt(minor!, 16))) return true;
  }
  return false;
}

function sameDevice(device: number, major: number, minor: number): boolean {
  const number = BigInt(device);
  const deviceMajor = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const deviceMinor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return Number(deviceMajor) === major && Number(deviceMinor) === minor;
}
