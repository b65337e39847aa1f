import assert from "node:assert/strict";
import { TestCluster, type TestNode } from "../../../tests/support/raft_cluster.ts";

const allowed = { allowAddRemoveNode: true };

async function ask(cluster: TestCluster, what: "add" | "remove", payload: string): Promise<string> {
  const client = cluster.net.connect("operator");
  const answer = await cluster.done(
    client.request(`_STAN.raft.test.node.${what}`, new TextEncoder().encode(payload), 5000),
    6000,
  );
  await client.close();
  return answer.kind === "reply" ? new TextDecoder().decode(answer.payload) : answer.kind;
}

function members(node: TestNode): string[] {
  return node.journal.status().members.map((member) => member.id).sort();
}

Deno.test("TS72: without the option nobody listens", async () => {
  const cluster = new TestCluster(41);
  cluster.trio();
  await cluster.untilLeader();
  assert.equal(await ask(cluster, "add", "x"), "no responders");
  assert.equal(await ask(cluster, "remove", "x"), "no responders");
});

Deno.test("TS73: a dead node is removed", async () => {
  const cluster = new TestCluster(42);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  const dead = cluster.alive.find((node) => node !== leader)!;
  dead.kill();
  assert.equal(await ask(cluster, "remove", dead.name), "+OK");
  assert.ok(!members(leader).includes(dead.name));
  assert.ok(leader.lines.includes(`INF Removed node "${dead.name}"`));
});

Deno.test("TS74: a live follower that is removed exits; started again it waits and can be added", async () => {
  const cluster = new TestCluster(43);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  const follower = cluster.alive.find((node) => node !== leader)!;
  assert.equal(await ask(cluster, "remove", follower.name), "+OK");
  await cluster.clock.advance(1000);
  assert.equal(follower.fatal, "this node was removed from the cluster");
  const again = cluster.restart(follower, allowed);
  await cluster.clock.advance(12_000);
  assert.equal(again.fatal, undefined);
  assert.ok(again.lines.some((line) => line.includes("waits to be added again")), again.lines.join("\n"));
  assert.ok(!members(leader).includes(follower.name));
  assert.equal(await ask(cluster, "add", follower.name), "+OK");
  await cluster.done(leader.propose("x"));
  await cluster.clock.advance(2000);
  assert.equal(again.replica.applied.length, 1);
  assert.ok(members(leader).includes(follower.name));
});

Deno.test("TS75: the leader is removed: it exits 0, another one leads", async () => {
  const cluster = new TestCluster(44);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  assert.equal(await ask(cluster, "remove", leader.name), "+OK");
  await cluster.clock.advance(500);
  assert.equal(leader.exitCode, 0);
  const next = await cluster.untilLeader();
  assert.notEqual(next, leader);
  assert.ok(!members(next).includes(leader.name));
});

Deno.test("TS74: of two nodes of one name, the one that waits is added, not the one that is gone", async () => {
  const cluster = new TestCluster(47);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  const follower = cluster.alive.find((node) => node !== leader)!;
  assert.equal(await ask(cluster, "remove", follower.name), "+OK");
  await cluster.clock.advance(1000);
  const blank = cluster.add(follower.name, allowed);
  await cluster.clock.advance(2000);
  assert.equal(await ask(cluster, "add", follower.name), "+OK");
  blank.kill();
  const again = cluster.restart(follower, allowed);
  await cluster.clock.advance(3000);
  assert.equal(await ask(cluster, "add", follower.name), "+OK");
  await cluster.done(leader.propose("x"));
  await cluster.clock.advance(2000);
  assert.equal(again.replica.applied.length, 1);
});

Deno.test("TS75: a node that is being removed does not ask to be taken in, not itself either", async () => {
  const cluster = new TestCluster(46);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  // What is to be stored does not arrive, so that the removal stays open; heartbeats do.
  cluster.net.loses = (from) => from === `${leader.name}-raft_snap`;
  const asked: string[] = [];
  cluster.net.onSend = (from, subject) => void (subject.endsWith(".join") && asked.push(from));
  const client = cluster.net.connect("operator");
  void client.request("_STAN.raft.test.node.remove", new TextEncoder().encode(`${leader.name} force`), 10_000);
  await cluster.clock.advance(2_500);
  assert.equal(leader.fatal, undefined);
  assert.deepEqual(asked, []);
  assert.ok(!members(leader).includes(leader.name), "the removal is still open");
});

Deno.test("TS76, TS77: what makes no sense is refused, what is already so is fine", async () => {
  const cluster = new TestCluster(45);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  assert.equal(await ask(cluster, "add", ""), '-ERR adding node "": invalid node ID');
  assert.match(await ask(cluster, "add", "ghost"), /^-ERR adding node "ghost": no such node has contacted/);
  assert.equal(await ask(cluster, "add", "a"), "+OK");
  assert.equal(await ask(cluster, "remove", "unknown"), "+OK");
  assert.equal(await ask(cluster, "remove", ""), "+OK");
  assert.deepEqual(members(leader), ["a", "b", "c"]);
});

Deno.test("a removal that would cost the quorum is refused unless it is forced", async () => {
  const cluster = new TestCluster(46);
  const five = ["a", "b", "c", "d", "e"];
  for (const name of five) cluster.add(name, { peers: five, ...allowed });
  const leader = await cluster.untilLeader();
  const others = cluster.alive.filter((node) => node !== leader);
  others[0]!.kill();
  others[1]!.kill();
  await cluster.clock.advance(2000);
  assert.match(await ask(cluster, "remove", others[2]!.name), /^-ERR removing node .*alive/);
  assert.equal(await ask(cluster, "remove", others[0]!.name), "+OK");
});

Deno.test("a Go node that asks to join is told that it cannot", async () => {
  const cluster = new TestCluster(47);
  cluster.trio();
  await cluster.untilLeader();
  const client = cluster.net.connect("go");
  const request = new TextEncoder().encode("\n\x01g\x12\x0btest.g.test");
  const answer = await cluster.done(client.request("_STAN.raft.test.join", request, 2000));
  assert.equal(answer.kind, "reply");
  if (answer.kind === "reply") assert.match(new TextDecoder().decode(answer.payload), /cannot be mixed/);
});

Deno.test("TS19: clusters of different names on one NATS do not see each other", async () => {
  const cluster = new TestCluster(48);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const other = cluster.add("d", { clusterId: "other" });
  await cluster.clock.advance(20_000);
  assert.deepEqual(members(leader), ["a", "b", "c"]);
  assert.equal(other.journal.status().leader, "");
});

Deno.test("TS78: the leader is lost during a change: the operator hears so, and later what is true", async () => {
  const cluster = new TestCluster(49);
  const five = ["a", "b", "c", "d", "e"];
  for (const name of five) cluster.add(name, { peers: five, ...allowed });
  const leader = await cluster.untilLeader();
  await cluster.clock.advance(500);
  const target = cluster.alive.find((node) => node !== leader)!;
  // Nothing reaches the others, or comes from them; whoever asks is heard.
  const own = new Set([`${leader.name}-raft`, `${leader.name}-raft_snap`]);
  cluster.net.loses = (from, to) => own.has(from) !== own.has(to) && from !== "operator" && to !== "operator";
  const text = `-ERR removing node "${target.name}": leadership lost while committing log`;
  assert.equal(await ask(cluster, "remove", target.name), text);
  cluster.net.loses = () => false;
  const next = await cluster.untilLeader(10_000);
  await cluster.clock.advance(1_000);
  assert.deepEqual(members(next), five, "nothing came of it");
  assert.equal(await ask(cluster, "remove", target.name), "+OK");
  await cluster.clock.advance(1_000);
  for (const node of cluster.alive) assert.deepEqual(members(node), five.filter((name) => name !== target.name));
});

Deno.test("TS76: with force a node that never made contact is added, but as a learner: it costs nobody the quorum", async () => {
  const cluster = new TestCluster(50);
  cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  for (const ghost of ["ghost1", "ghost2", "ghost3"]) {
    assert.equal(
      await ask(cluster, "add", ghost),
      `-ERR adding node "${ghost}": no such node has contacted this cluster; start it first, or append " force"`,
    );
    assert.equal(await ask(cluster, "add", `${ghost} force`), "+OK");
  }
  await cluster.clock.advance(3_000);
  const voters = leader.journal.status().members.filter(({ voter }) => voter).map(({ id }) => id);
  assert.deepEqual(voters, ["a", "b", "c"]);
  await cluster.done(leader.propose("still agreed upon"));
  for (const ghost of ["ghost1", "ghost2", "ghost3"]) assert.equal(await ask(cluster, "remove", ghost), "+OK");
  assert.deepEqual(members(leader), ["a", "b", "c"]);
});

Deno.test("section 7: names that cannot be nodes', a removal at any price, the last voter", async () => {
  const cluster = new TestCluster(51);
  const nodes = cluster.trio(allowed);
  const leader = await cluster.untilLeader();
  for (const name of ["a b", "*", "x.>", "a..b", "tab\t", "force force"]) {
    const id = name.endsWith(" force") ? name.slice(0, -6) : name;
    const expected = id === "force" ? "+OK" : `-ERR adding node ${JSON.stringify(id)}: invalid node ID`;
    assert.equal(await ask(cluster, "add", name), expected, name);
  }
  assert.equal(await ask(cluster, "remove", "force"), "+OK");
  const [one, other] = nodes.filter((node) => node !== leader);
  one!.kill();
  await cluster.clock.advance(1_500);
  const refused = `-ERR removing node "${
    other!.name
  }": too few of the remaining voters are alive; append " force" to do it nevertheless`;
  assert.equal(await ask(cluster, "remove", other!.name), refused);
  assert.equal(await ask(cluster, "remove", one!.name), "+OK");
  assert.equal(await ask(cluster, "remove", other!.name), "+OK");
  assert.equal(await ask(cluster, "remove", leader.name), `-ERR removing node "${leader.name}": last voter`);
  assert.ok(leader.lines.includes(`ERR Error removing node "${leader.name}": last voter`));
  assert.ok(leader.lines.includes(`INF Removed node "${one!.name}"`));
});
