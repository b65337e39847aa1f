import assert from "node:assert/strict";
import fc from "fast-check";
import { EntryCache } from "./entry_cache.ts";
import { type Entry, ENTRY_OVERHEAD_BYTES } from "./messages.ts";

function entry(index: number, size = 10): Entry {
  return { kind: "operations", index, term: 1, payload: new Uint8Array(size) };
}

Deno.test("EntryCache.slice() gives at least one entry and stops at maxBytes, at the end and at what is held", () => {
  const cache = new EntryCache(5);
  for (let i = 5; i < 10; i++) cache.push(entry(i));
  const size = 10 + ENTRY_OVERHEAD_BYTES;
  const indexes = (entries: Entry[] | undefined) => entries?.map((each) => each.index);
  assert.deepEqual(indexes(cache.slice(5, 9, 0)), [5]);
  assert.deepEqual(indexes(cache.slice(5, 9, 2 * size)), [5, 6]);
  assert.deepEqual(indexes(cache.slice(7, 8, Infinity)), [7, 8]);
  assert.deepEqual(indexes(cache.slice(8, 100, Infinity)), [8, 9]);
  assert.equal(cache.slice(4, 9, Infinity), undefined);
  assert.equal(cache.slice(10, 12, Infinity), undefined);
});

Deno.test("EntryCache refuses a gap", () => {
  const cache = new EntryCache(1);
  assert.throws(() => cache.push(entry(3)), /entry 3 follows 0/);
});

Deno.test("EntryCache behaves as a list of entries, whatever is taken from its ends", () => {
  const step = fc.oneof(
    fc.nat(50).map((size) => ({ kind: "push", number: size })),
    fc.nat(30).map((back) => ({ kind: "drop from", number: back })),
    fc.nat(30).map((count) => ({ kind: "drop through", number: count })),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const cache = new EntryCache(1);
    let model: Entry[] = [];
    let first = 1;
    for (const { kind, number } of steps) {
      if (kind === "push") {
        const next = entry(first + model.length, number);
        cache.push(next);
        model.push(next);
      } else if (kind === "drop from") {
        const kept = Math.max(0, model.length - number);
        cache.dropFrom(first + kept);
        model = model.slice(0, kept);
      } else {
        const gone = Math.min(model.length, number);
        cache.dropThrough(first + gone - 1);
        model = model.slice(gone);
        first += gone;
      }
      assert.equal(cache.first, first);
      assert.equal(cache.end, first + model.length);
      const bytes = model.reduce(
        (sum, { kind, ...each }) =>
          sum + ENTRY_OVERHEAD_BYTES + (kind === "operations" ? (each as { payload: Uint8Array }).payload.length : 0),
        0,
      );
      assert.equal(cache.bytes, bytes);
      model.forEach((each, i) => assert.equal(cache.at(first + i), each));
      assert.equal(cache.at(first - 1), undefined);
    }
  }));
});
