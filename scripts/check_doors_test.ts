import assert from "node:assert/strict";
import { doorViolations, mapViolations } from "./check_doors.ts";

const header = "/**\n * Keeps things.\n * Knows files.\n * Must not know clocks.\n */\n";

Deno.test("doors: a folder with an introduced door and files with a sentence are fine", () => {
  const files = new Map([
    ["src/store/mod.ts", header],
    ["src/store/a.ts", "/** One thing. */\n"],
    ["src/store/a_test.ts", "import x;"],
    ["src/ports/clock.ts", "/**\n * Time.\n */"],
    ["scripts/x.ts", ""],
  ]);
  assert.deepEqual(doorViolations(files), []);
});

Deno.test("doors: what is missing is named with its remedy", () => {
  const files = new Map([
    ["src/store/a.ts", "/** One thing. */"],
    ["src/nats/mod.ts", "/** Nats. */\nexport {};"],
    ["src/nats/b.ts", "import x;"],
  ]);
  const complaints = doorViolations(files);
  assert.equal(complaints.length, 3);
  assert.match(complaints[0]!, /^src\/nats\/b\.ts does not say what it is; begin it/);
  assert.match(complaints[1]!, /^src\/nats\/mod\.ts does not introduce its folder; say/);
  assert.match(complaints[2]!, /^src\/store has no door; add a mod\.ts/);
});

Deno.test("doors: the map may name only what exists", () => {
  const files = new Map([["src/store/file/slice.ts", ""], ["cli.ts", ""]]);
  const map = "`slice.ts` and `store/file/slice.ts`, started by `../cli.ts`, not `store/gone.ts` nor `ice.ts`";
  assert.deepEqual(mapViolations(map, files), [
    "src/README.md names store/gone.ts, which does not exist; correct the map",
    "src/README.md names ice.ts, which does not exist; correct the map",
  ]);
});
