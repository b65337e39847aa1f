/** Checks that no files of different folders import each other in a circle, types included: such folders are one. */

/** `files`: path from the repository's root → text. Answers each circle, with the remedy. */
export function circleViolations(files: ReadonlyMap<string, string>): string[] {
  const imports = new Map<string, string[]>();
  for (const [path, text] of files) {
    if (/^(src\/|[^/]+$)/.test(path) && path.endsWith(".ts") && !path.endsWith("_test.ts")) {
      imports.set(path, importsOf(path, text));
    }
  }
  return circlesIn(imports)
    .filter((circle) => new Set(circle.map(folderOf)).size > 1)
    .map((circle) => `${circle.join(", ")} import each other; put what they need of each other where neither is above`)
    .sort();
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function importsOf(path: string, text: string): string[] {
  const found = text.matchAll(/^(?:import|export)\b[^;"]*?from\s+"(\.[^"]+)"/gm);
  return [...found].map((match) => new URL(match[1]!, `file:///${path}`).pathname.slice(1));
}

/** The groups of two files and more in which every file reaches every other (Tarjan's algorithm). */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const number = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const circles: string[][] = [];
  const visit = (path: string): void => {
    number.set(path, number.size);
    lowest.set(path, number.get(path)!);
    open.push(path);
    isOpen.add(path);
    for (const next of imports.get(path)!) {
      if (!imports.has(next)) continue;
      if (!number.has(next)) visit(next);
      if (isOpen.has(next)) lowest.set(path, Math.min(lowest.get(path)!, lowest.get(next)!));
    }
    if (lowest.get(path) !== number.get(path)) return;
    const group = open.splice(open.indexOf(path));
    for (const each of group) isOpen.delete(each);
    if (group.length > 1) circles.push(group.sort());
  };
  for (const path of imports.keys()) if (!number.has(path)) visit(path);
  return circles;
}
