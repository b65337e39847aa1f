/** Real processes with the configuration fixtures log what the reference logged with them, in the same order. */
import assert from "node:assert/strict";
import { type Scenario, scenario } from "../support/scenario.ts";

const folder = new URL("../golden/config/", import.meta.url);

interface Run {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  readonly outcome: string;
  readonly exit_code?: number;
  readonly log?: readonly string[];
}

/** Fixtures that start without a port of their own choosing, one for each part of the start-up lines. */
const starting = [
  "minimal",
  "store-limits",
  "partitioning",
  "case-insensitive-keys",
  "encryption",
  "include",
  "variables-env",
  "nats-limits",
  "nats-users-permissions",
  "streaming-cluster-options",
  "warning-write-deadline",
];

const refused = [
  "bad-cipher",
  "bad-encrypt-no-key",
  "bad-file-no-dir",
  "bad-file-option-zero",
  "bad-ft-memory",
  "bad-max-payload-pending",
  "bad-nats-url",
  "bad-negative-limit",
  "bad-partition-no-channel",
  "bad-too-many-channels",
  "nats-token-and-nkey",
  "streaming-tls",
];

function runOf(name: string): Run {
  return JSON.parse(Deno.readTextFileSync(new URL(`${name}.expected.json`, folder))).runs[0];
}

/** Puts the fixture and what it includes into the process's folder. */
function copyFixture(world: Scenario, name: string): string[] {
  Deno.mkdirSync(`${world.folder}/include-parts`);
  for (const file of [`${name}.conf`, "include-parts/nats.conf", "include-parts/limits.conf"]) {
    Deno.copyFileSync(new URL(file, folder), `${world.folder}/${file}`);
  }
  return [`${name}.conf`, "include-parts"];
}

const identity =
  /ServerID: |Go version: |Git commit: |Starting nats-server$| {2}(?:Version|Git|ID): |unknown streaming option|^\[DBG\] /;

/** Lines without process, time and what differs from start to start. */
function comparable(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^\[\d+\] [\d/]+ [\d:.]+ /, ""))
    .filter((line) => !identity.test(line) && !/Shutting down|Initiating Shutdown|Server Exiting/.test(line))
    .map((line) =>
      line.replace(/(Name: +)N\w{55}$/, "$1<NATS server ID>").replace(/127\.0\.0\.1:\d+$/, "127.0.0.1:<port>")
    );
}

for (const name of starting) {
  scenario(`fixture ${name} starts with the lines of the reference`, async (world) => {
    copyFixture(world, name);
    const { args, env, log = [] } = runOf(name);
    const process = world.launch([...args, "-p", "-1", "-a", "127.0.0.1"], env === undefined ? {} : { env });
    const last = log.at(-1)!.replace(/^\[\w+\] /, "");
    await process.line(new RegExp(`${last.replace(/[^\w ]/g, "\\$&")}$`));
    assert.deepEqual(comparable(process.lines), comparable(log));
    assert.equal(await process.terminate("SIGINT"), 0);
  });
}

for (const name of refused) {
  scenario(`fixture ${name} is refused as by the reference, and leaves nothing behind`, async (world) => {
    const copied = copyFixture(world, name);
    const { args, log = [], exit_code: code } = runOf(name);
    const process = world.launch([...args, "-p", "-1", "-a", "127.0.0.1"]);
    assert.equal(await process.exit(), code);
    const lines = comparable(process.lines);
    assert.equal(lines[0], log[0]);
    assert.equal(lines.at(-1), log.at(-1));
    assert.deepEqual([...Deno.readDirSync(world.folder)].map((entry) => entry.name).toSorted(), copied.toSorted());
  });
}
