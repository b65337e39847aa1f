import assert from "node:assert/strict";
import { TestCluster } from "../../tests/support/raft_cluster.ts";

Deno.test("TS8: three nodes with the same list of peers elect one leader within a second and agree", async () => {
  const cluster = new TestCluster();
  cluster.trio();
  const leader = await cluster.untilLeader(1000);
  await cluster.clock.advance(500);
  assert.equal(cluster.alive.filter((node) => node.replica.leading).length, 1);
  const results = ["x", "y", "z"].map((text) => leader.propose(text));
  await cluster.clock.advance(200);
  for (const outcomes of await Promise.all(results)) assert.deepEqual(outcomes, [{ kind: "done" }]);
  await cluster.untilEqual();
  assert.equal(leader.replica.applied.length, 3);
  const identity = leader.journal.status().identity;
  assert.match(identity, /^[0-9a-f]{32}$/);
  for (const node of cluster.alive) assert.equal(node.journal.status().identity, identity);
});
