import assert from "node:assert/strict";
import { differences, type TwinRules } from "./page_twins.ts";

const rules: TwinRules = {
  varying: new Set(["now", "id"]),
  loose: new Set(["list"]),
  unordered: new Set(["items"]),
};

Deno.test("twins differ in nothing that counts", () => {
  const ours = { now: "x", count: 1, items: [{ id: 1, name: "a" }, { id: 2, name: "b" }], list: ["p"] };
  const theirs = { now: "y", count: 1, items: [{ id: 3, name: "b" }, { id: 4, name: "a" }], list: ["q", "r"] };
  assert.deepEqual(differences(ours, theirs, rules), []);
});

Deno.test("order of keys, types, values, lengths and missing keys are told", () => {
  const found = (ours: unknown, theirs: unknown) => differences(ours, theirs, rules);
  assert.deepEqual(found({ a: 1, b: 2 }, { b: 2, a: 1 }), ["$: keys a,b instead of b,a"]);
  assert.deepEqual(found({ now: 1 }, { now: "1" }), ["$.now: number instead of string"]);
  assert.deepEqual(found({ a: [1] }, { a: [1, 2] }), ["$.a: 1 items instead of 2"]);
  assert.deepEqual(found({ a: null }, { a: {} }), ["$.a: null instead of object"]);
  assert.deepEqual(found({ a: { b: 1 } }, { a: { b: 2 } }), ["$.a.b: 1 instead of 2"]);
  assert.deepEqual(found({}, { a: 1 }), ["$: keys  instead of a"]);
});
