import assert from "node:assert/strict";
import { belongsInBinary } from "./compile.ts";

Deno.test("compile: the sources go into the binary, tests and everything else stay out", () => {
  const inside = ["cli.ts", "mod.ts", "deno.json", "deno.lock", "src/server/server.ts"];
  const outside = [
    "src/server/server_test.ts",
    "tests/support/scenario.ts",
    "scripts/check.ts",
    "data/x",
    "src/store/FORMAT.md",
  ];
  assert.deepEqual([...inside, ...outside].filter(belongsInBinary), inside);
});
