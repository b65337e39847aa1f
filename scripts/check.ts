/** Runs every check of the project and says at the end which failed. Usage: `deno task check`. */
import { circleViolations } from "./check_circles.ts";
import { doorViolations, mapViolations } from "./check_doors.ts";
import { wordViolations } from "./check_words.ts";
import { configurationDocComplaints, configurationDocPath } from "./configuration_doc.ts";

const root = decodeURIComponent(new URL("..", import.meta.url).pathname);

async function main(): Promise<void> {
  const failed: string[] = [];
  // Layers, purity and sizes are rules of the linter: see "lint" in deno.json.
  const tools: readonly [name: string, ...args: string[]][] = [
    ["format", "fmt", "--check", "--quiet"],
    ["lint, layers, purity, sizes", "lint", "--quiet"],
    ["types", "check", "--quiet", "."],
  ];
  for (const [name, ...args] of tools) {
    const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null" }).spawn().status;
    report(name, success, failed);
  }
  const files = await trackedFiles();
  const checks: readonly [name: string, complaints: string[]][] = [
    ["doors", doorViolations(files)],
    ["circles", circleViolations(files)],
    ["map", mapViolations(files.get("src/README.md") ?? "", files)],
    ["words", wordViolations(files)],
    ["configuration document", configurationDocComplaints(files.get(configurationDocPath))],
  ];
  for (const [name, complaints] of checks) {
    for (const complaint of complaints) console.error(complaint);
    report(name, complaints.length === 0, failed);
  }
  if (failed.length > 0) {
    console.error(`check failed: ${failed.join("; ")}`);
    Deno.exit(1);
  }
}

function report(name: string, success: boolean, failed: string[]): void {
  console.log(`${success ? "ok    " : "FAILED"} ${name}`);
  if (!success) failed.push(name);
}

const folders = ["src", "scripts", "tests", "docs", ".ci"];
const skipped = ["tests/golden/", "node_modules/"];

/** Texts by their path from the root. Walks the folders instead of asking git, because a copy may have none. */
async function trackedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(root + folder)) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (skipped.some((place) => `${path}/`.startsWith(place))) continue;
      if (entry.isDirectory && (folder !== "" || folders.includes(entry.name))) await walk(path);
      else if (entry.isFile && /(\.(ts|md|json)|\/run)$/.test(path)) {
        files.set(path, await Deno.readTextFile(root + path));
      }
    }
  };
  await walk("");
  return files;
}

if (import.meta.main) await main();
