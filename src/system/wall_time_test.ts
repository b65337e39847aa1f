import assert from "node:assert/strict";
import { WallTime } from "./wall_time.ts";

/** A clock pair that shows a true time which the test sets. */
function clocks(start: number) {
  const truth = { wall: start, steady: 0.25 };
  const clock = new WallTime(() => Math.floor(truth.wall), () => truth.steady);
  const pass = (millis: number) => {
    truth.wall += millis;
    truth.steady += millis;
  };
  return { truth, clock, pass };
}

Deno.test("wall time comes close to the true time, whatever moment it began at", () => {
  const { truth, clock, pass } = clocks(1_000_000.9);
  for (let i = 0; i < 200; i++) {
    pass(0.37);
    const now = clock.now();
    assert.ok(now <= truth.wall && now > truth.wall - 1, `${now} at ${truth.wall}`);
  }
  assert.ok(truth.wall - clock.now() < 0.05);
});

Deno.test("wall time never goes back while the wall clock goes on", () => {
  const { clock, pass } = clocks(1_000_000.5);
  let last = clock.now();
  for (let i = 0; i < 1000; i++) {
    pass((i * 7 % 13) / 10);
    const now = clock.now();
    assert.ok(now >= last);
    last = now;
  }
});

Deno.test("wall time does not go back when the process sleeps between looking at one clock and at the other", () => {
  let [wall, steady, sleep] = [1_000_000, 0.25, 0];
  const clock = new WallTime(() => Math.floor(wall), () => {
    wall += sleep;
    steady += sleep;
    return steady;
  });
  let last = clock.now();
  for (const each of [0, 0, 50, 0, 0, 4, 0, 0, 1_000, 0]) {
    sleep = each;
    const now = clock.now();
    assert.ok(now >= last, `${now} after ${last}`);
    last = now;
    wall += 0.3;
    steady += 0.3;
  }
});

Deno.test("wall time follows a clock that is set", () => {
  const { truth, clock, pass } = clocks(1_000_000);
  pass(10);
  clock.now();
  for (const change of [3_600_000, -7_200_000, 20, -20]) {
    truth.wall += change;
    pass(1);
    assert.ok(Math.abs(clock.now() - truth.wall) <= 1, `after ${change}`);
  }
});
