/** What every implementation of the Files port must do. */
import assert from "node:assert/strict";
import type { Files } from "../../src/ports/files.ts";

/** `open` gives fresh files and an empty directory in them that the suite may fill. */
export function filesConformance(name: string, open: () => { files: Files; folder: string; done?: () => void }): void {
  const scenario = (title: string, run: (files: Files, folder: string) => void | Promise<void>) => {
    Deno.test(`${name}: ${title}`, async () => {
      const { files, folder, done } = open();
      try {
        await run(files, folder);
      } finally {
        done?.();
      }
    });
  };
  readingAndWriting(scenario);
  opening(scenario);
  directories(scenario);
}

type Scenario = (title: string, run: (files: Files, folder: string) => void | Promise<void>) => void;

function readingAndWriting(scenario: Scenario): void {
  scenario("bytes are read where they were written", async (files, folder) => {
    const file = files.open(`${folder}/a`, { mode: "create" });
    file.writeAt(bytes("hello"), 0);
    file.writeAt(bytes("J"), 0);
    file.writeAt(bytes("far"), 8);
    assert.equal(file.size(), 11);
    const into = new Uint8Array(20);
    assert.equal(file.readAt(into, 0), 11);
    assert.deepEqual(into.subarray(0, 11), bytes("Jello\0\0\0far"));
    assert.equal(file.readAt(into.subarray(0, 2), 9), 2);
    assert.deepEqual(into.subarray(0, 2), bytes("ar"));
    assert.equal(file.readAt(into, 11), 0);
    assert.equal(file.readAt(into, 500), 0);
    file.syncNow();
    await file.sync();
    file.close();
  });

  scenario("what is written does not change with the caller's buffer", (files, folder) => {
    const file = files.open(`${folder}/a`, { mode: "create" });
    const buffer = bytes("before");
    file.writeAt(buffer, 0);
    buffer.fill(0);
    assert.deepEqual(contents(files, `${folder}/a`), "before");
    file.close();
  });

  scenario("truncate shortens and lengthens", (files, folder) => {
    const file = files.open(`${folder}/a`, { mode: "create" });
    file.writeAt(bytes("hello"), 0);
    file.truncate(2);
    file.truncate(4);
    assert.equal(contents(files, `${folder}/a`), "he\0\0");
    file.close();
  });

  scenario("a closed file takes no more calls, except close", (files, folder) => {
    const file = files.open(`${folder}/a`, { mode: "create" });
    file.close();
    file.close();
    assert.throws(() => file.size(), { name: "FileFailed" });
    assert.throws(() => file.writeAt(bytes("x"), 0), { name: "FileFailed" });
    assert.throws(() => file.syncNow(), { name: "FileFailed" });
  });

  scenario("a file opened for reading takes no writes", (files, folder) => {
    write(files, `${folder}/a`, "x");
    const file = files.open(`${folder}/a`, { mode: "read" });
    assert.throws(() => file.writeAt(bytes("y"), 0), { name: "FileFailed" });
    file.close();
    assert.equal(contents(files, `${folder}/a`), "x");
  });
}

function opening(scenario: Scenario): void {
  scenario("each mode demands and makes what it says", (files, folder) => {
    for (const mode of ["read", "existing"] as const) {
      assert.throws(() => files.open(`${folder}/none`, { mode }), { name: "FileFailed", code: "not-found" });
    }
    write(files, `${folder}/a`, "content");
    files.open(`${folder}/a`, { mode: "existing" }).close();
    files.open(`${folder}/a`, { mode: "create" }).close();
    assert.equal(contents(files, `${folder}/a`), "content");
    assert.throws(() => files.open(`${folder}/a`, { mode: "new" }), { name: "FileFailed", code: "exists" });
    files.open(`${folder}/a`, { mode: "empty" }).close();
    assert.equal(contents(files, `${folder}/a`), "");
    files.open(`${folder}/b`, { mode: "new" }).close();
    assert.equal(files.exists(`${folder}/b`), true);
  });

  scenario("a failure names path and code", (files, folder) => {
    const path = `${folder}/no/such/file`;
    assert.throws(() => files.open(path, { mode: "create" }), (error: Error & { code: string; path: string }) => {
      assert.deepEqual([error.name, error.code, error.path], ["FileFailed", "not-found", path]);
      assert.ok(error.message.includes(path));
      return true;
    });
  });

  scenario("a lock is held by one at a time", (files, folder) => {
    const lock = files.lock(`${folder}/lock`);
    assert.ok(lock);
    assert.equal(files.lock(`${folder}/lock`), undefined);
    lock.release();
    lock.release();
    const next = files.lock(`${folder}/lock`);
    assert.ok(next);
    next.release();
  });
}

function directories(scenario: Scenario): void {
  scenario("list sorts by bytes and tells files from directories", (files, folder) => {
    for (const name of ["b", "a", "Z", "é", "a.1"]) write(files, `${folder}/${name}`, "");
    files.makeDirectory(`${folder}/d/e/f`);
    files.makeDirectory(`${folder}/d/e/f`);
    const entries = files.list(folder);
    assert.deepEqual(entries.map(({ name }) => name), ["Z", "a", "a.1", "b", "d", "é"]);
    assert.deepEqual(entries.filter((entry) => entry.isDirectory).map(({ name }) => name), ["d"]);
    assert.equal(entries.filter((entry) => entry.isFile).length, 5);
    assert.deepEqual(files.list(`${folder}/d/e`).map(({ name }) => name), ["f"]);
    assert.throws(() => files.list(`${folder}/none`), { name: "FileFailed", code: "not-found" });
  });

  scenario("remove and removeTree do not mind what is missing", (files, folder) => {
    files.makeDirectory(`${folder}/d/e`);
    write(files, `${folder}/d/e/a`, "x");
    files.remove(`${folder}/none`);
    files.removeTree(`${folder}/none`);
    files.remove(`${folder}/d/e/a`);
    assert.equal(files.exists(`${folder}/d/e/a`), false);
    write(files, `${folder}/d/e/b`, "x");
    files.removeTree(`${folder}/d`);
    assert.equal(files.exists(`${folder}/d`), false);
  });

  scenario("rename moves files over others, and directories", (files, folder) => {
    write(files, `${folder}/a`, "new");
    write(files, `${folder}/b`, "old");
    files.rename(`${folder}/a`, `${folder}/b`);
    assert.equal(files.exists(`${folder}/a`), false);
    assert.equal(contents(files, `${folder}/b`), "new");
    files.makeDirectory(`${folder}/d`);
    write(files, `${folder}/d/x`, "inside");
    files.rename(`${folder}/d`, `${folder}/moved`);
    assert.equal(contents(files, `${folder}/moved/x`), "inside");
    assert.throws(() => files.rename(`${folder}/none`, `${folder}/c`), { name: "FileFailed", code: "not-found" });
    files.syncDirectory(folder);
  });

  scenario("an open file stays usable when it is renamed or removed", (files, folder) => {
    const file = files.open(`${folder}/a`, { mode: "create" });
    files.rename(`${folder}/a`, `${folder}/b`);
    file.writeAt(bytes("after"), 0);
    assert.equal(contents(files, `${folder}/b`), "after");
    files.remove(`${folder}/b`);
    const into = new Uint8Array(5);
    assert.equal(file.readAt(into, 0), 5);
    file.close();
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function write(files: Files, path: string, text: string): void {
  const file = files.open(path, { mode: "empty" });
  file.writeAt(bytes(text), 0);
  file.close();
}

function contents(files: Files, path: string): string {
  const file = files.open(path, { mode: "read" });
  const into = new Uint8Array(file.size());
  file.readAt(into, 0);
  file.close();
  return new TextDecoder().decode(into);
}
