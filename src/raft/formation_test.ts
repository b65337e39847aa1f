/**
 * The first moments of a cluster: a founder that is wiped while hardly anybody knows of the cluster yet must not found
 * another one beside it, and nothing that was acknowledged may be lost by that (spec clustering, section 3.6; M7, M8).
 */
import assert from "node:assert/strict";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";

const PEERS = ["a", "b", "c"];

/** The identity in a node's member file as a power loss would leave it. */
function identityOnDisk(node: TestNode): string {
  const files = node.files.afterCrash(() => 0);
  if (!files.exists("/raft/test/member")) return "";
  const file = files.open("/raft/test/member", { mode: "read" });
  const bytes = new Uint8Array(file.size());
  file.readAt(bytes, 0);
  return JSON.parse(new TextDecoder().decode(bytes).split("\n# crc32c")[0]!).identity;
}

/** All nodes live, and those that are of a cluster are of the same. */
function oneCluster(cluster: TestCluster, where: string): void {
  for (const node of cluster.nodes.values()) assert.equal(node.fatal, undefined, where);
  const identities = [...cluster.nodes.values()].map((node) => node.journal.status().identity);
  assert.ok(new Set(identities.filter((each) => each !== "")).size <= 1, `${where}: ${identities}`);
}

Deno.test("nothing is served before a majority of the founders knows the cluster's identity for certain", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const cluster = new TestCluster(900 + seed);
    cluster.net.delay = () => 1 + cluster.random.below(20);
    const founders = seed % 2 === 0 ? PEERS : ["a", "b", "c", "d", "e"];
    const present = founders.slice(0, seed % 4 < 2 ? founders.length : Math.floor(founders.length / 2) + 1);
    for (const name of present) cluster.add(name, { peers: founders });
    await cluster.clock.until(() => cluster.leader !== undefined, 10_000, "a leader");
    const { identity } = cluster.leader!.journal.status();
    const knowing = cluster.alive.filter((node) => identityOnDisk(node) === identity);
    assert.notEqual(identity, "");
    assert.ok(knowing.length > founders.length / 2, `seed ${seed}: ${knowing.map(({ name }) => name)} know`);
  }
});

Deno.test("a leader of a new cluster that is wiped at any moment founds no second one with a node that is new", async () => {
  let acknowledged = 0;
  for (let moment = 0; moment < 30; moment++) {
    const cluster = new TestCluster(1_000 + moment);
    cluster.net.delay = () => 5 + cluster.random.below(20);
    for (const name of ["a", "b"]) cluster.add(name, { peers: PEERS });
    await cluster.clock.until(
      () => cluster.alive.some((node) => node.journal.role === "Leader"),
      10_000,
      "an election",
    );
    const first = cluster.alive.find((node) => node.journal.role === "Leader")!;
    let isAcknowledged = false;
    for (let passed = 0; passed < 9 * moment; passed++) {
      if (first.replica.leading && !isAcknowledged) {
        first.propose("precious").then(() => isAcknowledged = true, () => {});
      }
      await cluster.clock.advance(1);
    }
    if (isAcknowledged) acknowledged++;
    first.kill();
    cluster.add(first.name, { peers: PEERS }, new MemoryFiles());
    cluster.add("c", { peers: PEERS });
    await cluster.clock.advance(10_000);
    const where = `wiped after ${9 * moment} ms`;
    oneCluster(cluster, where);
    // Whether what is new now may vote for the only node with a past nobody can tell, so that there may be no leader.
    const { leader } = cluster;
    if (leader !== undefined && isAcknowledged) {
      assert.ok(leader.replica.applied.some((line) => line.endsWith(":precious")), `${where}: it is lost`);
    }
  }
  assert.ok(acknowledged > 5 && acknowledged < 25, `${acknowledged} of 30`);
});

Deno.test("nodes without a past that cannot hear the third one yet wait for it a while before they found anything", async () => {
  for (const routed of [300, 900, 1_700]) {
    const cluster = new TestCluster(1_100 + routed);
    for (const name of ["a", "b"]) cluster.add(name, { peers: PEERS });
    const first = await cluster.untilLeader();
    await cluster.done(first.propose("precious"));
    await cluster.clock.advance(500);
    const other = cluster.alive.find((node) => node !== first)!;
    const { identity } = other.journal.status();
    first.kill();
    const started = cluster.clock.now();
    // The NATS servers of the new nodes find the third one's a little later than each other's.
    const isOther = (name: string) => name.startsWith(`${other.name}-`);
    cluster.net.loses = (from, to) => isOther(from) !== isOther(to) && cluster.clock.now() < started + routed;
    cluster.add(first.name, { peers: PEERS }, new MemoryFiles());
    cluster.add("c", { peers: PEERS });
    await cluster.clock.advance(10_000);
    oneCluster(cluster, `${routed} ms`);
    assert.equal(other.journal.status().identity, identity);
  }
});

Deno.test("M9: a list of peers that was corrected counts at once, while other founders are there", async () => {
  const cluster = new TestCluster(1_200);
  const mistaken = cluster.add("c", { peers: ["b", "c"] });
  await cluster.clock.advance(3_000);
  mistaken.kill();
  cluster.add("a", { peers: PEERS });
  await cluster.clock.advance(3_000);
  cluster.restart(mistaken, { peers: PEERS });
  await cluster.untilLeader(5_000);
  oneCluster(cluster, "corrected");
});
