import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isNodeId,
  isSameNode,
  majorityValue,
  memberOf,
  quorumOf,
  votersOf,
  withMember,
  withoutMember,
} from "./membership.ts";

const a = { id: "a", incarnation: "a1", voter: true };
const b = { id: "b", incarnation: "", voter: false };

Deno.test("withMember() keeps members sorted and an id once", () => {
  const both = withMember({ members: [b] }, a);
  assert.deepEqual(both.members.map((member) => member.id), ["a", "b"]);
  const promoted = withMember(both, { ...b, voter: true });
  assert.deepEqual(votersOf(promoted), ["a", "b"]);
  assert.deepEqual(votersOf(both), ["a"], "the membership it was made from stays");
});

Deno.test("withoutMember() leaves the others", () => {
  assert.deepEqual(withoutMember({ members: [a, b] }, "a").members, [b]);
  assert.equal(memberOf({ members: [a] }, "b"), undefined);
});

Deno.test("isSameNode() takes anybody for an unbound member, and one incarnation for a bound one", () => {
  assert(isSameNode(b, "anything"));
  assert(isSameNode(a, "a1"));
  assert(!isSameNode(a, "a2"));
});

Deno.test("majorityValue() is the largest number that more than half of the values reach", () => {
  fc.assert(fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (values) => {
    const value = majorityValue(values.slice())!;
    const reaching = (bound: number) => values.filter((each) => each >= bound).length;
    assert(reaching(value) >= quorumOf(values.length));
    assert(reaching(value + 1) < quorumOf(values.length));
  }));
  assert.equal(majorityValue([]), undefined);
});

Deno.test("isNodeId() allows letters, digits, _, - and dots between them", () => {
  for (const id of ["a", "node-1", "a.b.c", "A_9"]) assert(isNodeId(id), id);
  for (const id of ["", "a b", "a*", ">", ".a", "a.", "a..b", "ü"]) assert(!isNodeId(id), id);
});
