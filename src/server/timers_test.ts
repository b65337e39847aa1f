import assert from "node:assert/strict";
import fc from "fast-check";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { Timers } from "./timers.ts";

Deno.test("deadlines come in their order, each once, with its key", async () => {
  const clock = new VirtualClock();
  const timers = new Timers(clock);
  const seen: string[] = [];
  const start = clock.now();
  for (const [key, at] of [["c", 30], ["a", 10], ["b", 20]] as const) {
    timers.set(key, start + at, (name) => seen.push(`${name}@${clock.now() - start}`));
  }
  assert.equal(timers.size, 3);
  await clock.advance(100);
  assert.deepEqual(seen, ["a@10", "b@20", "c@30"]);
  assert.equal(timers.size, 0);
});

Deno.test("a key has one deadline: the last that was set, earlier or later", async () => {
  const clock = new VirtualClock();
  const timers = new Timers(clock);
  const seen: string[] = [];
  const start = clock.now();
  const note = (what: string) => () => seen.push(`${what}@${clock.now() - start}`);
  timers.set("later", start + 10, note("wrong"));
  timers.set("later", start + 50, note("later"));
  timers.set("earlier", start + 90, note("wrong"));
  timers.set("earlier", start + 20, note("earlier"));
  timers.set("never", start + 30, note("wrong"));
  timers.set("never", Infinity, note("wrong"));
  timers.set("cancelled", start + 40, note("wrong"));
  timers.cancel("cancelled");
  timers.cancel("unknown");
  await clock.advance(200);
  assert.deepEqual(seen, ["earlier@20", "later@50"]);
});

Deno.test("what a deadline sets or cancels counts at once", async () => {
  const clock = new VirtualClock();
  const timers = new Timers(clock);
  const seen: string[] = [];
  const start = clock.now();
  timers.set("first", start + 10, () => {
    seen.push("first");
    timers.cancel("second");
    timers.set("overdue", start, () => seen.push("overdue"));
    timers.set("first", start + 20, () => seen.push("first again"));
  });
  timers.set("second", start + 10, () => seen.push("second"));
  await clock.advance(10);
  assert.deepEqual(seen, ["first", "overdue"]);
  await clock.advance(10);
  assert.deepEqual(seen, ["first", "overdue", "first again"]);
});

Deno.test("after clear nothing comes, and new deadlines do", async () => {
  const clock = new VirtualClock();
  const timers = new Timers(clock);
  const seen: string[] = [];
  timers.set("a", clock.now() + 10, () => seen.push("a"));
  timers.clear();
  assert.equal(timers.size, 0);
  assert.equal(clock.nextAt, undefined);
  timers.set("b", clock.now() + 20, () => seen.push("b"));
  await clock.advance(50);
  assert.deepEqual(seen, ["b"]);
});

Deno.test("one wake-up of the clock serves them all, also where deadlines move often", () => {
  const clock = new VirtualClock();
  let woken = 0;
  const counting = {
    now: () => clock.now(),
    wall: () => clock.wall(),
    soon: (run: () => void) => clock.soon(run),
    wakeAt: (at: number, wake: () => void) => {
      woken++;
      return clock.wakeAt(at, wake);
    },
  };
  const timers = new Timers(counting);
  for (let i = 0; i < 10_000; i++) timers.set(`key ${i % 10}`, clock.now() + 1_000 + i, () => {});
  assert.equal(timers.size, 10);
  assert.equal(woken, 1);
});

const change = fc.record({
  kind: fc.constantFrom("set", "set", "set", "cancel", "advance"),
  key: fc.constantFrom("a", "b", "c", "d"),
  by: fc.integer({ min: 0, max: 40 }),
});

Deno.test("any changes give what a plain list of deadlines gives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 60 }), async (changes) => {
      const clock = new VirtualClock();
      const timers = new Timers(clock);
      const expected = new Map<string, number>();
      const seen: string[] = [];
      for (const { kind, key, by } of changes) {
        if (kind === "cancel") {
          timers.cancel(key);
          expected.delete(key);
        } else if (kind === "set") {
          const at = clock.now() + by;
          timers.set(key, at, () => seen.push(`${key}@${at}`));
          expected.set(key, at);
        } else {
          const end = clock.now() + by;
          seen.length = 0;
          await clock.advance(by);
          const due = [...expected].filter(([, at]) => at <= end);
          for (const [name] of due) expected.delete(name);
          assert.deepEqual([...seen].sort(), due.map(([name, at]) => `${name}@${at}`).sort());
          const times = seen.map((text) => Number(text.split("@")[1]));
          assert.deepEqual(times, [...times].sort((a, b) => a - b));
        }
        assert.equal(timers.size, expected.size);
      }
    }),
    { numRuns: 50 },
  );
});
