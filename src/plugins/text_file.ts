/** Small text files that options name: keys, certificates, credentials. */
import { FileFailed, type Files } from "../ports/files.ts";
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
