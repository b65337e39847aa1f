/** Other makers' programs: where they are on this machine. */

const folders = [
  ...(Deno.env.get("PATH") ?? "").split(":"),
  "/usr/sbin",
  "/usr/local/sbin",
  `${Deno.env.get("HOME") ?? ""}/go/bin`,
];

/**
 * Where a program is: where the environment's `variable` says, on PATH, or in Go's folder. `undefined` when it is nowhere,
 * said aloud so that skipped tests are seen; `remedy`: how it can be had.
 */
export function findProgram(name: string, how: { variable?: string; remedy?: string } = {}): string | undefined {
  const { variable } = how;
  const named = variable === undefined ? undefined : Deno.env.get(variable);
  for (const path of [named ?? "", ...folders.map((folder) => `${folder}/${name}`)]) {
    try {
      if (path !== "" && Deno.statSync(path).isFile) return path;
    } catch {
      // Not there.
    }
  }
  const remedy = how.remedy ?? (variable === undefined ? undefined : `${variable} may say where it is`);
  console.warn(`SKIPPED: no ${name} on this machine${remedy === undefined ? "" : `; ${remedy}`}`);
  return undefined;
}
