import assert from "node:assert/strict";
import { listedAsLocked } from "./file_lock.ts";
import { systemFiles } from "./files.ts";

Deno.test("lock() is exclusive within the process until released", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/lock`;
  const files = systemFiles();
  const lock = files.lock(path);
  assert.ok(lock);
  assert.equal(files.lock(path), undefined);
  lock.release();
  lock.release();
  const again = files.lock(path);
  assert.ok(again);
  again.release();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("lock() is held against other processes and freed when the holder is killed", async () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/lock`;
  const module = new URL("./files.ts", import.meta.url).href;
  const program = `import { systemFiles } from ${JSON.stringify(module)};
    const lock = systemFiles().lock(${JSON.stringify(path)});
    console.log(lock ? "held" : "refused");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const holder = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = holder.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "held\n");
  assert.equal(systemFiles().lock(path), undefined);
  holder.kill("SIGKILL");
  await holder.status;
  await reader.cancel();
  const lock = systemFiles().lock(path);
  assert.ok(lock);
  lock.release();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("lock() in a missing directory says so", () => {
  assert.throws(() => systemFiles().lock("/nowhere/at/all/lock"), { name: "FileFailed", code: "not-found" });
});

Deno.test("listedAsLocked() finds the file by device and inode, and only holders", () => {
  const locks = `1: POSIX  ADVISORY  READ 9475 fe:00:77 128 128
2: FLOCK  ADVISORY  WRITE 9475 fe:00:5309478 0 EOF
2: -> FLOCK  ADVISORY  WRITE 9476 fe:00:5309479 0 EOF
`;
  assert.equal(listedAsLocked({ dev: 65024, ino: 5309478 }, locks), true);
  assert.equal(listedAsLocked({ dev: 65025, ino: 5309478 }, locks), false);
  assert.equal(listedAsLocked({ dev: 65024, ino: 77 }, locks), false);
  assert.equal(listedAsLocked({ dev: 65024, ino: 5309479 }, locks), false);
  assert.equal(listedAsLocked({ dev: 65024, ino: 5309478 }, ""), false);
});
