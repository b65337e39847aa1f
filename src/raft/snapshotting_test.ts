import assert from "node:assert/strict";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { Wal } from "./log/mod.ts";
import { Snapshots } from "./snapshots/mod.ts";

const small = { snapshotEntries: 40, trailingLogs: 10 };

/** Has the leader agree on `count` operations, some at a time. */
async function fill(cluster: TestCluster, leader: TestNode, count: number, name = "m"): Promise<void> {
  for (let i = 0; i < count; i += 10) {
    await cluster.done(
      Promise.all(Array.from({ length: Math.min(10, count - i) }, (_, j) => leader.propose(`${name}${i + j}`))),
    );
  }
}

function baseOf(node: TestNode): number {
  const { lastIndex, snapshotIndex } = node.journal.status();
  return Math.min(lastIndex, snapshotIndex);
}

Deno.test("a log that grew is cut behind a snapshot, and a restart goes on from both", async () => {
  const cluster = new TestCluster(21);
  cluster.trio(small);
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 300);
  await cluster.clock.advance(1000);
  for (const node of cluster.alive) {
    assert.ok(baseOf(node) > 100, `node ${node.name} has a snapshot at ${baseOf(node)}`);
    assert.ok(node.files.list("/raft/test/snapshots").length <= 2);
  }
  const before = leader.replica.applied;
  for (const node of cluster.alive) node.kill();
  for (const node of [...cluster.nodes.values()]) cluster.restart(node, small, node.files.afterCrash(() => 0));
  await cluster.untilLeader();
  await cluster.untilEqual();
  assert.deepEqual(cluster.leader!.replica.applied, before);
});

Deno.test("a log that grows beyond its snapshot is cut now and then, not at every tick: each cut is a sync", async () => {
  const cluster = new TestCluster(9);
  const node = cluster.add("a", { snapshotEntries: 80, trailingLogs: 100, bootstrap: true });
  await cluster.untilLeader();
  let cuts = 0;
  const cut = Wal.prototype.cut;
  Wal.prototype.cut = function (this: Wal, index: number) {
    cuts++;
    return cut.call(this, index);
  };
  try {
    for (let i = 0; i < 300; i++) {
      await cluster.done(node.propose(`m${i}`));
      await cluster.clock.advance(20);
    }
  } finally {
    Wal.prototype.cut = cut;
  }
  assert.ok(cuts > 2 && cuts < 30, `${cuts} cuts`);
  assert.ok(node.journal.status().lastIndex > 300);
});

Deno.test("TS59: a follower that was down while the log was cut gets a snapshot and the messages it names", async () => {
  const cluster = new TestCluster(22);
  cluster.trio(small);
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 20);
  const late = cluster.alive.find((node) => node !== leader)!;
  await cluster.clock.advance(200);
  late.kill();
  await fill(cluster, leader, 300, "later");
  await cluster.clock.advance(500);
  const back = cluster.restart(late, small);
  await cluster.untilEqual(10_000);
  assert.ok(back.lines.some((line) => line.includes("installed snapshot")), back.lines.join("\n"));
  assert.deepEqual(back.replica.messages, leader.replica.messages);
  await fill(cluster, leader, 20, "after");
  await cluster.untilEqual();
});

Deno.test("a fresh node joins a cluster whose log was cut, over a snapshot in many pieces", async () => {
  const cluster = new TestCluster(23);
  cluster.net.maxPayload = 16 * 1024;
  cluster.trio(small);
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 300, "long".repeat(100));
  await cluster.clock.advance(500);
  const fresh = cluster.add("d", small);
  await cluster.untilEqual(10_000);
  assert.deepEqual(fresh.replica.messages, leader.replica.messages);
  await cluster.clock.advance(1000);
  assert.equal(leader.journal.status().members.find((member) => member.id === "d")?.voter, true);
});

Deno.test("TS66: the node that serves a snapshot dies midway; another one goes on", async () => {
  const cluster = new TestCluster(24);
  cluster.net.maxPayload = 16 * 1024;
  const five = ["a", "b", "c", "d", "e"];
  for (const name of five) cluster.add(name, { peers: five, ...small });
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 300, "long".repeat(200));
  await cluster.clock.advance(500);
  cluster.net.delay = () => 20;
  const fresh = cluster.add("f", small);
  await cluster.clock.until(() => fresh.lines.some((line) => line.includes("fetching snapshot")), 5000);
  await cluster.clock.advance(300);
  leader.kill();
  await cluster.untilEqual(30_000);
  assert.deepEqual(fresh.replica.messages.length, 300);
});

Deno.test("TS92: a crash at any moment of installing a snapshot leaves a node that catches up", async () => {
  for (let moment = 0; moment < 30; moment++) {
    const cluster = new TestCluster(100 + moment);
    cluster.trio(small);
    const leader = await cluster.untilLeader();
    await fill(cluster, leader, 200);
    await cluster.clock.advance(300);
    const fresh = cluster.add("d", small);
    let calls = -1;
    fresh.files.onCall = () => {
      if (calls < 0 && fresh.lines.some((line) => line.includes("fetching snapshot"))) calls = 0;
      if (calls >= 0 && calls++ === moment) fresh.kill();
      return undefined;
    };
    await cluster.clock.until(() => !fresh.alive || fresh.replica.applied.length >= 200, 10_000);
    const name = fresh.journal.nodeId;
    if (!fresh.alive) cluster.restart(fresh, small, fresh.files.afterCrash(() => moment % 2));
    await cluster.clock.advance(100);
    await cluster.clock.until(
      () => cluster.nodes.get(name)!.replica.applied.length >= 200,
      10_000,
      `catching up after crash ${moment}`,
    );
    assert.deepEqual(cluster.nodes.get(name)!.replica.messages.length, 200, `crash ${moment}`);
  }
});

Deno.test("TS67: all nodes lost the same messages: they start from what exists and say so", async () => {
  const cluster = new TestCluster(25);
  cluster.trio(small);
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 200);
  await cluster.clock.advance(500);
  for (const node of cluster.alive) node.kill();
  for (const node of [...cluster.nodes.values()]) cluster.restart(node, small);
  // The replica of these tests forgets its messages when its process dies: nobody holds any.
  const again = await cluster.untilLeader(10_000);
  assert.ok(again.lines.some((line) => line.includes("no node holds messages")), again.lines.join("\n"));
  await cluster.done(again.propose("goes on"));
});

Deno.test("TS68, S8: a snapshot that cannot be written changes nothing, and is tried again later and later", async () => {
  const cluster = new TestCluster(26);
  const nodes = cluster.trio(small);
  const leader = await cluster.untilLeader();
  for (const node of nodes) {
    node.files.onCall = (call) =>
      call.kind === "write" && call.path.includes("snapshots") ? { code: "full" } : undefined;
  }
  await fill(cluster, leader, 60);
  await cluster.clock.advance(100);
  const failures = () => leader.lines.filter((line) => line.startsWith("ERR Unable to take a snapshot")).length;
  const once = failures();
  assert.ok(once > 0);
  // One entry a second: with nothing but the limits of entries and bytes no other would be tried.
  for (let i = 0; i < 16; i++) {
    await cluster.clock.advance(1_000);
    await cluster.done(leader.propose(`later ${i}`));
  }
  assert.ok(failures() - once >= 2 && failures() - once <= 5, `${failures() - once} further attempts`);
  assert.equal(leader.journal.status().snapshotIndex, 0);
  for (const node of nodes) node.files.onCall = undefined;
  await cluster.clock.advance(61_000);
  await cluster.done(leader.propose("last"));
  await cluster.clock.advance(500);
  assert.ok(leader.journal.status().snapshotIndex > 60);
});

Deno.test("S8: a snapshot that found no room is taken when there is some, also where nothing more comes", async () => {
  const cluster = new TestCluster(31);
  const nodes = cluster.trio(small);
  const leader = await cluster.untilLeader();
  for (const { files } of nodes) {
    files.onCall = ({ kind, path }) => kind === "write" && path.includes("snapshots") ? { code: "full" } : undefined;
  }
  await fill(cluster, leader, 100);
  await cluster.clock.advance(20_000);
  const failures = () => leader.lines.filter((line) => line.startsWith("ERR Unable to take a snapshot")).length;
  assert.ok(failures() >= 4 && failures() <= 6, `${failures()} attempts in 20 s`);
  const last = leader.journal.status().lastIndex;
  for (const node of nodes) node.files.onCall = undefined;
  await cluster.clock.advance(61_000);
  for (const node of nodes) {
    assert.equal(node.journal.status().lastIndex, last, "nothing more came");
    assert.equal(node.journal.status().snapshotIndex, last, node.name);
  }
  await cluster.done(leader.propose("goes on"));
  await cluster.untilEqual();
});

Deno.test("S5: a snapshot that does not come back from the disk as it was written is none, and the log stays", async () => {
  const files = new MemoryFiles();
  const snapshots = new Snapshots(files, "/snapshots", { clusterId: "test", keep: 2 });
  const mark = { index: 5, term: 1, membership: { index: 0, membership: { members: [] } }, identity: "" };
  const state = new Uint8Array(100).fill(7);
  files.onSync = (done) => {
    for (const { name } of files.list("/snapshots")) {
      const file = files.open(`/snapshots/${name}`, { mode: "existing" });
      file.writeAt(Uint8Array.of(0), file.size() - 10);
      file.close();
    }
    done();
  };
  await assert.rejects(snapshots.write({ mark, state }, () => undefined), /checksum of a snapshot's state/);
  assert.deepEqual(files.list("/snapshots"), []);
  files.onSync = (done) => done();
  await snapshots.write({ mark, state }, () => undefined);
  assert.deepEqual(snapshots.read(5, 1).state, state);
});

Deno.test("TS58: nodes with different keys replicate, and no disk holds plaintext", async () => {
  const cluster = new TestCluster(27);
  const peers = ["a", "b", "c"];
  const keyed = (key: number) => {
    const mix = (bytes: Uint8Array) => bytes.map((byte, i) => byte ^ key ^ (i & 0x7f));
    return { seal: { seal: mix, open: mix }, ...small };
  };
  peers.forEach((name, i) => cluster.add(name, { peers, ...keyed(0x81 + i) }));
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 200, "a secret that nobody may read ");
  await cluster.clock.advance(500);
  for (const node of cluster.alive) {
    for (const folder of ["log", "snapshots"]) {
      for (const { name } of node.files.list(`/raft/test/${folder}`)) {
        const file = node.files.open(`/raft/test/${folder}/${name}`, { mode: "read" });
        const bytes = new Uint8Array(file.size());
        file.readAt(bytes, 0);
        assert.ok(
          !new TextDecoder("latin1").decode(bytes).includes("secret"),
          `${folder}/${name} of node ${node.name}`,
        );
      }
    }
  }
  const late = cluster.alive.find((node) => node !== leader)!;
  late.kill();
  cluster.restart(late, keyed(0x81 + peers.indexOf(late.name)));
  cluster.add("d", keyed(0x99));
  await cluster.untilEqual(10_000);
});

Deno.test("TS66: a tenth of all messages is lost, and a fresh node gets snapshot and messages all the same", async () => {
  const cluster = new TestCluster(28);
  cluster.net.maxPayload = 16 * 1024;
  cluster.trio(small);
  const leader = await cluster.untilLeader();
  await fill(cluster, leader, 300, "long".repeat(100));
  await cluster.clock.advance(500);
  cluster.net.loses = (from, to) => (from[0] === "d" || to[0] === "d") && cluster.random.chance(0.1);
  const fresh = cluster.add("d", small);
  await cluster.clock.until(() => fresh.replica.messages.length >= 300, 60_000);
  cluster.net.loses = () => false;
  await cluster.untilEqual(10_000);
  assert.deepEqual(fresh.replica.messages, leader.replica.messages);
});
