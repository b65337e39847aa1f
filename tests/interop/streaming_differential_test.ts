/**
 * The reference itself stages the plays that this server is held against. Skipped where it is not installed.
 * `UPDATE_GOLDEN=1` writes down what was seen.
 */
import assert from "node:assert/strict";
import { expectedOptionPlays, optionGolden, playOptions, stageOptionPlays } from "../support/option_plays.ts";
import { expectedRestartPlays, restartGolden, stageRestartPlays } from "../support/restart_plays.ts";
import { findProgram } from "../support/programs.ts";
import { scenario } from "../support/scenario.ts";
import { freePorts } from "../support/server_process.ts";
import { expectedPlays, goldenPath, stagePlays } from "../support/streaming_plays.ts";

const reference = findProgram("nats-streaming-server");
const ignore = reference === undefined;

scenario("the reference stages every play as it is written down", async (world) => {
  const [port] = freePorts(1);
  await world.launch(["-a", "127.0.0.1", "-p", `${port}`, "-store", "memory"], { command: [reference!] }).ready();
  const seen = await stagePlays(`nats://127.0.0.1:${port}`);
  if (Deno.env.get("UPDATE_GOLDEN") === "1") Deno.writeTextFileSync(goldenPath, JSON.stringify(seen, null, 1) + "\n");
  assert.deepEqual(seen, expectedPlays());
}, { ignore });

scenario("the reference stages every play with a restart as it is written down", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const launch = () =>
    world.launch(["-store", "file", "-dir", "data", "-nats_server", url], { command: [reference!] }).ready();
  let server = await launch();
  const seen = await stageRestartPlays(url, async () => {
    await server.terminate("SIGINT");
    server = await launch();
  });
  if (Deno.env.get("UPDATE_GOLDEN") === "1") {
    Deno.writeTextFileSync(restartGolden, JSON.stringify(seen, null, 1) + "\n");
  }
  assert.deepEqual(seen, expectedRestartPlays());
}, { ignore });

scenario("the reference stages every play with options as it is written down", async (world) => {
  const [port] = freePorts(1);
  const args = ["-a", "127.0.0.1", "-p", `${port}`, "-store", "memory", ...playOptions];
  await world.launch(args, { command: [reference!] }).ready();
  const seen = await stageOptionPlays(`nats://127.0.0.1:${port}`);
  if (Deno.env.get("UPDATE_GOLDEN") === "1") Deno.writeTextFileSync(optionGolden, JSON.stringify(seen, null, 1) + "\n");
  assert.deepEqual(seen, expectedOptionPlays());
}, { ignore });
