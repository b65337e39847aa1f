/** Checks that every folder of `src/` is entered through a `mod.ts` that introduces it, and every file by a sentence. */

/** Folders whose files are entered one by one: each is a vocabulary or a connection of its own. */
const openFolders = ["src/ports", "src/plugins", "src/protocol"];

function isOpen(folder: string): boolean {
  return folder === "src" || openFolders.includes(folder);
}

/** `files`: path from the repository's root → text. Answers what is wrong, each with the remedy. */
export function doorViolations(files: ReadonlyMap<string, string>): string[] {
  const complaints: string[] = [];
  const folders = new Set<string>();
  for (const [path, text] of files) {
    if (!path.startsWith("src/") || !path.endsWith(".ts") || path.endsWith("_test.ts")) continue;
    if (!text.startsWith("/** ") && !text.startsWith("/**\n")) {
      complaints.push(`${path} does not say what it is; begin it with one sentence in /** … */`);
    }
    folders.add(path.slice(0, path.lastIndexOf("/")));
  }
  for (const folder of folders) {
    if (isOpen(folder)) continue;
    const door = files.get(`${folder}/mod.ts`);
    if (door === undefined) {
      complaints.push(`${folder} has no door; add a mod.ts that exports what others may use`);
    } else if (!/^\/\*\*\n \* .+\n \* .*\b[Kk]nows\b.*\n( \* .+\n)* \* .*\b[Mm]ust not know\b/.test(door)) {
      complaints.push(
        `${folder}/mod.ts does not introduce its folder; say in its first comment what it does, then a line that begins ` +
          "`Knows` and one that begins `Must not know`",
      );
    }
  }
  return complaints.sort();
}

/** Checks that every file that the map names is there. `map`: its text. */
export function mapViolations(map: string, files: ReadonlyMap<string, string>): string[] {
  const named = new Set([...map.matchAll(/`(?:\.\.\/)?([\w/]+\.ts)`/g)].map((match) => match[1]!));
  const paths = [...files.keys()];
  return [...named].filter((name) => !paths.some((path) => path === name || path.endsWith(`/${name}`)))
    .map((name) => `src/README.md names ${name}, which does not exist; correct the map`);
}
