import assert from "node:assert/strict";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { silentLog } from "../ports/log.ts";
import { openRaftJournal, type RaftOptions } from "./mod.ts";

const blank = { recovered: false, nodeId: "" };

function open(options: Partial<RaftOptions>, files = new MemoryFiles()) {
  return openRaftJournal({ clusterId: "test", store: blank, nodeId: "a", ...options }, {
    openBus: () => Promise.reject(new Error("no network in this test")),
    files,
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    log: silentLog,
    onFatal() {},
  });
}

Deno.test("TS10, TS11: bad options are refused before anything is written", () => {
  const cases: [Partial<RaftOptions>, string][] = [
    [{ peers: ["b", "b"] }, "found duplicate ID in configuration: b"],
    [{ peers: ["b", ""] }, 'empty ID in configuration: "b" ""'],
    [
      { peers: ["b", "c.*"] },
      'cluster peer "c.*" is invalid: only letters, digits, "-", "_" and single dots between them are allowed',
    ],
    [
      { nodeId: "a b" },
      'cluster node ID "a b" is invalid: only letters, digits, "-", "_" and single dots between them are allowed',
    ],
    [
      { nodeId: ">" },
      'cluster node ID ">" is invalid: only letters, digits, "-", "_" and single dots between them are allowed',
    ],
    [{ logSnapshots: 0 }, "must retain at least one snapshot"],
    [{ segmentBytes: 100 }, "cluster log segment of 100 bytes is too small: give at least 256"],
    [{ segmentBytes: 0.5 }, "cluster log segment of 0.5 bytes is too small: give at least 256"],
    [{ limits: { cacheBytes: 0 } }, "cluster limit cacheBytes is 0: a whole number above 0 is needed"],
    [{ trailingLogs: -1 }, "cluster trailing logs cannot be negative: -1"],
    [{ heartbeatTimeout: 1 }, "HeartbeatTimeout is too low"],
    [
      { heartbeatTimeout: 5000, electionTimeout: 2000 },
      "ElectionTimeout (2s) must be equal or greater than Heartbeat Timeout (5s)",
    ],
    [
      { heartbeatTimeout: 2000, electionTimeout: 2000, leaseTimeout: 5000 },
      "LeaderLeaseTimeout (5s) cannot be larger than heartbeat timeout (2s)",
    ],
    [
      { nodeId: "", peers: ["b"] },
      "cluster peers are given without a cluster node ID: no node of that list would ever be this one",
    ],
    [
      { store: { recovered: true, nodeId: "" } },
      "stan: cannot restart server in clustered mode if it was not previously clustered",
    ],
    [
      { store: { recovered: true, nodeId: "a" }, logPath: "raft" },
      'streaming state was recovered but cluster log path "raft" is empty. Give the log path that this node had; ' +
      "or move the store away: the node then joins its cluster anew and gets everything from the others.",
    ],
  ];
  for (const [options, text] of cases) {
    const files = new MemoryFiles();
    assert.throws(() => open(options, files), { name: "StartFailed", message: text });
    assert.deepEqual(files.list("."), [], text);
  }
});

Deno.test("TS11: a start with a bad timeout leaves nothing that a corrected one trips over", () => {
  const files = new MemoryFiles();
  assert.throws(() => open({ leaseTimeout: 9000, heartbeatTimeout: 2000 }, files));
  assert.equal(open({}, files).nodeId, "a");
});

Deno.test("the recovered node id wins over the flag", () => {
  const files = new MemoryFiles();
  open({ logPath: "/raft" }, files);
  const again = open({ nodeId: "x", store: { recovered: true, nodeId: "a" }, logPath: "/raft" }, files.afterKill());
  assert.equal(again.nodeId, "a");
});

Deno.test("a node without a log path keeps its log with its store, unless it has one where the reference does", () => {
  const own = { ownLogPath: "store/.raft" };
  const recovered = { store: { recovered: true, nodeId: "a" } };
  const files = new MemoryFiles();
  assert.equal(open(own, files).logPath, "store/.raft");
  assert.ok(files.exists("store/.raft/test/member"));
  assert.ok(!files.exists("test"));
  // Wherever it is started, it is found, also without the store's word.
  assert.equal(open({ ...own, ...recovered, nodeId: "" }, files.afterKill()).logPath, "store/.raft");
  assert.equal(open({ ...own, nodeId: "" }, files.afterKill()).nodeId, "a");

  const old = new MemoryFiles();
  assert.equal(open({}, old).logPath, "test/a");
  const upgraded = old.afterKill();
  assert.equal(open({ ...own, ...recovered, nodeId: "" }, upgraded).logPath, "test/a");
  assert.ok(!upgraded.exists("store"));
  const other = open({ ...own, nodeId: "b" }, upgraded);
  assert.equal(other.logPath, "store/.raft");
  // A log of its own comes first: what lies in the folder that it is started in may be another cluster's of that name.
  const both = files.afterKill();
  open({}, both);
  assert.equal(open({ ...own, ...recovered }, both.afterKill()).logPath, "store/.raft");
});

Deno.test("P11: a Go node's Raft directory in its usual place is refused, too", () => {
  const files = new MemoryFiles();
  files.makeDirectory("test/a/test");
  files.open("test/a/test/raft.log", { mode: "new" }).close();
  const recovered = { store: { recovered: true, nodeId: "a" } };
  assert.throws(() => open({ ownLogPath: "store/.raft", ...recovered }, files), /Raft log of a Go NATS Streaming/);
  assert.ok(!files.exists("store"));
});

Deno.test("TS6: neither place holds a log", () => {
  const store = { recovered: true, nodeId: "a" };
  assert.throws(
    () => open({ ownLogPath: "store/.raft", store }),
    /^StartFailed: streaming state was recovered but cluster log path "store\/\.raft" is empty\./,
  );
});

Deno.test("TS7: the store is gone and no id is given: it comes from the Raft directory", () => {
  const files = new MemoryFiles();
  open({ logPath: "/raft" }, files);
  assert.equal(open({ nodeId: "", logPath: "/raft" }, files.afterKill()).nodeId, "a");
  assert.throws(() => open({ nodeId: "b", logPath: "/raft" }, files.afterKill()), /"b" does not match "a"/);
});

Deno.test("TS5: a directory of another cluster is refused", () => {
  const files = new MemoryFiles();
  open({ logPath: "/raft" }, files);
  files.rename("/raft/test", "/raft/other");
  assert.throws(() => open({ clusterId: "other", logPath: "/raft" }, files.afterKill()), {
    message: 'cluster ID "other" does not match recovered value of "test"',
  });
});

Deno.test("P9: a second process on the same directory is refused", () => {
  const files = new MemoryFiles();
  open({ logPath: "/raft" }, files);
  assert.throws(() => open({ logPath: "/raft" }, files), /in use by another process/);
});

Deno.test("P11: the Raft directory of a Go node is refused, and stays as it is", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/raft/test");
  files.open("/raft/test/raft.log", { mode: "new" }).close();
  assert.throws(
    () => open({ logPath: "/raft" }, files),
    /Raft log of a Go NATS Streaming server.* Without -clustered this server serves the old store's messages/,
  );
  assert.deepEqual(files.list("/raft/test").map((entry) => entry.name), ["raft.log"]);
});

Deno.test("TS96: a disk that went back in time is noticed and its node catches up before it votes", async () => {
  const cluster = new TestCluster(82);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const victim = cluster.alive.find((node) => node !== leader)!;
  await cluster.clock.advance(500);
  const backup = victim.files.afterKill();
  for (let i = 0; i < 10; i++) await cluster.done(leader.propose(`m${i}`));
  await cluster.clock.advance(500);
  victim.kill();
  const back = cluster.restart(victim, {}, backup);
  await cluster.clock.advance(2000);
  assert.ok([...back.lines, ...leader.lines].some((line) => line.includes("went back in time")), back.lines.join("\n"));
  await cluster.untilEqual();
});

Deno.test("TS16: one node of three waits, says so, and leads with the second", async () => {
  const cluster = new TestCluster(83);
  const peers = ["a", "b", "c"];
  const a = cluster.add("a", { peers });
  await cluster.clock.advance(30_000);
  assert.ok(a.lines.filter((line) => line.includes("no leader: waiting for a majority")).length >= 2);
  cluster.add("b", { peers });
  await cluster.untilLeader();
  const c = cluster.add("c", { peers });
  await cluster.done(cluster.leader!.propose("x"));
  await cluster.clock.advance(2000);
  assert.equal(c.replica.applied.length, 1);
});

Deno.test("TS24: a fresh node that is given the peers of a live cluster joins it", async () => {
  const cluster = new TestCluster(84);
  cluster.trio();
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("x"));
  const fresh = cluster.add("d", { peers: ["a", "b", "c", "d"] });
  await cluster.clock.advance(3000);
  assert.equal(fresh.replica.applied.length, 1);
  assert.equal(leader.journal.status().members.find((member) => member.id === "d")?.voter, true);
});

Deno.test("a start that was killed at any write can be repeated", async () => {
  for (let moment = 0; moment < 40; moment++) {
    const cluster = new TestCluster(300 + moment);
    const peers = ["a", "b", "c"];
    const files = new MemoryFiles();
    let calls = 0;
    files.onCall = () => {
      if (calls++ === moment) cluster.nodes.get("a")?.kill();
      return calls > moment ? { code: "other" } : undefined;
    };
    try {
      cluster.add("a", { peers }, files);
    } catch {
      // killed while opening
    }
    cluster.add("b", { peers });
    cluster.add("c", { peers });
    await cluster.clock.advance(2000);
    cluster.nodes.get("a")?.kill();
    const again = cluster.add("a", { peers }, files.afterCrash(() => moment % 2));
    await cluster.clock.advance(4000);
    await cluster.done(cluster.leader!.propose("x"));
    await cluster.clock.until(
      () => again.replica.applied.length === 1,
      10_000,
      `start after a crash at write ${moment}`,
    );
  }
});

Deno.test("cold start: three nodes have a leader within a second, whatever the seed", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const cluster = new TestCluster(1000 + seed);
    cluster.trio();
    await cluster.untilLeader(1000);
  }
});

Deno.test("P12: one machine was restarted while its log was not synced: it votes only once a leader has brought it in step", async () => {
  const cluster = new TestCluster(85);
  const options = { sync: false, machineBoot: "first" };
  cluster.trio(options);
  const leader = await cluster.untilLeader();
  for (let i = 0; i < 10; i++) await cluster.done(leader.propose(`m${i}`));
  const victim = cluster.alive.find((node) => node !== leader)!;
  victim.kill();
  const back = cluster.restart(victim, { ...options, machineBoot: "second" }, victim.files.afterCrash(() => 0));
  await cluster.untilEqual();
  assert.equal(back.replica.applied.length, 10);
  // It asks with the next heartbeat what it may still lack.
  await cluster.clock.advance(500);
  leader.kill();
  await cluster.untilLeader(10_000);
});

Deno.test("P12: a log that was not synced and is cut where a record is damaged may lack what was acknowledged", async () => {
  for (const [seed, sync] of [[1, false], [2, false], [3, false], [4, true]] as const) {
    const cluster = new TestCluster(seed);
    const options = { sync, machineBoot: "first" };
    cluster.trio(options);
    const leader = await cluster.untilLeader();
    for (let i = 0; i < 10; i++) await cluster.done(leader.propose(`m${i}`));
    await cluster.untilEqual();
    const victim = cluster.alive.find((node) => node !== leader)!;
    victim.kill();
    leader.kill();
    // Synced, nothing but what was never acknowledged can be cut off: bytes that hang over at the end.
    const left = victim.files.afterKill();
    const file = left.open("/raft/test/log/00000001.wal", { mode: "existing" });
    file.writeAt(new Uint8Array(8).fill(0x5a), sync ? file.size() : file.size() / 2);
    file.close();
    const back = cluster.restart(victim, options, left);
    await cluster.clock.advance(3_000);
    assert.ok(back.lines.some((line) => line.includes("unfinished write")), back.lines.join("\n"));
    assert.equal(cluster.leader !== undefined, sync, `sync ${sync}`);
    cluster.restart(leader, options);
    await cluster.untilLeader(5_000);
    await cluster.untilEqual();
    assert.equal(back.replica.applied.length, 10);
  }
});

Deno.test("P12: a log that is not trusted stays so when the process alone is restarted, also with sync switched on", async () => {
  const cluster = new TestCluster(86);
  const options = { sync: false, machineBoot: "first" };
  cluster.trio(options);
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("m"));
  const [one, other] = cluster.alive.filter((node) => node !== leader);
  // The leader and one more are gone; the third lost its end, and nobody can tell it what it lacks.
  leader.kill();
  one!.kill();
  other!.kill();
  const lost = other!.files.afterCrash(() => 0);
  const second = cluster.restart(other!, { ...options, machineBoot: "second" }, lost);
  await cluster.clock.advance(100);
  second.kill();
  cluster.restart(second, { sync: true, machineBoot: "second" });
  cluster.restart(one!, options);
  await cluster.untilLeader(60_000);
  assert.ok(cluster.alive.some((node) => node.lines.some((line) => line.includes("may be lost"))));
});

Deno.test("P12: all machines were restarted while their logs were not synced: the longest log goes on, and that is said", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const cluster = new TestCluster(400 + seed);
    const options = { sync: false, machineBoot: "first" };
    const nodes = cluster.trio(options);
    const leader = await cluster.untilLeader();
    for (let i = 0; i < 10; i++) await cluster.done(leader.propose(`m${i}`));
    await cluster.clock.advance(500);
    for (const node of nodes) node.kill();
    const keeps = nodes[seed % 3]!;
    for (const node of nodes) {
      const lost = node.files.afterCrash((change) =>
        node === keeps && change.kind === "write" ? change.bytes.length : 0
      );
      cluster.restart(node, { ...options, machineBoot: "second" }, lost);
    }
    const next = await cluster.untilLeader(60_000);
    await cluster.clock.advance(2000);
    assert.equal(next.name, keeps.name, `seed ${seed}`);
    assert.equal(next.replica.applied.length, 10);
    assert.ok(next.lines.some((line) => line.includes("may be lost")));
    await cluster.untilEqual();
  }
});

Deno.test("P12: where all machines were restarted, the longest log leads, though its node compared last", async () => {
  const cluster = new TestCluster(500);
  const options = { sync: false, machineBoot: "first" };
  const nodes = cluster.trio(options);
  await cluster.untilLeader();
  await cluster.done(cluster.leader!.propose("m"));
  await cluster.untilEqual();
  for (const node of nodes) node.kill();
  const again = { ...options, machineBoot: "second" };
  const [keeps, ...others] = nodes as [TestNode, TestNode, TestNode];
  cluster.restart(keeps, again, keeps.files.afterCrash(() => Infinity));
  // It looks around once in a second: the others compare their logs in between.
  await cluster.clock.advance(600);
  for (const node of others) cluster.restart(node, again, node.files.afterCrash(() => 0));
  assert.equal((await cluster.untilLeader(5_000)).name, keeps.name);
});

Deno.test("P12: who was brought in step is counted as such at once by another one that loses power", async () => {
  const cluster = new TestCluster(88);
  const options = { sync: false, machineBoot: "first" };
  cluster.trio(options);
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("m"));
  const lose = (node: TestNode) => {
    node.kill();
    return cluster.restart(node, { ...options, machineBoot: "second" }, node.files.afterCrash(() => 0));
  };
  const first = lose(cluster.alive.find((node) => node !== leader)!);
  const isInStep = () => first.replica.applied.length === 1 && first.journal.status().alarms.length === 0;
  await cluster.clock.until(isInStep, 500, "one in step");
  const second = lose(leader);
  await cluster.untilLeader(5_000);
  assert.ok(!second.lines.some((line) => line.includes("may be lost")), second.lines.join("\n"));
});

Deno.test("P12: where one founder was never there, and another one lost its log, the third leads once all are there", async () => {
  const cluster = new TestCluster(89);
  const options = { sync: false, machineBoot: "first", peers: ["a", "b", "c"] };
  const nodes = ["a", "b"].map((name) => cluster.add(name, options));
  const leader = await cluster.untilLeader(5_000);
  await cluster.done(leader.propose("m"));
  await cluster.untilEqual();
  const [keeps, loses] = leader === nodes[0] ? [nodes[0]!, nodes[1]!] : [nodes[1]!, nodes[0]!];
  for (const node of nodes) node.kill();
  cluster.add("c", options);
  cluster.restart(keeps, options);
  cluster.restart(loses, { ...options, machineBoot: "second" }, loses.files.afterCrash(() => 0));
  assert.equal((await cluster.untilLeader(5_000)).name, keeps.name);
  await cluster.untilEqual();
});

for (
  const [what, trailingLogs, kept, done] of [
    ["the log from its beginning", 1000, 30, /applied again from its beginning on/],
    ["the log behind an older snapshot", 14, 30, /applied again from snapshot \d+ on/],
    ["nothing", 0, 0, /what the store lacks, it is lost: channel "m": messages 1 to \d+$/m],
  ] as const
) {
  Deno.test(`P8: alone, with a store that was put back to an older state, a node repairs it from ${what}`, async () => {
    const cluster = new TestCluster(90);
    const options = { bootstrap: true, snapshotEntries: 8, trailingLogs, logSnapshots: 3 };
    const alone = cluster.add("a", options);
    await cluster.untilLeader();
    for (let i = 0; i < 30; i++) await cluster.done(alone.propose(`m${i}`));
    await cluster.clock.advance(500);
    const before = alone.replica.messages.slice();
    const index = alone.journal.status().snapshotIndex;
    alone.kill();
    const back = cluster.restart(alone, options);
    back.replica.isCareful = true;
    // What an older backup of the store held.
    back.replica.messages = kept === 0 ? [] : before.slice(0, trailingLogs === 1000 ? 0 : index - 10);
    await cluster.untilLeader(60_000);
    assert.match(back.lines.join("\n"), /disagreed: the store lacks messages that snapshot \d+ names/);
    assert.match(back.lines.join("\n"), done);
    assert.equal(back.replica.applied.length, 30);
    if (kept > 0) assert.deepEqual(back.replica.messages, before);
    await cluster.done(back.propose("after"));
  });
}
