/** A short text in the store's directory that says which server uses it: read and replaced whole. */
import type { Files } from "../../ports/files.ts";
import { join } from "./context.ts";

const NAME = ".ft_owner";
/** Longer ones are no notes of ours. */
const SIZE_MAX = 4096;

/** The note; empty when there is none. Throws FileFailed. */
export function readOwnerNote(files: Files, directory: string): string {
  const path = join(directory, NAME);
  if (!files.exists(path)) return "";
  const file = files.open(path, { mode: "read" });
  try {
    const bytes = new Uint8Array(Math.min(file.size(), SIZE_MAX));
    return new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0)));
  } finally {
    file.close();
  }
}

/** Replaces the note; it is on the disk when this returns. Throws FileFailed. */
export function writeOwnerNote(files: Files, directory: string, text: string): void {
  files.makeDirectory(directory);
  const path = join(directory, NAME);
  const file = files.open(`${path}.new`, { mode: "empty" });
  try {
    file.writeAt(new TextEncoder().encode(text), 0);
    file.syncNow();
  } finally {
    file.close();
  }
  files.rename(`${path}.new`, path);
  files.syncDirectory(directory);
}
