import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { readOwnerNote, writeOwnerNote } from "./owner_note.ts";

Deno.test("a note is absent, written, and replaced whole", () => {
  const files = new MemoryFiles();
  assert.equal(readOwnerNote(files, "/store"), "");
  writeOwnerNote(files, "/store", "a first note that is long");
  assert.equal(readOwnerNote(files, "/store"), "a first note that is long");
  writeOwnerNote(files, "/store", "short");
  assert.equal(readOwnerNote(files, "/store"), "short");
  assert.deepEqual(files.list("/store").map(({ name }) => name), [".ft_owner"]);
});

Deno.test("a note survives a power loss right after it was written, and its replacement is all or nothing", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/store");
  files.syncDirectory("/");
  writeOwnerNote(files, "/store", "first");
  const later = files.afterCrash(() => 0);
  assert.equal(readOwnerNote(later, "/store"), "first");
  writeOwnerNote(later, "/store", "second");
  assert.equal(readOwnerNote(later.afterCrash(() => 0), "/store"), "second");
});

Deno.test("a file of any size is read in bounds", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/store");
  const file = files.open("/store/.ft_owner", { mode: "create" });
  file.writeAt(new Uint8Array(100_000).fill(0x78), 0);
  file.close();
  assert.equal(readOwnerNote(files, "/store").length, 4_096);
});
