import assert from "node:assert/strict";
import { systemRandom } from "./random.ts";

Deno.test("below() stays under its bound and reaches every value", () => {
  const random = systemRandom();
  for (const bound of [1, 2, 3, 10]) {
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) seen.add(random.below(bound));
    assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: bound }, (_, i) => i));
  }
  for (let i = 0; i < 100; i++) assert.ok(random.below(2 ** 32) < 2 ** 32);
});

Deno.test("below() refuses a bound out of range", () => {
  for (const bound of [0, -1, 2 ** 32 + 1, NaN]) assert.throws(() => systemRandom().below(bound), RangeError);
});

Deno.test("fill() fills more than the source gives at once", () => {
  const bytes = new Uint8Array(200_000);
  systemRandom().fill(bytes);
  for (let at = 0; at < bytes.length; at += 10_000) {
    assert.ok(bytes.subarray(at, at + 10_000).some((byte) => byte !== 0), `nothing at ${at}`);
  }
});
