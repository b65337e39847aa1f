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
function setUp() {
  const clock = new VirtualClock();
  const acknowledged: number[] = [];
  let isOver = false;
  acknowledgeAgain(
    WAITING,
    ({ count, bounds }) => {
      for (let i = 0; i < count; i++) acknowledged.push(bounds[i * MARKS]!);
    },
    clock,
    () => isOver,
  );
  return { clock, acknowledged, end: () => isOver = true };
}

Deno.test("each is acknowledged once, the youngest batch first", async () => {
  const { clock, acknowledged } = setUp();
  await clock.settle();
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  assert.deepEqual(acknowledged, [...range(8_000, 8_005), ...range(4_000, 8_000), ...range(0, 4_000)]);
});

Deno.test("few are acknowledged before anything else has its turn, and none once this server does not lead", async () => {
  const { clock, acknowledged, end } = setUp();
  const { length } = acknowledged;
  assert.ok(length > 5 && length <= 1_100, `${length} at once`);
  end();
  await clock.settle();
  assert.equal(acknowledged.length, length);
});
