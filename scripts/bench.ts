/**
 * Runs the measurements one after another, each in a process of its own. Usage: `deno task bench [part of a name]`; each
 * can be run alone too, with arguments that its first lines describe.
 */

const root = decodeURIComponent(new URL("..", import.meta.url).pathname);

async function main(): Promise<void> {
  const [part = ""] = Deno.args;
  const names = [...Deno.readDirSync(`${root}tests/bench`)].map(({ name }) => name)
    .filter((name) => name.endsWith("_bench.ts") && name.includes(part)).sort();
  if (names.length === 0) {
    console.error(`no measurement's name contains "${part}"`);
    Deno.exit(1);
  }
  let failed = false;
  for (const name of names) {
    console.log(`\n=== ${name}`);
    const args = ["run", "--quiet", "-A", "--no-check", `tests/bench/${name}`];
    const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null" }).spawn().status;
    failed ||= !success;
  }
  if (failed) Deno.exit(1);
}

if (import.meta.main) await main();
