import assert from "node:assert/strict";
import { ProcessClock, VirtualClock } from "./virtual_clock.ts";
import { SeededRandom } from "./seeded_random.ts";

Deno.test("timers wake in the order of their times, then of their setting", async () => {
  const clock = new VirtualClock();
  const woken: string[] = [];
  const random = new SeededRandom(1);
  const expected: { at: number; order: number }[] = [];
  for (let order = 0; order < 200; order++) {
    const at = random.below(50);
    expected.push({ at, order });
    clock.wakeAt(at, () => {
      assert.equal(clock.now(), at);
      woken.push(`${at}/${order}`);
    });
  }
  await clock.advance(49);
  expected.sort((a, b) => a.at - b.at || a.order - b.order);
  assert.deepEqual(woken, expected.map(({ at, order }) => `${at}/${order}`));
});

Deno.test("advance() lets promises settle at each instant", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const wait = (at: number) => new Promise<void>((resolve) => clock.wakeAt(at, resolve));
  const loop = (async () => {
    for (let i = 1; i <= 5; i++) {
      await wait(clock.now() + 10);
      await Promise.resolve();
      seen.push(clock.now());
    }
  })();
  await clock.advance(45);
  assert.deepEqual(seen, [10, 20, 30, 40]);
  assert.equal(clock.now(), 45);
  await clock.advance(5);
  await loop;
  assert.deepEqual(seen, [10, 20, 30, 40, 50]);
});

Deno.test("a cancelled timer does not wake, and soon() runs without time passing", async () => {
  const clock = new VirtualClock();
  const cancel = clock.wakeAt(5, () => assert.fail("woken"));
  let ran = 0;
  clock.soon(() => clock.soon(() => ran++));
  assert.equal(ran, 0);
  cancel();
  cancel();
  assert.equal(clock.nextAt, undefined);
  await clock.advance(0);
  assert.equal(ran, 1);
  await clock.advance(10);
});

Deno.test("wall time follows, and may be shifted", async () => {
  const clock = new VirtualClock(1_000_000_000n);
  await clock.advance(1.5);
  assert.equal(clock.wall(), 1_001_500_000n);
  clock.shiftWall(-500n);
  assert.equal(clock.wall(), 1_001_499_500n);
});

Deno.test("until() stops at the instant when the condition holds, and gives up in the end", async () => {
  const clock = new VirtualClock();
  let ticks = 0;
  const tick = () => {
    ticks++;
    clock.wakeAt(clock.now() + 10, tick);
  };
  tick();
  await clock.until(() => ticks === 4, 1000);
  assert.equal(clock.now(), 30);
  await assert.rejects(clock.until(() => ticks === 1000, 100, "a thousand ticks"), /a thousand ticks did not/);
});

Deno.test("a killed process never wakes; a frozen one wakes when thawed", async () => {
  const world = new VirtualClock();
  const killed = new ProcessClock(world);
  const frozen = new ProcessClock(world);
  const woken: string[] = [];
  killed.wakeAt(5, () => woken.push("killed"));
  frozen.wakeAt(5, () => woken.push("first"));
  const cancel = frozen.wakeAt(6, () => woken.push("cancelled while frozen"));
  frozen.wakeAt(7, () => woken.push("second"));
  killed.kill();
  frozen.freeze();
  await world.advance(10);
  assert.deepEqual(woken, []);
  cancel();
  frozen.thaw();
  await world.settle();
  assert.deepEqual(woken, ["first", "second"]);
});

Deno.test("a process's clock goes at a speed of its own, and nothing wakes before its time", async () => {
  const world = new VirtualClock();
  const clock = new ProcessClock(world);
  clock.pace(1.1, 500);
  const woken: number[] = [];
  for (const at of [511, 555, 560.5]) clock.wakeAt(at, () => woken.push(clock.now() - at));
  await world.advance(50.1);
  assert.equal(woken.length, 2);
  await world.advance(10);
  assert.equal(woken.length, 3);
  assert.ok(woken.every((late) => late >= 0 && late < 0.001), woken.join());
});

Deno.test("wall time of a process can stand still", async () => {
  const world = new VirtualClock();
  const clock = new ProcessClock(world);
  clock.stopWall(true);
  const stopped = clock.wall();
  await world.advance(1_000);
  assert.equal(clock.wall(), stopped);
  clock.stopWall(false);
  assert.equal(clock.wall(), world.wall());
});
