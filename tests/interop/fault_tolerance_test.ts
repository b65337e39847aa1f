/** A fault tolerant group of this server and the reference, on one store. Skipped where the reference is not installed. */
import assert from "node:assert/strict";
import { findProgram } from "../support/programs.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { ServerProcess } from "../support/server_process.ts";

const reference = findProgram("nats-streaming-server");
const ignore = reference === undefined;

function member(world: Scenario, url: string, command?: string[]): ServerProcess {
  const args = ["-store", "file", "-dir", "store", "-ft_group", "ft", "-nats_server", url];
  return world.launch(args, command === undefined ? {} : { command });
}

/** Publishes some, lets the active server be killed and reads everything from the one that takes over. */
async function takeOver(world: Scenario, url: string, active: ServerProcess, standby: ServerProcess): Promise<void> {
  const client = await world.client(url, "me");
  await client.publishMany("foo", 20);
  // Longer than a standby waits for a heartbeat: it must have heard some.
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  assert.ok(!standby.lines.some((line) => /Server is active|unable to get store lock/.test(line)), standby.tail());
  await active.kill();
  await standby.ready();
  await client.publishMany("foo", 5, 21);
  const reader = await client.subscribe("foo", { start: "first" });
  const sequences = (await reader.take(25)).map(({ sequence }) => sequence);
  assert.deepEqual(sequences, Array.from({ length: 25 }, (_, i) => i + 1));
}

scenario("a standby of this kind hears the reference's heartbeats and takes over from it", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const active = await member(world, url, [reference!]).ready();
  const standby = member(world, url);
  await standby.line(/Starting in standby mode$/);
  await takeOver(world, url, active, standby);
}, { ignore });

scenario("the reference as a standby hears this server's heartbeats and takes over from it", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const active = await member(world, url).ready();
  const standby = member(world, url, [reference!]);
  await standby.line(/Starting in standby mode$/);
  await takeOver(world, url, active, standby);
}, { ignore });
