/** What a node notices about its machine and its cluster without anything having failed. */
import assert from "node:assert/strict";
import { TestCluster } from "../../tests/support/raft_cluster.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import type { Log } from "../ports/log.ts";
import { silentLog } from "../ports/log.ts";
import { Clocks } from "./clocks.ts";

Deno.test("P7: nobody waits for a leader's slow disk, and after three syncs longer than its lease it hands over", async () => {
  const cluster = new TestCluster(61);
  cluster.trio();
  const slow = await cluster.untilLeader();
  slow.files.onSync = (done) => void cluster.clock.wakeAt(cluster.clock.now() + 1_000, done);
  let asked = 0;
  while (slow.replica.leading && cluster.clock.now() < 20_000) {
    const before = cluster.clock.now();
    await cluster.done(slow.propose(`m${asked++}`));
    assert.ok(cluster.clock.now() - before < 100, "the majority does not wait for it");
    await cluster.clock.advance(200);
  }
  const next = await cluster.untilLeader();
  assert.notEqual(next, slow);
  assert.ok(slow.lines.some((line) => line.includes("the disk of this leader is too slow: it hands over")));
  assert.equal(slow.lines.filter((line) => line.includes("ms to sync")).length, 3);
  await cluster.clock.advance(20_000);
  assert.equal(cluster.leader, next, "it does not come back to lead");
  slow.files.onSync = (done) => done();
  await cluster.done(next.propose("last"));
  await cluster.untilEqual();
});

Deno.test("P7: where nobody else can lead the leader stays", async () => {
  const cluster = new TestCluster(62);
  const leader = cluster.add("a", { bootstrap: true });
  await cluster.untilLeader(10_000);
  leader.files.onSync = (done) => void cluster.clock.wakeAt(cluster.clock.now() + 900, done);
  for (let i = 0; i < 5; i++) await cluster.done(leader.propose(`m${i}`));
  assert.equal(cluster.leader, leader);
  assert.ok(leader.lines.filter((line) => line.includes("ms to sync")).length >= 5);
  assert.ok(!leader.lines.some((line) => line.includes("hands over")));
});

Deno.test("P7: what a leader acknowledged ahead of its own disk outlives a power loss of all machines", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const cluster = new TestCluster(640 + seed);
    cluster.trio({ snapshotEntries: 5, trailingLogs: 2 });
    const leader = await cluster.untilLeader();
    leader.files.onSync = () => {};
    const acknowledged: string[] = [];
    for (let i = 0; i < 3 + 2 * seed; i++) {
      await cluster.done(leader.propose(`m${i}`));
      acknowledged.push(`m${i}`);
    }
    const nodes = cluster.alive;
    for (const node of nodes) node.kill();
    for (const node of nodes) {
      const left = node.files.afterCrash(() => 0);
      left.onSync = (done) => done();
      cluster.restart(node, { snapshotEntries: 5, trailingLogs: 2 }, left);
    }
    const next = await cluster.untilLeader(10_000);
    await cluster.untilEqual(10_000);
    const kept = next.replica.applied.map((line) => line.split(":")[1]);
    assert.deepEqual(acknowledged.filter((text) => !kept.includes(text)), [], `seed ${seed}`);
  }
});

Deno.test("M10: an even number of voters is warned of at each start, and shown", async () => {
  const cluster = new TestCluster(63);
  const peers = ["a", "b"];
  for (const name of peers) cluster.add(name, { peers });
  const leader = await cluster.untilLeader();
  const warning = "The cluster has 2 voters: an odd number survives as many failures with one node less";
  assert.ok(leader.journal.status().alarms.includes(warning));
  for (const node of [...cluster.nodes.values()]) {
    assert.equal(node.lines.filter((line) => line === `WRN ${warning}`).length, 1, node.name);
    node.kill();
    const again = cluster.restart(node);
    await cluster.clock.advance(200);
    assert.equal(again.lines.filter((line) => line === `WRN ${warning}`).length, 1, node.name);
  }
});

Deno.test("monitoring: members, their disks and what is wrong", async () => {
  const cluster = new TestCluster(64);
  cluster.trio();
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("x"));
  await cluster.clock.advance(500);
  const { node_id, role, term, members, alarms, applied } = leader.journal.describe();
  assert.deepEqual([node_id, role, leader.journal.status().leader, alarms], [leader.name, "Leader", leader.name, []]);
  assert.deepEqual(
    (members as { id: string; voter: boolean; disk?: string; match?: number }[]).map((
      { id, voter, disk, match },
    ) => [id, voter, disk, match]),
    ["a", "b", "c"].map((id) => id === leader.name ? [id, true, undefined, undefined] : [id, true, "ok", applied]),
  );
  assert.equal(typeof term, "number");
  const [gone] = cluster.alive.filter((node) => node !== leader);
  gone!.kill();
  await cluster.clock.advance(8_000);
  assert.match(String(leader.journal.describe().alarms), /^node "\w" has been silent for [78] s$/);
});

class LogLines {
  readonly lines: string[] = [];
  readonly log: Log = { ...silentLog, warn: (line: string) => void this.lines.push(line) };
}

Deno.test("T4: clocks agree when a majority is within a minute, as of what was said lately", async () => {
  const clock = new VirtualClock();
  const { log, lines } = new LogLines();
  const clocks = new Clocks(clock, log);
  const wall = (ahead: number) => Number(clock.wall() / 1_000_000n) + ahead;
  const voters = ["a", "b", "c"];
  assert.equal(clocks.agree(voters, "a"), false);
  assert.equal(clocks.agree(["a"], "a"), true);
  clocks.heard("b", wall(90_000));
  clocks.heard("c", 0);
  assert.equal(clocks.agree(voters, "a"), false);
  clocks.heard("c", wall(-59_000));
  assert.equal(clocks.agree(voters, "a"), true);
  await clock.advance(6_000);
  assert.equal(clocks.agree(voters, "a"), false);
  clocks.heard("b", wall(90_000));
  assert.deepEqual(lines, [`the clock of node "b" is 90 s ahead of this node's: expiry waits until most clocks agree`]);
});

Deno.test("T3: a jump of the wall clock is told", () => {
  const clock = new VirtualClock();
  const { log, lines } = new LogLines();
  const clocks = new Clocks(clock, log);
  clock.shiftWall(9_000_000_000n);
  clocks.heard("b", 0);
  clock.shiftWall(-60_000_000_000n);
  clocks.heard("b", 0);
  clocks.heard("b", 0);
  clock.shiftWall(3_600_000_000_000n);
  clocks.heard("b", 0);
  assert.deepEqual(lines, [
    "the wall clock of this node went back by 60 s",
    "the wall clock of this node went forward by 3600 s",
  ]);
});
