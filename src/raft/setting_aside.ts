/**
 * Puts what a node can no longer use into a folder of its own, `damaged/`, for the operator to look at: the newest such
 * state only. Goes on where it was interrupted, provided that the caller notes before {@link moveAside} that it has begun.
 */
import type { Files } from "../ports/files.ts";
import { makeDurableDirectory } from "./durable_directory.ts";

/** What a node's directory holds besides the lock. */
export const STATE_FILES = ["member", "vote", "log", "snapshots"] as const;
/** Of these, what belongs to one incarnation alone. */
const INCARNATION_FILES = ["vote", "log", "snapshots"] as const;

/** Makes an empty folder for what is set aside; what was there from an earlier time is gone then. */
export function makeRoom(files: Files, directory: string): void {
  const aside = asidePath(directory);
  files.removeTree(aside);
  makeDurableDirectory(files, aside);
  files.syncDirectory(directory);
}

/** Keeps a copy of the member file, which is about to be replaced. */
export function keepMemberFile(files: Files, directory: string): void {
  const path = `${directory}/member`;
  if (!files.exists(path)) return;
  const from = files.open(path, { mode: "read" });
  const to = files.open(`${asidePath(directory)}/member`, { mode: "empty" });
  try {
    const bytes = new Uint8Array(from.size());
    to.writeAt(bytes.subarray(0, from.readAt(bytes, 0)), 0);
  } finally {
    from.close();
    to.close();
  }
}

/** Moves log, vote and snapshots aside; what has been moved already is left alone. Durable when it returns. */
export function moveAside(files: Files, directory: string): void {
  const aside = asidePath(directory);
  makeDurableDirectory(files, aside);
  for (const name of INCARNATION_FILES) {
    if (!files.exists(`${directory}/${name}`)) continue;
    // The rename may be on the disk in one of the two folders only: what is there twice is the same.
    if (files.exists(`${aside}/${name}`)) files.removeTree(`${directory}/${name}`);
    else files.rename(`${directory}/${name}`, `${aside}/${name}`);
  }
  files.syncDirectory(aside);
  files.syncDirectory(directory);
}

/** Where what was set aside is. */
export function asidePath(directory: string): string {
  return `${directory}/damaged`;
}
