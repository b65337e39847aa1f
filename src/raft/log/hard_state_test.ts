import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { FileFailed } from "../../ports/files.ts";
import { HardStateFile } from "./hard_state.ts";

function fresh(): MemoryFiles {
  const files = new MemoryFiles();
  files.makeDirectory("/raft");
  files.syncDirectory("/");
  return files;
}

Deno.test("TS81: term and vote are one record: after a crash at any call both are the old or both the new ones", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const files = fresh();
    const file = new HardStateFile(files, "/raft/vote");
    let saved = { term: 0, vote: "" };
    for (let term = 1; term <= random.between(1, 4); term++) file.save(saved = { term, vote: `node-${term}` });
    const next = { term: saved.term + 1, vote: "another" };
    let left = random.below(5);
    files.onCall = () => left-- === 0 ? { code: "other", written: random.below(256) } : undefined;
    let returned = false;
    try {
      file.save(next);
      returned = true;
    } catch (error) {
      assert.ok(error instanceof FileFailed);
    }
    files.onCall = undefined;
    const after = files.afterCrash((change) =>
      change.kind === "write" ? random.below(change.bytes.length + 1) : random.below(2)
    );
    const found = new HardStateFile(after, "/raft/vote").state;
    if (returned) assert.deepEqual(found, next, `seed ${seed}`);
    else assert.ok([saved, next].some((one) => one.term === found.term && one.vote === found.vote), `seed ${seed}`);
  }
});

Deno.test("one damaged copy loses nothing, two are told", () => {
  const files = fresh();
  new HardStateFile(files, "/raft/vote").save({ term: 7, vote: "b" });
  const damage = (at: number) => {
    const file = files.open("/raft/vote", { mode: "existing" });
    file.writeAt(Uint8Array.of(0xff, 0xff), at + 20);
    file.close();
  };
  damage(0);
  assert.deepEqual(new HardStateFile(files, "/raft/vote").state, { term: 7, vote: "b" });
  damage(4096);
  assert.deepEqual(new HardStateFile(files, "/raft/vote").state, { term: 7, vote: "b" });
  damage(0);
  damage(4096);
  assert.throws(() => new HardStateFile(files, "/raft/vote"), /both copies in .* are damaged/);
});

Deno.test("a full disk does not keep a vote from being saved", () => {
  const files = fresh();
  const file = new HardStateFile(files, "/raft/vote");
  files.capacity = 0;
  file.save({ term: 1, vote: "a" });
  assert.deepEqual(new HardStateFile(files, "/raft/vote").state, { term: 1, vote: "a" });
});
