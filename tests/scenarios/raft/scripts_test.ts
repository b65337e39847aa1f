import assert from "node:assert/strict";
import { play } from "./script.ts";

const FOLDER = new URL("./scripts/", import.meta.url);

for (const { name } of [...Deno.readDirSync(FOLDER)].sort((a, b) => (a.name < b.name ? -1 : 1))) {
  Deno.test(`Raft script ${name.replace(/\.txt$/, "").replaceAll("_", " ")}`, () => {
    const script = Deno.readTextFileSync(new URL(name, FOLDER));
    assert.equal(play(script), script, "to accept what is said now: deno run -A tests/scenarios/raft/accept.ts");
  });
}
