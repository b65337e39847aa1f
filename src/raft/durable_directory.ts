/** Makes directories that a power loss does not take away. */
import type { Files } from "../ports/files.ts";

/** Makes `path` and its parents, and makes the entry of each durable; does nothing when it exists. */
export function makeDurableDirectory(files: Files, path: string): void {
  if (files.exists(path)) return;
  files.makeDirectory(path);
  for (let at = path.lastIndexOf("/"); at >= 0; at = path.lastIndexOf("/", at - 1)) {
    files.syncDirectory(at === 0 ? "/" : path.slice(0, at));
    if (at === 0) return;
  }
  files.syncDirectory(".");
}
