/** What an operator can get wrong: each case a clear error, the right exit code, and nothing written. */
import assert from "node:assert/strict";
import { type Scenario, scenario } from "../support/scenario.ts";
import { isOwnServer } from "../support/server_process.ts";

interface Outcome {
  readonly code: number | string;
  readonly errors: string;
  readonly output: string;
}

async function run(world: Scenario, ...args: string[]): Promise<Outcome> {
  const process = world.launch(args);
  const code = await process.exit();
  return { code, errors: process.lines.join("\n"), output: await process.output };
}

function nothingWritten(world: Scenario): void {
  assert.deepEqual([...Deno.readDirSync(world.folder)].map(({ name }) => name), []);
}

scenario("an unknown flag is named, with the help text, and exit code 0", async (world) => {
  const { code, errors, output } = await run(world, "-xxx", "-store", "file", "-dir", "data");
  assert.equal(errors, "flag provided but not defined: -xxx");
  assert.match(output, /Usage: nats-streaming-server \[options\]/);
  assert.equal(code, 0);
  nothingWritten(world);
});

scenario("a bad value is named with its flag", async (world) => {
  const { code, errors } = await run(world, "-p", "abc");
  assert.deepEqual([errors, code], ['invalid value "abc" for flag -p: parse error', 0]);
});

scenario("a positional argument is refused", async (world) => {
  const { code, errors } = await run(world, "foo");
  assert.deepEqual([errors, code], ['unrecognized command: "foo"', 1]);
});

scenario("an unknown store is refused before anything is written", async (world) => {
  const { code, errors } = await run(world, "-p", "-1", "-store", "xyz", "-dir", "data");
  assert.match(errors, /\[FTL\] STREAM: Failed to start: unsupported store type: XYZ$/m);
  assert.equal(code, 1);
  nothingWritten(world);
});

scenario("a file store without a directory is refused", async (world) => {
  const { code, errors } = await run(world, "-p", "-1", "-store", "file");
  assert.match(errors, /\[FTL\] STREAM: Failed to start: for FILE stores, root directory must be specified$/m);
  assert.equal(code, 1);
  nothingWritten(world);
});

scenario("a directory that cannot be made is named", async (world) => {
  Deno.writeTextFileSync(`${world.folder}/file`, "");
  const { code, errors } = await run(world, "-p", "-1", "-store", "file", "-dir", "file/data");
  assert.match(errors, /\[FTL\] STREAM: Failed to start: .*file\/data/m);
  assert.equal(code, 1);
});

scenario("clustering with the memory store is refused", async (world) => {
  const { code, errors, output } = await run(world, "-p", "-1", "-clustered");
  assert.match(errors + output, /clustering mode not supported with MEMORY store type/);
  assert.equal(code, 1);
  nothingWritten(world);
});

scenario("a port in use is named", async (world) => {
  const { url } = await world.server();
  const port = new URL(url).port;
  const { code, errors } = await run(world, "-a", "127.0.0.1", "-p", port);
  assert.match(
    errors,
    new RegExp(
      `\\[FTL\\] Error listening on port: 127\\.0\\.0\\.1:${port}, "listen tcp 127\\.0\\.0\\.1:${port}: bind: address already in use"`,
    ),
  );
  assert.equal(code, 1);
});

scenario("a store of another cluster is refused and left alone", async (world) => {
  const { server } = await world.server(["-store", "file", "-dir", "data", "-cid", "one"]);
  await server.terminate();
  const before = Deno.readFileSync(`${world.folder}/data/server.dat`);
  const { code, errors } = await run(world, "-p", "-1", "-store", "file", "-dir", "data", "-cid", "two");
  assert.match(errors, /Failed to start: cluster ID "two" does not match recovered value of "one"$/m);
  assert.equal(code, 1);
  assert.deepEqual(Deno.readFileSync(`${world.folder}/data/server.dat`), before);
});

scenario("a cluster id that cannot be a subject is refused", async (world) => {
  const { code, errors } = await run(world, "-p", "-1", "-cid", "not valid");
  assert.match(errors, /Failed to start: .*invalid subject/m);
  assert.equal(code, 1);
});

scenario("a directory in use by another server is refused", async (world) => {
  await world.server(["-store", "file", "-dir", "data"]);
  const { code, errors } = await run(world, "-a", "127.0.0.1", "-p", "-1", "-store", "file", "-dir", "data");
  assert.match(errors, /\[FTL\] STREAM: Failed to start: .*data.*(lock|in use)/m);
  assert.equal(code, 1);
}, { ignore: !isOwnServer });

scenario("a configuration file that is missing or broken is named with the place", async (world) => {
  const missing = await run(world, "-c", "none.conf");
  assert.match(missing.errors, /none\.conf/);
  assert.equal(missing.code, 1);
  Deno.writeTextFileSync(`${world.folder}/broken.conf`, "port: 4222\nstreaming {\n  store: [\n}\n");
  const broken = await run(world, "-c", "broken.conf");
  assert.match(broken.errors, /broken\.conf|line/i);
  assert.equal(broken.code, 1);
});

scenario("NATS that cannot be reached is said at the start", async (world) => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const { code, errors } = await run(world, "-ns", `nats://127.0.0.1:${port}`);
  assert.match(errors, /\[FTL\] STREAM: Failed to start: .*no servers available for connection/m);
  assert.equal(code, 1);
});
