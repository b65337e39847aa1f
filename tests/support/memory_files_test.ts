import assert from "node:assert/strict";
import type { Files } from "../../src/ports/files.ts";
import { filesConformance } from "../conformance/files.ts";
import { MemoryFiles, randomSurvival } from "./memory_files.ts";
import { SeededRandom } from "./seeded_random.ts";

filesConformance("MemoryFiles", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/folder");
  return { files, folder: "/folder" };
});

const bytes = (text: string) => new TextEncoder().encode(text);

function contents(files: Files, path: string): string {
  const file = files.open(path, { mode: "read" });
  const into = new Uint8Array(file.size());
  file.readAt(into, 0);
  return new TextDecoder().decode(into);
}

Deno.test("a power loss loses what was not synced, entries included", () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  file.writeAt(bytes("synced"), 0);
  file.syncNow();
  assert.equal(files.afterCrash(() => 0).exists("a"), false);
  files.syncDirectory("");
  file.writeAt(bytes("LOST"), 2);
  assert.equal(contents(files, "a"), "syLOST");
  assert.equal(contents(files.afterCrash(() => 0), "a"), "synced");
  assert.equal(contents(files.afterCrash(() => Infinity), "a"), "syLOST");
  assert.equal(contents(files.afterCrash(() => 1), "a"), "syLced");
  assert.equal(contents(files.afterKill(), "a"), "syLOST");
});

Deno.test("a later write may survive without an earlier one", () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  files.syncDirectory("");
  file.writeAt(bytes("one"), 0);
  file.writeAt(bytes("two"), 3);
  const left = files.afterCrash((change) => change.kind === "write" && change.at === 3 ? 2 : 0);
  assert.equal(contents(left, "a"), "\0\0\0tw");
});

Deno.test("what survived one crash is durable in the next", () => {
  const files = new MemoryFiles();
  files.open("a", { mode: "create" }).writeAt(bytes("kept"), 0);
  const once = files.afterCrash(() => Infinity);
  assert.equal(contents(once.afterCrash(() => 0), "a"), "kept");
});

Deno.test("a rename survives whole or not at all", () => {
  const files = new MemoryFiles();
  files.makeDirectory("x");
  files.makeDirectory("y");
  files.open("x/a", { mode: "create" }).close();
  for (const path of ["", "x", "y"]) files.syncDirectory(path);
  files.rename("x/a", "y/b");
  for (let seed = 0; seed < 20; seed++) {
    const left = files.afterCrash(randomSurvival(new SeededRandom(seed)));
    assert.notEqual(left.exists("x/a"), left.exists("y/b"));
  }
  files.syncDirectory("y");
  assert.equal(files.afterCrash(() => 0).exists("y/b"), true);
});

Deno.test("a kill leaves what programs saw, whatever syncs failed before", () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  file.writeAt(bytes("a longer text"), 0);
  files.onCall = (call) => call.kind === "sync" ? { code: "other" } : undefined;
  assert.throws(() => file.syncNow());
  files.onCall = undefined;
  const again = files.open("a", { mode: "empty" });
  again.writeAt(bytes("short"), 0);
  again.syncNow();
  assert.equal(contents(files.afterKill(), "a"), "short");
  assert.equal(contents(files.afterKill().afterKill(), "a"), "short");
});

Deno.test("what was made and not synced is lost with power, also when its process was killed before", () => {
  const files = new MemoryFiles();
  files.makeDirectory("x");
  files.makeDirectory("y");
  for (const name of ["x/a", "x/b"]) files.open(name, { mode: "create" }).close();
  const left = files.afterKill().afterKill();
  assert.ok(left.exists("x/a"));
  assert.ok(!left.afterCrash(() => 0).exists("x"));
  left.syncDirectory("");
  left.syncDirectory("x");
  left.rename("x/a", "y/a");
  const again = left.afterKill();
  for (let seed = 0; seed < 20; seed++) {
    const crashed = again.afterCrash(randomSurvival(new SeededRandom(seed)));
    assert.notEqual(crashed.exists("x/a"), crashed.exists("y/a"));
    assert.ok(crashed.exists("x/b"));
  }
  again.syncDirectory("y");
  assert.ok(again.afterCrash(() => 0).exists("y/a"));
});

Deno.test("what a failed sync covered is not written by a later one", () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  files.syncDirectory("");
  file.writeAt(bytes("doomed"), 0);
  files.onCall = (call) => call.kind === "sync" ? { code: "other" } : undefined;
  assert.throws(() => file.syncNow(), { name: "FileFailed", code: "other" });
  files.onCall = undefined;
  file.syncNow();
  assert.equal(contents(files, "a"), "doomed");
  assert.equal(contents(files.afterCrash(() => 0), "a"), "");
});

Deno.test("a sync under way covers only what was written before it", async () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  files.syncDirectory("");
  let end = () => {};
  files.onSync = (done) => end = done;
  file.writeAt(bytes("before"), 0);
  const syncing = file.sync();
  file.writeAt(bytes(" after"), 6);
  assert.equal(contents(files.afterCrash(() => 0), "a"), "");
  end();
  await syncing;
  assert.equal(contents(files.afterCrash(() => 0), "a"), "before");
});

Deno.test("a full disk takes what fits, and goes on when there is room again", () => {
  const files = new MemoryFiles();
  files.capacity = 10;
  const file = files.open("a", { mode: "create" });
  file.writeAt(bytes("12345678"), 0);
  assert.throws(() => file.writeAt(bytes("9abcd"), 8), { name: "FileFailed", code: "full" });
  assert.equal(contents(files, "a"), "123456789a");
  file.writeAt(bytes("X"), 0);
  file.truncate(4);
  file.writeAt(bytes("ok"), 4);
  assert.equal(contents(files, "a"), "X234ok");
  files.remove("a");
  files.open("b", { mode: "create" }).writeAt(new Uint8Array(10), 0);
});

Deno.test("an injected failure stops a write at any byte", () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  files.onCall = (call) => call.kind === "write" ? { code: "denied", written: 3 } : undefined;
  assert.throws(() => file.writeAt(bytes("123456"), 0), { name: "FileFailed", code: "denied" });
  assert.equal(contents(files, "a"), "123");
});

Deno.test("after switchOff() nothing happens any more", () => {
  const files = new MemoryFiles();
  const file = files.open("a", { mode: "create" });
  files.switchOff();
  assert.throws(() => file.writeAt(bytes("x"), 0), { name: "FileFailed" });
  assert.throws(() => files.open("b", { mode: "create" }), { name: "FileFailed" });
});

Deno.test("the same seed loses the same", () => {
  const left = (seed: number) => {
    const files = new MemoryFiles();
    const file = files.open("a", { mode: "create" });
    files.syncDirectory("");
    for (let i = 0; i < 50; i++) file.writeAt(bytes(`write ${i};`), i * 10);
    return contents(files.afterCrash(randomSurvival(new SeededRandom(seed))), "a");
  };
  assert.equal(left(7), left(7));
  assert.notEqual(left(7), left(8));
});

Deno.test("a disk that lies loses what it said was safe, unless it comes to its senses before power fails", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/d");
  const file = files.open("/d/a", { mode: "new" });
  files.lies = true;
  file.writeAt(new Uint8Array([1, 2, 3]), 0);
  file.syncNow();
  files.syncDirectory("/d");
  files.syncDirectory("/");
  assert.deepEqual(files.afterCrash(() => 0).tree(""), []);
  files.settle();
  assert.deepEqual(files.afterCrash(() => 0).tree(""), [{ path: "/d/a", size: 3 }]);
});
