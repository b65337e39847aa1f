/** A cluster that lost its majority for ever is set up anew from what is left (spec clustering, section 7 and M10). */
import assert from "node:assert/strict";
import { ListReplica, TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";
import type { MemoryFiles } from "../../tests/support/memory_files.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { silentLog } from "../ports/log.ts";
import { forcedIdentity, openForcing } from "./forcing.ts";
import { younger } from "./members/mod.ts";

const small = { snapshotEntries: 40, trailingLogs: 10 };

/** Lets a process force the membership on a node's disk; its replica. */
async function force(cluster: TestCluster, name: string, files: MemoryFiles, members: string[]): Promise<ListReplica> {
  const replica = new ListReplica();
  const options = { clusterId: "test", nodeId: name, logPath: "/raft", store: { recovered: true, nodeId: name } };
  const ports = { files, clock: cluster.clock, random: new SeededRandom(5), log: silentLog };
  const journal = openForcing({ ...options, ...small }, members, ports);
  try {
    await cluster.done(journal.start(replica));
  } finally {
    await journal.stop();
  }
  return replica;
}

async function trio(seed: number, count: number): Promise<{ cluster: TestCluster; nodes: TestNode[] }> {
  const cluster = new TestCluster(seed);
  const nodes = cluster.trio(small);
  const leader = await cluster.untilLeader();
  for (let i = 0; i < count; i++) await cluster.done(leader.propose(`m${i}`));
  await cluster.clock.advance(1500);
  for (const node of nodes) node.kill();
  return { cluster, nodes };
}

for (const count of [10, 150]) {
  Deno.test(`M10: one of three is left, with ${count} operations: it goes on alone, and takes wiped nodes in`, async () => {
    const { cluster, nodes: [a] } = await trio(501, count);
    const identity = a!.journal.status().identity;
    const files = a!.files.afterKill();
    const replica = await force(cluster, "a", files, ["a"]);
    assert.equal(replica.applied.length, count);
    cluster.nodes.clear();
    const seed = cluster.add("a", small, files.afterKill());
    seed.replica.messages = replica.messages;
    await cluster.untilLeader();
    assert.equal(seed.replica.applied.length, count);
    assert.notEqual(seed.journal.status().identity, identity);
    assert.deepEqual(seed.journal.status().members.map(({ id }) => id), ["a"]);
    for (const name of ["b", "c"]) cluster.add(name, small);
    await cluster.clock.until(() => seed.journal.status().members.filter(({ voter }) => voter).length === 3, 20_000);
    await cluster.done(seed.propose("after"));
    await cluster.untilEqual();
    assert.equal(cluster.nodes.get("c")!.replica.applied.length, count + 1);
  });
}

Deno.test("M10: two of three are left: the first goes on, the other gives up its log and joins", async () => {
  const { cluster, nodes: [a, b] } = await trio(502, 150);
  const [fa, fb] = [a!.files.afterKill(), b!.files.afterKill()];
  const list = ["a", "b"];
  const replica = await force(cluster, "a", fa, list);
  await force(cluster, "b", fb, list);
  cluster.nodes.clear();
  const seed = cluster.add("a", small, fa.afterKill());
  seed.replica.messages = replica.messages;
  const other = cluster.add("b", small, fb.afterKill());
  await cluster.untilLeader();
  await cluster.clock.until(() => other.replica.applied.length === 150, 20_000, "everything on b");
  assert.equal(other.journal.status().identity, seed.journal.status().identity);
});

Deno.test("M10: whoever was lost comes back: it is told to stop, and what was forced is not disturbed", async () => {
  const { cluster, nodes: [a, b, c] } = await trio(503, 20);
  const files = a!.files.afterKill();
  const replica = await force(cluster, "a", files, ["a"]);
  cluster.nodes.clear();
  const seed = cluster.add("a", small, files.afterKill());
  seed.replica.messages = replica.messages;
  await cluster.untilLeader();
  const lost = [b!, c!].map((node) => cluster.restart(node, small));
  await cluster.clock.until(() => lost.every((node) => node.fatal !== undefined), 20_000, "the end of the lost nodes");
  for (const node of lost) {
    assert.match(node.fatal!, /belongs to another cluster with the ID "test".*Its data is untouched/);
  }
  assert.equal(seed.fatal, undefined);
  await cluster.done(seed.propose("undisturbed"));
});

Deno.test("M10: what cannot be is refused: in use, not in the list, no member, bad names", async () => {
  const { cluster, nodes: [a] } = await trio(504, 5);
  const files = a!.files.afterKill();
  await assert.rejects(force(cluster, "a", files, ["b"]), { message: /this is node a, which is not among b/ });
  await assert.rejects(force(cluster, "a", files, ["a", "a"]), { message: /a is listed twice/ });
  await assert.rejects(force(cluster, "a", files, ["a", "b*"]), { message: /"b\*" is no node ID/ });
  const running = cluster.restart(a!, small, files);
  await assert.rejects(force(cluster, "a", files, ["a"]), { message: /in use by another process/ });
  running.kill();
});

Deno.test("M10: killed at any step, it is done by running it again, and no node starts in between", async () => {
  const { cluster, nodes: [a] } = await trio(505, 60);
  for (let moment = 0; moment < 60; moment++) {
    const files = a!.files.afterKill();
    let calls = 0;
    files.onCall = () => calls++ >= moment ? { code: "other" } : undefined;
    const first = await force(cluster, "a", files, ["a"]).then(() => "done", () => "killed");
    const left = moment % 2 === 0 ? files.afterKill() : files.afterCrash(() => moment % 4 === 1 ? 0 : 1);
    const replica = await force(cluster, "a", left, ["a"]);
    cluster.nodes.clear();
    const seed = cluster.add("a", small, left.afterKill());
    seed.replica.messages = replica.messages;
    await cluster.untilLeader();
    assert.deepEqual([seed.replica.applied.length, seed.journal.status().members.length], [60, 1], `step ${moment}`);
    seed.kill();
    if (first === "done") break;
  }
});

Deno.test("a forced identity is the same on every node, another with another list, and counts as older", () => {
  const old = "0123456789abcdef0123456789abcdef";
  const forced = forcedIdentity(old, ["a", "b"]);
  assert.match(forced, /^[0-9a-f]{32}$/);
  assert.equal(forced, forcedIdentity(old, ["a", "b"]));
  assert.notEqual(forced, forcedIdentity(old, ["a"]));
  assert.ok(younger(old, forced));
  assert.ok(younger(forced, forcedIdentity(forced, ["a"])));
});
