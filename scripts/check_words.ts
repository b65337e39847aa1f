/** Checks that the sources hold no unfinished marks and no paths of the machine they were written on. */

/** Pieces are put together so that this file does not find itself. */
const unwanted: readonly [pattern: RegExp, remedy: string][] = [
  [
    new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`),
    "finish it, or say plainly in the docs what is missing",
  ],
  [
    new RegExp("(^|[\\s\"'`(])/(" + ["wo" + "rk", "ro" + "ot", "ho" + "me"].join("|") + ")/"),
    "use a path relative to the repository",
  ],
];

/** `files`: path from the repository's root → text. Answers what is wrong with its line, each with the remedy. */
export function wordViolations(files: ReadonlyMap<string, string>): string[] {
  const complaints: string[] = [];
  for (const [path, text] of files) {
    for (const [index, line] of text.split("\n").entries()) {
      for (const [pattern, remedy] of unwanted) {
        const found = pattern.exec(line)?.[0].trim();
        if (found !== undefined) complaints.push(`${path}:${index + 1}: ${found} does not belong here; ${remedy}`);
      }
    }
  }
  return complaints;
}
