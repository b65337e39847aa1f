/** Where a file stands in the repository, and which rules that puts it under. */

const root = decodeURIComponent(new URL("..", import.meta.url).pathname);

/** A path from the repository's root with forward slashes, e.g. `src/store/mod.ts`. */
export function repositoryPath(filename: string): string {
  const path = filename.replace(/^file:\/\//, "").replaceAll("\\", "/");
  return path.startsWith(root) ? path.slice(root.length) : path;
}

/** Tests and what serves them may see and use everything. */
export function isTest(path: string): boolean {
  return path.startsWith("tests/") || path.startsWith("scripts/") || /_(test|bench)\.ts$/.test(path);
}

/** What decides, and therefore takes time and chance as arguments and never waits: folders, and the pure files of others. */
export function isPure(path: string): boolean {
  return !isTest(path) && (pureFolders.some((folder) => path.startsWith(folder)) || pureFiles.includes(path));
}

const pureFolders = ["src/protocol/", "src/streaming/", "src/raft/core/", "src/config/", "src/nats/wire/"];
const pureFiles = [
  "src/raft/log/wal_format.ts",
  "src/store/retention.ts",
  "src/store/file/record.ts",
  "src/store/file/message_index.ts",
];
