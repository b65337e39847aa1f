import assert from "node:assert/strict";
import { bytes, form, limits, make, type Node, settle, summaryOf } from "../../../tests/support/core_nodes.ts";
import type { Entry } from "./messages.ts";
import { DEFAULT_LIMITS } from "./options.ts";

Deno.test("P7: a leader with a slow disk applies what a majority holds; a follower waits for its own disk", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  a.slowDisk = c.slowDisk = true;
  const before = a.applied.length;
  a.raft.propose("operations", [bytes(1)]);
  settle(a, b);
  assert.equal(a.applied.length, before, "with its own disk behind, one of two others is no majority");
  const goOn = () => {
    for (let i = 0; i < 3; i++, settle(a, b, c)) a.tick(2);
  };
  c.slowDisk = false;
  goOn();
  assert.equal(a.applied.length, before + 1);
  c.slowDisk = true;
  a.raft.propose("operations", [bytes(1)]);
  settle(a, b, c);
  a.flush();
  goOn();
  assert.equal(a.applied.length, before + 2);
  assert.equal(c.applied.length, before + 1, "committed, and not on its disk");
  c.flush();
  c.perform();
  assert.equal(c.applied.length, before + 2);
});

Deno.test("a restarted node applies from disk what is committed behind its snapshot", () => {
  const log = { ...summaryOf(1, 1, 1), commit: 3 };
  const a = make("a", { founders: ["a"], log, hardState: { term: 1, vote: "a" } });
  a.perform();
  assert.deepEqual(a.fetches, [{ purpose: "", from: 1, to: 3, maxBytes: DEFAULT_LIMITS.applyBytes }]);
  const entries = [1, 2, 3].map((index): Entry => ({ kind: "operations", index, term: 1, payload: bytes(1) }));
  a.raft.fetched(a.fetches[0]!, entries);
  a.perform();
  assert.deepEqual(a.applied, entries);
  assert.equal(a.raft.status().applied, 3);
});

Deno.test("entries are handed out to be applied in portions, as long as earlier ones are not", () => {
  const [a, b] = form(["a", "b"], limits({ applyBytes: 150 })) as [Node, Node];
  a.appliesAtOnce = false;
  a.applied.length = 0;
  a.raft.propose("operations", Array.from({ length: 5 }, () => bytes(60)));
  settle(a, b);
  assert.equal(a.applied.length, 2);
  a.raft.applied(a.applied.at(-1)!.index);
  a.perform();
  assert.equal(a.applied.length, 4);
});
