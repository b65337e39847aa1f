/** Small text files that options name (keys, certificates, credentials), and what is said when something cannot be opened. */
import { FileFailed, type Files } from "../ports/files.ts";
import type { NetworkFailed } from "../ports/network.ts";
import { StartFailed } from "../protocol/errors.ts";

/** Larger files are not what an operator meant. */
const SIZE_MAX = 16 * 1024 * 1024;

/** The text of the file at `path`. Throws StartFailed naming the file and why it is wanted. */
export function readTextFile(files: Files, path: string, purpose: string): string {
  try {
    const file = files.open(path, { mode: "read" });
    try {
      const size = file.size();
      if (size > SIZE_MAX) throw new StartFailed(`${purpose} file "${path}" is larger than ${SIZE_MAX} bytes`);
      const bytes = new Uint8Array(size);
      return new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0)));
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof FileFailed) {
      throw new StartFailed(`unable to read ${purpose} file "${path}": ${error.message}`);
    }
    throw error;
  }
}

/** As {@link readTextFile}; nothing for an empty path. */
export function optionalTextFile(files: Files, path: string, purpose: string): string | undefined {
  return path === "" ? undefined : readTextFile(files, path, purpose);
}

/** Why nothing can listen at an address, in the reference's words. `port` as configured: -1 stands for any. */
export function listenFailure(host: string, port: number, error: NetworkFailed): string {
  const reasons: Record<string, string> = {
    EADDRINUSE: "bind: address already in use",
    EACCES: "bind: permission denied",
    EADDRNOTAVAIL: "bind: cannot assign requested address",
  };
  return `listen tcp ${host}:${Math.max(0, port)}: ${reasons[error.code] ?? error.message}`;
}
