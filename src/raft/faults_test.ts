import assert from "node:assert/strict";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";
import { StoreFailed } from "../ports/store.ts";
import { readMember } from "./members/mod.ts";

function follower(cluster: TestCluster, leader: TestNode): TestNode {
  return cluster.alive.find((node) => node !== leader)!;
}

/** Cuts one node off the others. */
function isolate(cluster: TestCluster, node: TestNode): void {
  cluster.net.reaches = (from, to) => (from[0] === node.name) === (to[0] === node.name);
}

Deno.test("TS35: a leader that stood still for ten seconds comes back as a silent follower", async () => {
  const cluster = new TestCluster(51);
  cluster.trio();
  const first = await cluster.untilLeader();
  first.clock.freeze();
  await cluster.clock.until(() => cluster.alive.some((node) => node !== first && node.replica.leading), 3000);
  const second = cluster.alive.find((node) => node !== first && node.replica.leading)!;
  await cluster.done(second.propose("while away"));
  await cluster.clock.advance(10_000);
  assert.equal(first.journal.mayServe, false);
  first.clock.thaw();
  await cluster.clock.settle();
  assert.equal(first.journal.mayServe, false);
  await cluster.clock.advance(1000);
  assert.equal(first.replica.leading, false);
  assert.equal(second.replica.leading, true);
  await cluster.untilEqual();
});

Deno.test("TS82: a node that was cut off comes back without a new election", async () => {
  const cluster = new TestCluster(52);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const term = leader.journal.status().term;
  const away = follower(cluster, leader);
  isolate(cluster, away);
  await cluster.clock.advance(20_000);
  cluster.net.heal();
  await cluster.clock.advance(3000);
  assert.equal(leader.journal.status().term, term);
  assert.ok(leader.replica.leading);
});

Deno.test("TS83: with one link broken there is one leader, and it stays", async () => {
  const cluster = new TestCluster(53);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const other = follower(cluster, leader).name;
  cluster.net.reaches = (from, to) => {
    const pair = [from[0]!, to[0]!].sort().join("");
    return pair !== [leader.name, other].sort().join("");
  };
  await cluster.clock.advance(5000);
  const terms = () => Math.max(...cluster.alive.map((node) => node.journal.status().term));
  const before = terms();
  await cluster.clock.advance(20_000);
  assert.ok(terms() - before <= 1, `${terms() - before} elections in 20 s`);
  const leading = cluster.alive.filter((node) => node.journal.mayServe);
  assert.equal(leading.length, 1);
});

Deno.test("TS94: a failed sync ends the process, and nothing that was not synced is acknowledged", async () => {
  const cluster = new TestCluster(54);
  cluster.trio();
  const leader = await cluster.untilLeader();
  leader.files.onCall = (call) => call.kind === "sync" && call.path.includes("/log/") ? { code: "other" } : undefined;
  const others = cluster.alive.filter((node) => node !== leader);
  for (const node of others) node.kill();
  const answer = leader.propose("x").then(() => "agreed", (error) => error.code);
  await cluster.clock.advance(1000);
  assert.equal(await answer, "unknown");
  assert.ok(leader.fatal !== undefined);
  assert.notEqual(leader.exitCode, 0);
});

Deno.test("P6: a leader whose disk is full hands over; the node is in step again when there is room", async () => {
  const cluster = new TestCluster(55);
  cluster.trio();
  const first = await cluster.untilLeader();
  await cluster.done(first.propose("before"));
  first.files.onCall = (call) => call.kind === "write" && call.path.includes("/log/") ? { code: "full" } : undefined;
  void first.propose("fills the disk").catch(() => {});
  await cluster.clock.until(
    () => cluster.leader !== undefined && cluster.leader !== first && cluster.leader.journal.mayServe,
    5000,
  );
  await cluster.done(cluster.leader!.propose("during"));
  assert.equal(first.fatal, undefined);
  first.files.onCall = undefined;
  await cluster.clock.advance(3000);
  await cluster.untilEqual();
  assert.ok(first.replica.applied.some((line) => line.endsWith(":during")));
});

Deno.test("P6: what a full disk could not take is not committed by what stands there instead", async () => {
  const cluster = new TestCluster(57);
  cluster.trio();
  const first = await cluster.untilLeader();
  await cluster.done(first.propose("before"));
  const others = cluster.alive.filter((node) => node !== first);
  isolate(cluster, first);
  for (const text of ["stale 1", "stale 2", "stale 3"]) void first.propose(text).catch(() => {});
  await cluster.clock.until(() => others.some((node) => node.journal.mayServe), 5000);
  // Marks still find room.
  first.files.onCall = ({ kind, path, length }) =>
    kind === "write" && path.includes("/log/") && length > 100 ? { code: "full" } : undefined;
  const next = others.find((node) => node.journal.mayServe)!;
  for (let i = 0; i < 6; i++) await cluster.done(next.propose(`${i} ${"x".repeat(100)}`));
  cluster.net.heal();
  await cluster.clock.advance(1000);
  first.kill();
  const again = cluster.restart(first);
  await cluster.untilEqual();
  assert.ok(!again.replica.applied.some((line) => line.includes("stale")), again.replica.applied.join("\n"));
});

Deno.test("P8: a node whose log could not be written yet does not claim to have had one", async () => {
  const cluster = new TestCluster(58);
  const [late, ...others] = cluster.trio();
  late!.files.onCall = ({ kind, path }) => kind === "write" && path.includes("/log/") ? { code: "full" } : undefined;
  await cluster.clock.until(() => others.some((node) => node.journal.mayServe), 10_000);
  await cluster.done(others.find((node) => node.journal.mayServe)!.propose("x"));
  await cluster.clock.advance(1000);
  const before = readMember(late!.files, "/raft/test/member");
  late!.kill();
  const again = cluster.restart(late!);
  await cluster.untilEqual();
  assert.equal(again.replica.applied.length, 1);
  assert.equal(readMember(again.files, "/raft/test/member")?.incarnation, before?.incarnation, again.lines.join("\n"));
});

Deno.test("a store without room delays its node; any other failure of the store ends it", async () => {
  const cluster = new TestCluster(56);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const [full, broken] = cluster.alive.filter((node) => node !== leader);
  full!.replica.failure = new StoreFailed("full", "no space left on device");
  await cluster.done(leader.propose("x"));
  await cluster.clock.advance(2000);
  assert.equal(full!.fatal, undefined);
  full!.replica.failure = undefined;
  await cluster.clock.advance(2000);
  await cluster.untilEqual();
  broken!.replica.failure = new StoreFailed("io", "input/output error");
  await cluster.done(leader.propose("y"));
  await cluster.clock.advance(1000);
  assert.match(broken!.fatal ?? "", /input\/output error/);
  await cluster.done(leader.propose("z"));
});

Deno.test("TS97: an entry larger than what NATS takes is replicated in pieces, also when that shrinks", async () => {
  const cluster = new TestCluster(57);
  cluster.trio();
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("L".repeat(3_000_000)));
  cluster.net.maxPayload = 16 * 1024;
  await cluster.done(leader.propose("M".repeat(1_000_000)));
  await cluster.untilEqual();
  assert.equal(leader.replica.applied.length, 2);
});

Deno.test("TS97: pieces that are lost are sent again", async () => {
  const cluster = new TestCluster(58);
  cluster.trio();
  const leader = await cluster.untilLeader();
  cluster.net.maxPayload = 64 * 1024;
  let count = 0;
  cluster.net.loses = () => ++count % 25 === 0;
  await cluster.done(leader.propose("L".repeat(1_000_000)), 20_000);
  cluster.net.loses = () => false;
  await cluster.untilEqual();
});

Deno.test("heartbeats go on while bulk data is slow", async () => {
  const cluster = new TestCluster(59);
  cluster.trio();
  const leader = await cluster.untilLeader();
  cluster.net.delay = (from) => from.endsWith("raft_snap") ? 3000 : 0.2;
  const term = leader.journal.status().term;
  const result = leader.propose("slow");
  await cluster.clock.advance(2500);
  assert.equal(leader.journal.status().term, term);
  assert.ok(leader.journal.mayServe);
  await cluster.done(result, 10_000);
});

Deno.test("both connections to NATS break and come back: the cluster goes on", async () => {
  const cluster = new TestCluster(60);
  cluster.trio();
  const leader = await cluster.untilLeader();
  for (const node of cluster.alive) for (const bus of node.buses) bus.disconnect();
  await cluster.clock.advance(3000);
  assert.equal(leader.journal.mayServe, false);
  for (const node of cluster.alive) for (const bus of node.buses) bus.reconnect();
  const next = await cluster.untilLeader(3000);
  await cluster.done(next.propose("x"));
  await cluster.untilEqual();
});

Deno.test("E7: when NATS says that nobody listens where the leader was, another one leads long before the timeout", async () => {
  const gaps: number[] = [];
  for (let seed = 0; seed < 20; seed++) {
    const cluster = new TestCluster(200 + seed);
    cluster.trio({ heartbeatTimeout: 2000, electionTimeout: 2000, leaseTimeout: 1000 });
    const leader = await cluster.untilLeader(6000);
    await cluster.clock.advance(1000 + 37 * seed);
    leader.kill();
    const at = cluster.clock.now();
    await cluster.clock.until(() => cluster.leader !== undefined, 6000);
    await cluster.done(cluster.leader!.propose("first"));
    gaps.push(cluster.clock.now() - at);
  }
  gaps.sort((a, b) => a - b);
  assert.ok(gaps[10]! <= 600 && gaps[19]! <= 1500, `gaps until the first commit: ${gaps.map(Math.round)}`);
});

Deno.test("a node that is merely slow to answer is not taken for gone", async () => {
  const cluster = new TestCluster(61);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const term = leader.journal.status().term;
  for (let i = 0; i < 20; i++) {
    leader.clock.freeze();
    await cluster.clock.advance(180);
    leader.clock.thaw();
    await cluster.clock.advance(300);
  }
  assert.equal(leader.journal.status().term, term);
  assert.ok(leader.replica.leading);
});

Deno.test("L9: however long a node was away, it is in step within a second of its return", async () => {
  for (const away of [3_000, 120_000]) {
    const cluster = new TestCluster(71);
    cluster.trio();
    const leader = await cluster.untilLeader();
    const victim = cluster.alive.find((node) => node !== leader)!;
    cluster.net.partition(
      cluster.alive.filter((node) => node !== victim).flatMap(({ buses }) => buses.map(({ name }) => name)),
      victim.buses.map(({ name }) => name),
    );
    await cluster.clock.advance(away);
    for (let i = 0; i < 20; i++) await cluster.done(leader.propose(`m${i}`));
    cluster.net.heal();
    await cluster.untilEqual(1_000);
    assert.equal(victim.replica.applied.length, 20);
    assert.equal(cluster.leader, leader);
  }
});

Deno.test("11.9: where NATS takes no messages of 8 KiB a node does not start", async () => {
  const cluster = new TestCluster(72);
  cluster.net.maxPayload = 8191;
  cluster.add("a", { peers: ["a", "b", "c"] });
  await cluster.clock.advance(100);
  assert.equal(
    cluster.failed.get("a")?.message,
    "NATS takes messages of 8191 bytes at most; clustering needs 8192",
  );
  cluster.net.maxPayload = 8192;
  cluster.trio();
  await cluster.untilLeader();
});

Deno.test("what a node's earlier process said and comes late does not end the present one", async () => {
  const cluster = new TestCluster(51);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const said: { subject: string; payload: Uint8Array }[] = [];
  cluster.net.onSend = (from, subject, payload) => {
    if (from.startsWith(leader.name) && subject.endsWith(".who")) said.push({ subject, payload: payload.slice() });
  };
  await cluster.clock.advance(3_000);
  leader.kill();
  const present = cluster.restart(leader);
  await cluster.clock.advance(500);
  const late = cluster.net.connect("late");
  cluster.net.onSend = undefined;
  assert.ok(said.length > 0);
  for (const { subject, payload } of said) late.publish(new TextEncoder().encode(subject), payload);
  await cluster.clock.advance(1_000);
  assert.equal(present.fatal, undefined);
  assert.ok(present.alive);
});

Deno.test("a stop while the disk is full frees everything all the same", async () => {
  const cluster = new TestCluster(52);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const victim = follower(cluster, leader);
  victim.files.capacity = 0;
  await cluster.done(victim.journal.stop());
  victim.files.capacity = Infinity;
  assert.ok(victim.lines.some((line) => line.includes("this stop is not an orderly one")), victim.lines.join("\n"));
  const lock = victim.files.lock("/raft/test/lock");
  assert.notEqual(lock, undefined);
});
