import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteTable } from "./byte_table.ts";

const encoder = new TextEncoder();

Deno.test("entries are found by bytes anywhere in a buffer, and the key is a copy", () => {
  const table = new ByteTable<number>(10);
  const key = encoder.encode("xxfooyy");
  table.add(key, 2, 5, 1);
  key.fill(0);
  assert.equal(table.get(encoder.encode("foo"), 0, 3), 1);
  assert.equal(table.get(encoder.encode("...foo"), 3, 6), 1);
  assert.equal(table.get(encoder.encode("food"), 0, 4), undefined);
  assert.equal(table.get(encoder.encode("fo"), 0, 2), undefined);
  assert.equal(table.get(encoder.encode(""), 0, 0), undefined);
});

Deno.test("keys of the same hash are told apart", () => {
  // These two have the same 32-bit FNV-1a hash.
  const [one, two] = [encoder.encode("costarring"), encoder.encode("liquid")];
  const table = new ByteTable<string>(10);
  table.add(one, 0, one.length, "one");
  assert.equal(table.get(two, 0, two.length), undefined);
  table.add(two, 0, two.length, "two");
  assert.equal(table.get(one, 0, one.length), "one");
  assert.equal(table.get(two, 0, two.length), "two");
});

Deno.test("it forgets everything rather than hold more than its limit", () => {
  const table = new ByteTable<number>(3);
  const keys = ["a", "b", "c", "d"].map((text) => encoder.encode(text));
  keys.forEach((key, i) => table.add(key, 0, 1, i));
  assert.deepEqual(keys.map((key) => table.get(key, 0, 1)), [undefined, undefined, undefined, 3]);
});

Deno.test("after clear nothing is found, the last one neither", () => {
  const table = new ByteTable<number>(3);
  const key = encoder.encode("a");
  table.add(key, 0, 1, 1);
  assert.equal(table.get(key, 0, 1), 1);
  table.clear();
  assert.equal(table.get(key, 0, 1), undefined);
});

Deno.test("it is a map of byte strings", () => {
  const key = fc.uint8Array({ maxLength: 3, max: 2 });
  fc.assert(fc.property(fc.array(key, { maxLength: 60 }), (keys) => {
    const table = new ByteTable<number>(1_000);
    const model = new Map<string, number>();
    keys.forEach((bytes, i) => {
      assert.equal(table.get(bytes, 0, bytes.length), model.get(bytes.join()));
      if (model.has(bytes.join())) return;
      table.add(bytes, 0, bytes.length, i);
      model.set(bytes.join(), i);
    });
  }));
});
