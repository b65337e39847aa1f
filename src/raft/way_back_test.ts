/** A node whose log is lost or damaged: back as another incarnation, or refused precisely (TS6, TS95; spec clustering, M7). */
import assert from "node:assert/strict";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";
import type { RaftOptions } from "./mod.ts";

const IDENTITY = "0123456789abcdef0123456789abcdef";

/** Three nodes that agreed upon ten operations. */
async function trio(seed: number, options: Partial<RaftOptions> = {}): Promise<[TestCluster, TestNode, TestNode]> {
  const cluster = new TestCluster(seed);
  cluster.trio(options);
  const leader = await cluster.untilLeader();
  for (let i = 0; i < 10; i++) await cluster.done(leader.propose(`m${i}`));
  await cluster.clock.advance(1500);
  return [cluster, leader, cluster.alive.find((node) => node !== leader)!];
}

function member(node: TestNode, of: TestNode) {
  const { incarnation } = ofFiles(node.files);
  return { incarnation, voter: of.journal.status().members.find(({ id }) => id === node.name)?.voter };
}

function ofFiles(files: MemoryFiles): { incarnation: string; doubtful: boolean } {
  const file = files.open("/raft/test/member", { mode: "read" });
  const bytes = new Uint8Array(file.size());
  file.readAt(bytes, 0);
  return JSON.parse(new TextDecoder().decode(bytes).split("\n# crc32c")[0]!);
}

function flip(files: MemoryFiles, path: string, at: number): void {
  const file = files.open(path, { mode: "existing" });
  const byte = new Uint8Array(1);
  file.readAt(byte, at);
  byte[0]! ^= 0x10;
  file.writeAt(byte, at);
  file.syncNow();
  file.close();
}

const DAMAGES: [what: string, damage: (files: MemoryFiles) => void, text: RegExp][] = [
  [
    "a flipped bit in the log",
    (files) => flip(files, "/raft/test/log/00000001.wal", 300),
    /cluster log \/raft\/test\/log\/00000001\.wal is damaged at offset \d+: record damaged/,
  ],
  [
    "a flipped bit in a segment's header",
    (files) => flip(files, "/raft/test/log/00000001.wal", 20),
    /00000001\.wal is damaged at offset 0: segment header damaged/,
  ],
  ["no log", (files) => files.removeTree("/raft/test/log"), /cluster log \/raft\/test\/log is empty/],
  ["no vote", (files) => files.remove("/raft/test/vote"), /\/raft\/test\/vote, which holds term and vote, is missing/],
  [
    "both copies of the vote damaged",
    (files) => {
      flip(files, "/raft/test/vote", 30);
      flip(files, "/raft/test/vote", 4096 + 30);
    },
    /term and vote cannot be read: both copies in \/raft\/test\/vote are damaged/,
  ],
  [
    "a flipped bit in the member file",
    (files) => flip(files, "/raft/test/member", 40),
    /\/raft\/test\/member is damaged or was edited/,
  ],
  [
    "no member file",
    (files) => files.remove("/raft/test/member"),
    /\/raft\/test holds vote, log, snapshots, but the file member is missing/,
  ],
  [
    "nothing but the store",
    (files) => files.removeTree("/raft/test"),
    /streaming state was recovered but cluster log path "\/raft" is empty/,
  ],
];

for (const [what, damage, text] of DAMAGES) {
  Deno.test(`TS6, TS95: ${what}: a live cluster takes the node in anew, and it votes when it has caught up`, async () => {
    const [cluster, leader, victim] = await trio(600);
    const { incarnation } = member(victim, leader);
    const { identity } = leader.journal.status();
    victim.kill();
    const files = victim.files.afterKill();
    damage(files);
    const store = { recovered: true, nodeId: victim.name, identity };
    const back = cluster.restart(victim, { store }, files);
    await cluster.clock.until(() => back.replica.applied.length === 10, 10_000, "the node that lost its log");
    await cluster.clock.until(() => member(back, leader).voter === true, 10_000, "its vote");
    assert.notEqual(member(back, leader).incarnation, incarnation);
    assert.match(back.lines.join("\n"), text);
    await cluster.clock.until(() => !ofFiles(files).doubtful, 5000, "the end of doubt");
    // With the vote that it was given the cluster lives on without its former leader.
    leader.kill();
    const next = await cluster.untilLeader(10_000);
    await cluster.done(next.propose("after"));
  });

  Deno.test(`TS6, TS95: ${what}: without its cluster the node is refused, and its files stay as they are`, async () => {
    const [cluster, leader, victim] = await trio(601);
    const { identity } = leader.journal.status();
    for (const node of cluster.alive) node.kill();
    const files = victim.files.afterKill();
    damage(files);
    const before = tree(files);
    const store = { recovered: true, nodeId: victim.name, identity };
    // A node that may form a cluster must not do so either.
    for (const options of [{}, { bootstrap: true }, { peers: ["a", "b", "c"] }]) {
      cluster.failed.clear();
      cluster.restart(victim, { store, ...options }, files.afterKill());
      await cluster.clock.until(() => cluster.failed.size > 0, 20_000, "a refusal");
      const { message } = cluster.failed.get(victim.name)!;
      assert.match(message, text);
      assert.match(message, /; no other node of its cluster answers\. (Move|Give) /);
    }
    assert.deepEqual(tree(files), before);
  });
}

/** Names and sizes of what is below the Raft directory. */
function tree(files: MemoryFiles, path = "/raft"): string[] {
  if (!files.exists(path)) return [];
  return files.list(path).flatMap((entry) =>
    entry.isDirectory ? tree(files, `${path}/${entry.name}`) : [`${path}/${entry.name}`]
  );
}

const CASES: [
  what: string,
  identity: (theirs: string) => string,
  options: Partial<RaftOptions>,
  end: RegExp | "back",
][] = [
  ["the same cluster", (theirs) => theirs, {}, "back"],
  ["the same cluster, bootstrap given", (theirs) => theirs, { bootstrap: true }, "back"],
  ["the same cluster, peers given", (theirs) => theirs, { peers: ["a", "b", "c"] }, "back"],
  [
    "another cluster",
    () => IDENTITY,
    {},
    /is empty; node "[abc]" answers, but belongs to another cluster with the ID "test"/,
  ],
  ["another cluster, bootstrap given", () => IDENTITY, { bootstrap: true }, /belongs to another cluster/],
  ["another cluster, peers given", () => IDENTITY, { peers: ["a", "b", "c"] }, /belongs to another cluster/],
  ["a store that does not tell its cluster", () => "", {}, /is empty\. Give the log path/],
  ["a store that does not tell its cluster, peers given", () => "", { peers: ["a", "b"] }, /is empty\. Give the log/],
];

for (const [what, identityOf, options, end] of CASES) {
  Deno.test(`TS6: a store without its log beside ${what}`, async () => {
    const [cluster, leader, victim] = await trio(602);
    victim.kill();
    const identity = identityOf(leader.journal.status().identity);
    const store = { recovered: true, nodeId: victim.name, identity };
    const start = () => cluster.restart(victim, { store, ...options }, new MemoryFiles());
    if (identity === "") return void assert.throws(start, end as RegExp);
    const back = start();
    if (end === "back") {
      await cluster.clock.until(() => back.replica.applied.length === 10, 10_000, "the node that lost its log");
    } else {
      await cluster.clock.until(() => cluster.failed.size > 0, 20_000, "a refusal");
      assert.match(cluster.failed.get(victim.name)!.message, end);
      assert.deepEqual(leader.fatal, undefined);
      await cluster.done(leader.propose("undisturbed"));
    }
  });
}

Deno.test("TS95: a majority with damaged logs is refused, each with its own reason; what is left is not touched", async () => {
  const [cluster, leader] = await trio(603);
  const victims = cluster.alive.filter((node) => node !== leader);
  for (const victim of victims) victim.kill();
  for (const victim of victims) {
    const files = victim.files.afterKill();
    flip(files, "/raft/test/log/00000001.wal", 300);
    cluster.restart(victim, {}, files);
  }
  await cluster.clock.until(() => cluster.failed.size === 2, 30_000, "two refusals");
  for (const { message } of cluster.failed.values()) {
    assert.match(
      message,
      /damaged at offset \d+: .*; of its cluster [abc] answers, but nobody leads: start a majority/,
    );
  }
  assert.equal(leader.fatal, undefined);
});

Deno.test("M7: two of five lose their logs at once: both come back, and nothing that was agreed is lost", async () => {
  const cluster = new TestCluster(604);
  const peers = ["a", "b", "c", "d", "e"];
  for (const name of peers) cluster.add(name, { peers });
  const leader = await cluster.untilLeader();
  const victims = cluster.alive.filter((node) => node !== leader).slice(0, 2);
  for (let i = 0; i < 5; i++) await cluster.done(leader.propose(`m${i}`));
  await cluster.clock.advance(1500);
  for (const victim of victims) victim.kill();
  const back = victims.map((victim) => {
    const files = victim.files.afterKill();
    flip(files, "/raft/test/log/00000001.wal", 300);
    return cluster.restart(victim, {}, files);
  });
  for (const node of back) {
    await cluster.clock.until(() => node.replica.applied.length === 5, 15_000, `entries on ${node.name}`);
  }
  await cluster.clock.until(
    () => cluster.leader!.journal.status().members.every(({ voter }) => voter),
    10_000,
    "five voters",
  );
});

Deno.test("M7: the cluster's word counts, not that of a leader which has lost its majority", async () => {
  const [cluster, leader, victim] = await trio(605);
  const other = cluster.alive.find((node) => node !== leader && node !== victim)!;
  victim.kill();
  await cluster.clock.advance(20);
  // From now on the leader is alone, and does not know yet.
  other.kill();
  const files = victim.files.afterKill();
  flip(files, "/raft/test/log/00000001.wal", 300);
  const before = ofFiles(files).incarnation;
  cluster.restart(victim, {}, files);
  await cluster.clock.until(() => cluster.failed.size > 0, 30_000, "a refusal");
  assert.equal(ofFiles(files).incarnation, before);
  assert.ok(files.exists("/raft/test/log/00000001.wal"));
});

Deno.test("TS95: a node that begins anew may be killed at any step: the next start goes on, and one damaged state is kept", async () => {
  for (let moment = 0; moment < 60; moment += 1) {
    const [cluster, leader, victim] = await trio(700 + moment);
    victim.kill();
    const files = victim.files.afterKill();
    flip(files, "/raft/test/log/00000001.wal", 300);
    let calls = 0;
    files.onCall = () => {
      if (calls++ === moment) cluster.nodes.get(victim.name)?.kill();
      return calls > moment ? { code: "other" } : undefined;
    };
    const store = { recovered: true, nodeId: victim.name, identity: leader.journal.status().identity };
    try {
      cluster.restart(victim, { store }, files);
    } catch {
      // killed while opening
    }
    await cluster.clock.advance(3000);
    cluster.nodes.get(victim.name)?.kill();
    cluster.failed.clear();
    const survives = moment % 3;
    const left = survives === 2 ? files.afterKill() : files.afterCrash(() => survives);
    const again = cluster.restart(victim, { store }, left);
    await cluster.clock.until(
      () => again.replica.applied.length === 10 || cluster.failed.size > 0,
      15_000,
      `the node killed at step ${moment}`,
    );
    assert.equal(cluster.failed.get(victim.name)?.message, undefined, `killed at step ${moment}`);
    await cluster.clock.until(
      () => leader.journal.status().members.every(({ voter }) => voter),
      10_000,
      `its vote, killed at step ${moment}`,
    );
  }
});

Deno.test("M7: an old disk that comes back after its node began anew is taken in as a learner, with what it has", async () => {
  const [cluster, leader, victim] = await trio(608);
  victim.kill();
  const old = victim.files.afterKill();
  const files = victim.files.afterKill();
  flip(files, "/raft/test/log/00000001.wal", 300);
  const anew = cluster.restart(victim, {}, files);
  await cluster.clock.until(() => member(anew, leader).voter === true, 10_000, "its vote");
  anew.kill();
  await cluster.done(leader.propose("meanwhile"));
  const back = cluster.restart(anew, {}, old);
  await cluster.clock.until(() => back.replica.applied.length === 11, 10_000, "what came meanwhile");
  await cluster.clock.until(() => member(back, leader).voter === true, 10_000, "its vote again");
  assert.equal(back.fatal, undefined);
});

Deno.test("a node that was removed from its cluster does not come back by losing its log", async () => {
  const [cluster, leader, victim] = await trio(606, { allowAddRemoveNode: true });
  const client = cluster.net.connect("operator", cluster.clock);
  const removed = client.request("_STAN.raft.test.node.remove", new TextEncoder().encode(victim.name), 3000);
  await cluster.done(removed);
  await cluster.clock.advance(1000);
  assert.equal(victim.exitCode, 0);
  const files = victim.files.afterKill();
  flip(files, "/raft/test/log/00000001.wal", 300);
  cluster.restart(victim, {}, files);
  await cluster.clock.until(() => cluster.failed.size > 0, 20_000, "a refusal");
  assert.match(cluster.failed.get(victim.name)!.message, /was removed from the cluster/);
  assert.equal(leader.journal.status().members.length, 2);
});

Deno.test("a log and a store of two clusters are not brought together", async () => {
  const [cluster, , victim] = await trio(607);
  victim.kill();
  const store = { recovered: true, nodeId: victim.name, identity: IDENTITY };
  assert.throws(
    () => cluster.restart(victim, { store }),
    new RegExp(`the store belongs to cluster ${IDENTITY}, but /raft/test to cluster`),
  );
});
