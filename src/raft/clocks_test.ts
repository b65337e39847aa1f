import assert from "node:assert/strict";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { silentLog } from "../ports/log.ts";
import { Clocks } from "./clocks.ts";

const VOTERS = ["a", "b", "c"];

Deno.test("T4: clocks agree while a majority's do, as heard lately; a jump of this node's own counts at once", async () => {
  const clock = new VirtualClock();
  const clocks = new Clocks(clock, silentLog);
  const wall = () => Number(clock.wall() / 1_000_000n);
  assert.ok(!clocks.agree(VOTERS, "a"), "nobody was heard");
  clocks.heard("b", wall() + 59_000);
  clocks.heard("c", wall() + 3_600_000);
  assert.ok(clocks.agree(VOTERS, "a"));
  await clock.advance(4_000);
  assert.ok(clocks.agree(VOTERS, "a"));
  clock.shiftWall(7_200_000_000_000n);
  assert.ok(!clocks.agree(VOTERS, "a"), "before the others are heard again");
  clock.shiftWall(-7_200_000_000_000n);
  assert.ok(clocks.agree(VOTERS, "a"));
  await clock.advance(1_001);
  assert.ok(!clocks.agree(VOTERS, "a"), "too long ago");
});
