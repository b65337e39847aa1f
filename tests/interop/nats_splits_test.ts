/** Scenario 18 (spec nats-server, section 7) at full length: too long for the ordinary tests. */
import assert from "node:assert/strict";
import { framesIn, mixedScript, splitsOf } from "../support/mixed_script.ts";

Deno.test("18. a script of 10 MB gives the same frames in a thousand ways of splitting it", () => {
  const script = mixedScript(10_000_000, 18);
  const expected = framesIn(script, [script.length]);
  assert.ok(expected.count > 30_000, `${expected.count} frames`);
  for (let seed = 1; seed <= 1_000; seed++) {
    assert.deepEqual(framesIn(script, splitsOf(script.length, seed)), expected, `seed ${seed}`);
  }
});
