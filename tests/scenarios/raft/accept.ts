/** Writes into each Raft script what its nodes say now. What changed is then to be read, and to be wanted. */
import { play } from "./script.ts";

const FOLDER = new URL("./scripts/", import.meta.url);

for (const { name } of Deno.readDirSync(FOLDER)) {
  const file = new URL(name, FOLDER);
  const before = Deno.readTextFileSync(file);
  const after = play(before);
  if (after === before) continue;
  Deno.writeTextFileSync(file, after);
  console.log(`changed: ${name}`);
}
