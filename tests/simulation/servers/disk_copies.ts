/** Puts what one disk holds on another. */
import type { MemoryFiles } from "../../support/memory_files.ts";

/** Everything below `path`; durable there. */
export function copyTree(from: MemoryFiles, to: MemoryFiles, path: string): void {
  to.makeDirectory(path);
  for (const entry of from.list(path)) {
    const at = `${path}/${entry.name}`;
    if (entry.isDirectory) copyTree(from, to, at);
    else {
      const source = from.open(at, { mode: "read" });
      const bytes = new Uint8Array(source.size());
      source.readAt(bytes, 0);
      const target = to.open(at, { mode: "empty" });
      target.writeAt(bytes, 0);
      target.syncNow();
    }
  }
}
