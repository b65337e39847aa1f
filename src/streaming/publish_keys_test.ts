import assert from "node:assert/strict";
import fc from "fast-check";
import type { PackedMessages } from "../protocol/operations.ts";
import { PublishKeys } from "./publish_keys.ts";

/** One message between bytes of others, with a reply subject of one byte. */
function message(client: Uint8Array, guid: Uint8Array): PackedMessages {
  const bytes = new Uint8Array([9, ...guid, 1, ...client, 9]);
  const reply = 1 + guid.length;
  return { count: 1, bytes, bounds: Int32Array.of(0, 1, reply, reply + 1, reply + 1 + client.length) };
}

Deno.test("PublishKeys knows just what was added, by client and guid, as a set of texts would", () => {
  const part = fc.uint8Array({ maxLength: 3, max: 3 });
  fc.assert(fc.property(fc.array(fc.tuple(part, part, fc.boolean()), { maxLength: 300 }), (steps) => {
    const keys = new PublishKeys();
    const model = new Set<string>();
    for (const [client, guid, adds] of steps) {
      const text = `${client.join()} ${guid.join()}`;
      assert.equal(keys.has(client, 0, client.length, guid, 0, guid.length), model.has(text));
      if (!adds) continue;
      keys.add(message(client, guid));
      model.add(text);
    }
  }));
});

Deno.test("PublishKeys grows, and takes its bytes from within others", () => {
  const keys = new PublishKeys();
  const bytes = new Uint8Array(16).fill(7);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 20_000; i++) {
    view.setUint32(8, i);
    keys.add(message(bytes.subarray(0, 4), bytes.subarray(8, 12)));
  }
  assert.equal(keys.size, 20_000);
  for (const i of [0, 1, 9_999, 19_999]) {
    view.setUint32(8, i);
    assert.ok(keys.has(bytes, 0, 4, bytes, 8, 12));
    assert.ok(!keys.has(bytes, 0, 3, bytes, 8, 12));
  }
  view.setUint32(8, 20_000);
  assert.ok(!keys.has(bytes, 0, 4, bytes, 8, 12));
});
