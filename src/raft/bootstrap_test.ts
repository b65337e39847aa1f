/** `-cluster_bootstrap` where it must not be: never two leaders that both agree (spec clustering, section 3.4). */
import assert from "node:assert/strict";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";

/** Has every node that leads agree on something; gives the nodes that did. */
async function agreeing(cluster: TestCluster): Promise<TestNode[]> {
  const agreed: TestNode[] = [];
  for (const node of cluster.alive) {
    node.propose(`by ${node.name}`).then(() => agreed.push(node), () => {});
  }
  await cluster.clock.advance(3_000);
  return agreed;
}

Deno.test("TS20: two servers bootstrap at about the same time: one leads, the other says why it does not", async () => {
  for (const apart of [0, 1, 30, 500, 1_990, 2_010, 2_200, 5_000]) {
    for (let seed = 0; seed < 4; seed++) {
      const cluster = new TestCluster(700 + seed);
      cluster.net.delay = () => 1 + cluster.random.below(40);
      cluster.add("a", { bootstrap: true });
      await cluster.clock.advance(apart);
      cluster.add("b", { bootstrap: true });
      await cluster.clock.advance(6_000);
      const where = `${apart} ms apart, seed ${seed}`;
      const leading = cluster.alive.filter((node) => node.replica.leading);
      assert.equal(leading.length, 1, where);
      const loser = leading[0]!.name === "a" ? "b" : "a";
      const text = cluster.failed.get(loser)?.message ?? cluster.nodes.get(loser)!.fatal;
      assert.match(
        text ?? "",
        /was also started with -cluster_bootstrap|already exists|belongs to another cluster/,
        where,
      );
      assert.deepEqual((await agreeing(cluster)).map(({ name }) => name), [leading[0]!.name], where);
      // Without the flag the other one joins.
      const again = cluster.restart(cluster.nodes.get(loser)!, {}, new MemoryFiles());
      await cluster.clock.advance(5_000);
      assert.deepEqual(leading[0]!.journal.status().members.map(({ id }) => id), ["a", "b"], where);
      assert.ok(again.alive && again.fatal === undefined, where);
    }
  }
});

Deno.test("TS21: bootstrap beside a cluster of peers is refused, and only that cluster agrees on anything", async () => {
  const cluster = new TestCluster(720);
  cluster.trio();
  const leader = await cluster.untilLeader();
  cluster.add("z", { bootstrap: true });
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(await agreeing(cluster), [leader]);
  }
  assert.match(
    cluster.failed.get("z")!.message,
    /^cluster "test" already exists: node "\w" answers\. Start without -cluster_bootstrap to join it$/,
  );
});

Deno.test("TS21: so it is while that cluster has no leader", async () => {
  const cluster = new TestCluster(721);
  const [a, b] = cluster.trio();
  await cluster.untilLeader();
  a!.kill();
  b!.kill();
  await cluster.clock.advance(3_000);
  cluster.add("z", { bootstrap: true });
  await cluster.clock.advance(5_000);
  assert.match(cluster.failed.get("z")!.message, /already exists/);
  assert.deepEqual(await agreeing(cluster), []);
});

Deno.test("TS22: a seed that was wiped and is started with the flag again is refused; without it, it comes back", async () => {
  const cluster = new TestCluster(722);
  cluster.add("a", { bootstrap: true });
  await cluster.untilLeader(10_000);
  for (const name of ["b", "c"]) cluster.add(name);
  await cluster.clock.advance(5_000);
  const seed = cluster.nodes.get("a")!;
  await cluster.done(cluster.leader!.propose("before"));
  seed.kill();
  const next = await cluster.untilLeader(10_000);
  cluster.add("a", { bootstrap: true });
  await cluster.clock.advance(5_000);
  assert.match(cluster.failed.get("a")!.message, /already exists: node "[bc]" answers/);
  assert.deepEqual(await agreeing(cluster), [next]);
  const back = cluster.add("a");
  await cluster.clock.advance(5_000);
  assert.deepEqual(next.journal.status().members.map(({ id, voter }) => [id, voter]), [["a", true], ["b", true], [
    "c",
    true,
  ]]);
  await cluster.untilEqual();
  assert.ok(back.replica.applied.some((line) => line.endsWith(":before")));
});

Deno.test("TS22: a server that bootstraps while the only seed is down gives way when that one returns", async () => {
  const cluster = new TestCluster(723);
  const seed = cluster.add("a", { bootstrap: true });
  await cluster.untilLeader(10_000);
  await cluster.done(seed.propose("old"));
  seed.kill();
  const other = cluster.add("b", { bootstrap: true });
  await cluster.untilLeader(10_000);
  const back = cluster.restart(seed, { bootstrap: true });
  await cluster.clock.advance(5_000);
  assert.match(
    other.fatal ?? "",
    /belongs to another cluster with the ID "test" .* which is older: this node stops\. Its data is untouched/,
  );
  assert.equal(other.exitCode, 1);
  assert.deepEqual(await agreeing(cluster), [back]);
});
