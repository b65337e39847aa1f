/** Lets worlds of servers live, for the test modules that share them out: modules run side by side. */
import assert from "node:assert/strict";
import { serverSimulation } from "./server_world.ts";

/** Every world from `from` on, `count` of them, keeps every invariant and recovers. */
export async function liveThrough(from: number, count: number): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    const { failure } = await serverSimulation.run(seed, { trace: false });
    const how = `seed ${seed}: ${failure?.stack ?? failure}; replay with: deno task sim --world servers --seed ${seed}`;
    assert.equal(failure, undefined, how);
  }
}
