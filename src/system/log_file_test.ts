import assert from "node:assert/strict";
import { ServerLog } from "./log.ts";
import { fileSink } from "./log_file.ts";

function inFolder(run: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    run(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function logTo(path: string, sizeLimit = 0): ServerLog {
  return new ServerLog({
    sink: fileSink({ path, sizeLimit, pid: 42 }),
    pid: 42,
    timestamps: false,
    utc: false,
    debug: false,
    trace: false,
    streamingDebug: false,
    streamingTrace: false,
  });
}

Deno.test("a log file is appended to", () =>
  inFolder((folder) => {
    const path = `${folder}/x.log`;
    Deno.writeTextFileSync(path, "before\n");
    const log = logTo(path);
    log.nats.notice("after");
    log.close();
    log.nats.notice("nowhere");
    assert.equal(Deno.readTextFileSync(path), "before\n[42] [INF] after\n");
  }));

Deno.test("a log file that cannot be opened gives the operator's text", () => {
  assert.throws(() => logTo("/nowhere/at/all/x.log"), {
    message: "error opening file: open /nowhere/at/all/x.log: no such file or directory",
  });
});

Deno.test("reopen() begins the file anew after it was moved away", () =>
  inFolder((folder) => {
    const path = `${folder}/x.log`;
    const log = logTo(path);
    log.nats.notice("old");
    Deno.renameSync(path, `${path}.1`);
    log.nats.notice("still old");
    log.reopen();
    log.nats.notice("new");
    log.close();
    assert.equal(Deno.readTextFileSync(`${path}.1`), "[42] [INF] old\n[42] [INF] still old\n");
    assert.equal(Deno.readTextFileSync(path), "[42] [INF] STREAM: File log re-opened\n[42] [INF] new\n");
  }));

Deno.test("a file above its limit is rotated without losing a line", () =>
  inFolder((folder) => {
    const path = `${folder}/x.log`;
    const log = logTo(path, 1000);
    for (let i = 0; i < 200; i++) log.nats.notice(`line ${i} with some text to fill the file`);
    log.close();
    const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    const backups = names.filter((name) => /^x\.log\.\d{4}\.\d\d\.\d\d\.\d\d\.\d\d\.\d\d\.\d{9}$/.test(name));
    assert.equal(backups.length, names.length - 1);
    assert.ok(backups.length > 5);
    const texts = [...backups, "x.log"].map((name) => Deno.readTextFileSync(`${folder}/${name}`));
    for (const [i, text] of texts.entries()) {
      if (i > 0) {
        assert.ok(text.startsWith(`[42] [INF] Rotated log, backup saved as "${folder}/${backups[i - 1]}"\r\n`));
      }
    }
    const numbers = [...texts.join("").matchAll(/line (\d+) /g)].map((match) => Number(match[1]));
    assert.deepEqual(numbers, Array.from({ length: 200 }, (_, i) => i));
  }));

Deno.test("a file above its limit at the start is rotated at once", () =>
  inFolder((folder) => {
    const path = `${folder}/x.log`;
    Deno.writeTextFileSync(path, "x".repeat(2000) + "\n");
    logTo(path, 1000).close();
    const backup = [...Deno.readDirSync(folder)].map((entry) => entry.name).find((name) => name !== "x.log")!;
    assert.match(Deno.readTextFileSync(`${folder}/${backup}`), /x\n\[42\] .*\[INF\] Rotating logfile\.\.\.\n$/);
    assert.match(Deno.readTextFileSync(path), /^\[42\] .*\[INF\] Rotated log, backup saved as ".*"\r\n$/);
  }));
