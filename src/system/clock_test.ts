import assert from "node:assert/strict";
import { messagePortQueue, SystemClock, systemClock } from "./clock.ts";

Deno.test("now() never goes back and wall() agrees with the date", () => {
  const clock = systemClock();
  let last = clock.now();
  for (let i = 0; i < 1000; i++) {
    const next = clock.now();
    assert.ok(next >= last);
    last = next;
  }
  const difference = Number(clock.wall() / 1_000_000n) - Date.now();
  assert.ok(Math.abs(difference) <= 3, `${difference} ms apart`);
});

Deno.test("wall() is finer than a millisecond", () => {
  const clock = systemClock();
  const seen = new Set<bigint>();
  const start = performance.now();
  while (performance.now() - start < 5) seen.add(clock.wall());
  assert.ok(seen.size > 20, `${seen.size} different times in 5 ms`);
});

Deno.test("wakeAt() wakes at the time or later, never at once", async () => {
  const clock = systemClock();
  for (const wait of [-5, 0, 0.4, 3, 12]) {
    const at = clock.now() + wait;
    let synchronous = true;
    await new Promise<void>((resolve) => {
      clock.wakeAt(at, () => {
        assert.ok(!synchronous, "woken inside of wakeAt");
        assert.ok(clock.now() >= at, `woken ${at - clock.now()} ms early`);
        resolve();
      });
      synchronous = false;
    });
  }
});

Deno.test("wakeAt() does not wake after its cancel, which may be called twice", async () => {
  const clock = systemClock();
  let woken = 0;
  const cancels = [clock.wakeAt(clock.now() - 1, () => woken++), clock.wakeAt(clock.now() + 2, () => woken++)];
  for (const cancel of [...cancels, ...cancels]) cancel();
  await new Promise<void>((resolve) => clock.wakeAt(clock.now() + 6, resolve));
  assert.equal(woken, 0);
});

Deno.test("wakeAt() takes waits longer than a timer can", async () => {
  const clock = systemClock();
  let woken = false;
  const cancel = clock.wakeAt(clock.now() + 1e12, () => woken = true);
  await new Promise<void>((resolve) => clock.wakeAt(clock.now() + 4, resolve));
  cancel();
  assert.equal(woken, false);
});

for (const [name, clock] of [["immediates", systemClock()], ["ports", new SystemClock(messagePortQueue())]] as const) {
  Deno.test(`soon() with ${name} runs each function once, in order, after microtasks and not at once`, async () => {
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      clock.soon(() => order.push("first"));
      clock.soon(() => {
        order.push("second");
        clock.soon(() => {
          order.push("from within");
          resolve();
        });
      });
    });
    queueMicrotask(() => order.push("microtask"));
    order.push("now");
    await done;
    assert.deepEqual(order, ["now", "microtask", "first", "second", "from within"]);
  });
}
