/** The files of a channel's slices, whatever state they are in: removed, or put where nobody takes them for messages. */
import { type FileContext, join } from "./context.ts";

/** Folders inside a channel's are nobody's messages (spec stores, section 3.1). */
const ASIDE = "damaged";

/** Removes all of them, archived ones included; durably with sync. Throws FileFailed. */
export function removeSliceFiles(directory: string, { ports: { files }, options }: FileContext): void {
  for (const name of namesIn(directory, files)) files.remove(join(directory, name));
  if (options.sync) files.syncDirectory(directory);
}

/**
 * Moves what cannot be used into a folder of its own, the newest such files only; durable when it returns. Answers which
 * folder that is. `names`: files of the channel's folder. Throws FileFailed.
 */
export function setFilesAside(directory: string, names: readonly string[], { ports: { files } }: FileContext): string {
  const aside = join(directory, ASIDE);
  files.removeTree(aside);
  files.makeDirectory(aside);
  files.syncDirectory(directory);
  for (const name of names) files.rename(join(directory, name), join(aside, name));
  files.syncDirectory(aside);
  files.syncDirectory(directory);
  return aside;
}

/** The files of all slices but those with the numbers in `kept`. Throws FileFailed. */
export function sliceFiles(directory: string, kept: ReadonlySet<number>, { ports: { files } }: FileContext): string[] {
  return namesIn(directory, files).filter((name) => {
    const number = /^msgs\.(\d+)\.(dat|idx)$/.exec(name)?.[1];
    return number === undefined ? !name.endsWith(".bak") : !kept.has(Number(number));
  });
}

function namesIn(directory: string, files: FileContext["ports"]["files"]): string[] {
  return files.list(directory).flatMap(({ name, isFile }) => isFile && /^msgs\..*\./.test(name) ? [name] : []);
}
