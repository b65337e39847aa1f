import assert from "node:assert/strict";
import { quietUntil } from "./role.ts";

Deno.test("E7: a new leader waits for the latest lease that a voter knows of", () => {
  const grants = [
    { from: "b", guardUntil: 50, guardLeader: "a" },
    { from: "c", guardUntil: 70, guardLeader: "a" },
  ];
  assert.equal(quietUntil(grants), 70);
});

Deno.test("E7: the vote of the old leader itself ends its lease, not an older one that it waited for", () => {
  const grants = [
    { from: "a", guardUntil: 30, guardLeader: "" },
    { from: "b", guardUntil: 50, guardLeader: "a" },
  ];
  assert.equal(quietUntil(grants), 30);
});

Deno.test("nobody who knows of a lease means no wait", () => {
  assert.equal(quietUntil([{ from: "a", guardUntil: -Infinity, guardLeader: "" }]), 0);
});
