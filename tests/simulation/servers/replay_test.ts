import assert from "node:assert/strict";
import { serverSimulation } from "./server_world.ts";

Deno.test("I20: a world of servers lives through the same events again, traced or not", async () => {
  for (const seed of [77, 78]) {
    const first = await serverSimulation.run(seed, { trace: true });
    const second = await serverSimulation.run(seed, { trace: true });
    assert.deepEqual(first.trace, second.trace);
    const untraced = await serverSimulation.run(seed, { trace: false });
    assert.deepEqual([untraced.digest, untraced.events], [first.digest, first.events]);
    assert.ok(first.trace.length > 40);
  }
});
