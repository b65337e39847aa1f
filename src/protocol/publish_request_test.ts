import assert from "node:assert/strict";
import { sameBytes } from "./publish_request.ts";

Deno.test("runs of bytes are the same when they are as long and no byte differs, whatever stands around them", () => {
  for (const length of [0, 1, 7, 99, 100, 101, 1_000]) {
    const a = Uint8Array.from({ length: length + 5 }, (_, i) => i * 7);
    const b = Uint8Array.from({ length: length + 9 }, (_, i) => i - 2 < 0 || i - 2 >= length ? 255 : (i + 1) * 7);
    const same = () => sameBytes(a, 3, 3 + length, b, 2, 2 + length);
    assert.ok(same(), `${length}`);
    for (const at of length === 0 ? [] : [0, length >> 1, length - 1]) {
      b[2 + at]! ^= 0x80;
      assert.ok(!same(), `byte ${at} of ${length}`);
      b[2 + at]! ^= 0x80;
    }
    assert.ok(!sameBytes(a, 3, 3 + length, b, 2, 3 + length));
  }
});
