/** Acknowledgements given again by a new leader (spec clustering, section 5.6, F1), in virtual time. */
import assert from "node:assert/strict";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { acknowledgeAgain } from "./acknowledging_again.ts";

/** Messages of which each is known by where it begins. */
function numbered(first: number, count: number): PackedMessages {
  const bounds = Int32Array.from({ length: count * MARKS }, (_, i) => first + Math.floor(i / MARKS));
  return { count, bytes: new Uint8Array(0), bounds };
}

const WAITING = [numbered(0, 4_000), numbered(4_000, 4_000), numbered(8_000, 5)];

/** Which messages were acknowledged, in order. */
function setUp(answered: Promise<void> | undefined) {
  const clock = new VirtualClock();
  const acknowledged: number[] = [];
  let isOver = false;
  const acknowledge = ({ count, bounds }: PackedMessages) => {
    for (let i = 0; i < count; i++) acknowledged.push(bounds[i * MARKS]!);
  };
  const done = acknowledgeAgain(WAITING, acknowledge, { clock, answered, isOver: () => isOver });
  return { clock, acknowledged, done, end: () => isOver = true };
}

Deno.test("each is acknowledged once, the youngest first", async () => {
  const { clock, acknowledged, done } = setUp(undefined);
  assert.deepEqual(acknowledged.slice(0, 5), [8_000, 8_001, 8_002, 8_003, 8_004]);
  assert.ok(acknowledged.slice(5).every((each) => each >= 7_400));
  await clock.settle();
  await done;
  assert.deepEqual([...acknowledged].sort((a, b) => a - b), Array.from({ length: 8_005 }, (_, i) => i));
});

Deno.test("few are acknowledged before what everybody waits for is answered", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { clock, acknowledged, done } = setUp(promise);
  await clock.settle();
  assert.ok(acknowledged.length > 5 && acknowledged.length <= 600, `${acknowledged.length} at once`);
  resolve();
  await clock.settle();
  await done;
  assert.equal(acknowledged.length, 8_005);
});

Deno.test("none is acknowledged once this server does not lead", async () => {
  const { clock, acknowledged, done, end } = setUp(undefined);
  const { length } = acknowledged;
  end();
  await clock.settle();
  await done;
  assert.equal(acknowledged.length, length);
});
