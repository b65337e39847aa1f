/** Running other programs. */
import assert from "node:assert/strict";
import { systemCommands } from "./commands.ts";

const commands = systemCommands();

Deno.test("a program's output is what it wrote to both", async () => {
  const result = await commands.run(Deno.execPath(), [
    "eval",
    "console.log(Deno.args.join('|')); console.error('err')",
    "a b",
    "c",
  ]);
  assert.deepEqual(result, { output: "a b|c\nerr\n", error: undefined });
});

Deno.test("a program that fails says how", async () => {
  const { error, output } = await commands.run(Deno.execPath(), ["eval", "console.log('so far'); Deno.exit(3)"]);
  assert.deepEqual([error, output], ["exit status 3", "so far\n"]);
});

Deno.test("a program that is not there is an error, not a crash", async () => {
  const { error } = await commands.run("/nowhere/no-such-program", []);
  assert.match(error!, /no-such-program/);
});
