import assert from "node:assert/strict";
import { serverSimulation } from "./server_world.ts";

/** As many as a test run has time for; `deno task sim` lives through more. */
const SEEDS = 15;

Deno.test("servers under faults lose, double and invent nothing, and come to the same state", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failure } = await serverSimulation.run(seed, { trace: false });
    assert.equal(failure, undefined, `seed ${seed}: ${failure?.stack ?? failure}`);
  }
});

Deno.test("equal seeds make equal worlds of servers", async () => {
  const first = await serverSimulation.run(77, { trace: false });
  const second = await serverSimulation.run(77, { trace: false });
  assert.equal(first.digest, second.digest);
  assert.equal(first.events, second.events);
});
