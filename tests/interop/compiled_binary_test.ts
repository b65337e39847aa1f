/** The compiled binary alone: in an empty directory, with an empty environment, it serves a client. Skipped when there is none. */
import assert from "node:assert/strict";
import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { scenario } from "../support/scenario.ts";

const built = decodeURIComponent(new URL("../../dist/nats-streaming-server", import.meta.url).pathname);
const ignore = !exists(built);
if (ignore) console.warn("SKIPPED: no compiled binary; make one with `deno task compile`");

scenario("the compiled binary serves a client with each store and keeps what it was given", async (world) => {
  const binary = `${world.folder}/nats-streaming-server`;
  Deno.copyFileSync(built, binary);
  const launch = { command: [binary], clearEnv: true };
  const { server, url } = await world.server(["-store", "file", "-dir", "data"], launch);
  const client = await world.client(url, "me");
  await client.publishMany("foo", 10);
  client.abandon();
  await server.kill();

  const again = await world.server(["-store", "file", "-dir", "data"], launch);
  const reader = await world.client(again.url, "other");
  const messages = await (await reader.subscribe("foo", { start: "first" })).take(10);
  assert.deepEqual(messages.map(({ sequence }) => sequence), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(await again.server.terminate("SIGINT"), 0);

  const memory = await world.server([], launch);
  const third = await world.client(memory.url, "me");
  await third.publish("foo", "x");
  await third.close();
}, { ignore });

scenario("three nodes of the compiled binary survive the loss of their leader", async (world) => {
  const cluster = await Cluster.ofThree(world, "embedded", { command: [built], clearEnv: true });
  const client = await world.client(cluster.url, "me", { ackTimeout: 2_000 });
  await client.publishMany("foo", 20);
  await (await cluster.leader()).process.kill();
  await cluster.leader();
  await eventually(() => client.publish("foo", "21").catch(() => undefined), "a publish after the kill");
  const reader = await world.client(cluster.url, "reader");
  const messages = await (await reader.subscribe("foo", { start: "first" })).take(21);
  assert.deepEqual(messages.map(({ text }) => text), Array.from({ length: 21 }, (_, i) => String(i + 1)));
}, { ignore });

scenario("the compiled binary tells its version and help", async (world) => {
  const version = world.launch(["-v"], { command: [built], clearEnv: true });
  assert.equal(await version.exit(), 0);
  assert.match(await version.output, /^nats-streaming-server version 0\.25\.6/);
  const help = world.launch(["-h"], { command: [built], clearEnv: true });
  assert.equal(await help.exit(), 0);
  assert.match(await help.output, /Usage: nats-streaming-server \[options\]/);
}, { ignore });

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
