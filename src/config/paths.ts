/** Paths of files, by their text alone. */

/** The folder that `path` is in; `.` when it names none. Windows' separator counts where it is used. */
export function parentFolder(path: string): string {
  const at = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  if (at === -1) return ".";
  return at === 0 ? path.slice(0, 1) : path.slice(0, at);
}

/** Puts `name` below `folder` and removes `.`, `..` and empty parts. */
export function joinPath(folder: string, name: string): string {
  return cleanPath(`${folder}/${name}`);
}

/** The shortest path with the same meaning; `.` when nothing is left. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!rooted) parts.push("..");
  }
  const cleaned = parts.join("/");
  if (rooted) return `/${cleaned}`;
  return cleaned === "" ? "." : cleaned;
}
