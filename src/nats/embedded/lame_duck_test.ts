import assert from "node:assert/strict";
import type { ClientSession } from "./clients/mod.ts";
import { closeOneByOne } from "./lame_duck.ts";
import type { Millis } from "../../protocol/units.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";

/** When each of so many clients is closed, counted from the start, and when all is over. */
async function closings(count: number, duration: Millis, grace: Millis): Promise<{ closed: Millis[]; end: Millis }> {
  const clock = new VirtualClock();
  const start = clock.now();
  const closed: Millis[] = [];
  const sessions = new Set<object>();
  for (let i = 0; i < count; i++) {
    const session = {
      close(reason: string, flush: boolean) {
        assert.deepEqual([reason, flush], ["Server Shutdown", true]);
        sessions.delete(session);
        closed.push(clock.now() - start);
      },
    };
    sessions.add(session);
  }
  const plan = { clock, duration, grace, sessions: () => [...sessions] as ClientSession[] };
  let end: Millis | undefined;
  void closeOneByOne(plan).then(() => end = clock.now() - start);
  await clock.until(() => end !== undefined, 600_000, "the end");
  return { closed, end: end! };
}

Deno.test("a lame duck closes its clients after the grace, spread over the duration", async () => {
  const { closed, end } = await closings(1_000, 120_000, 10_000);
  assert.equal(closed.length, 1_000);
  assert.equal(closed[0], 10_000);
  assert.ok(end > 110_000 && end <= 120_000, `${end} ms`);
  for (let i = 1; i < closed.length; i++) assert.ok(Math.abs(closed[i]! - closed[i - 1]! - 110) < 1);
});

Deno.test("a lame duck with few clients waits a second at most between them; with none, not at all", async () => {
  assert.deepEqual((await closings(3, 120_000, 10_000)).closed, [10_000, 11_000, 12_000]);
  assert.equal((await closings(0, 120_000, 10_000)).end, 0);
});
