/** Stores that hold more than their logs lead to: nothing is acknowledged that is not stored, and no sequence has two contents. */
import assert from "node:assert/strict";
import type { MemoryFiles } from "../../support/memory_files.ts";
import { copyTree } from "./disk_copies.ts";
import { Harness, stored } from "./harness.ts";

function test(name: string, names: readonly string[], run: (world: Harness) => Promise<void>): void {
  Deno.test(name, async () => {
    const world = await Harness.start({}, 1, names.length === 1 ? { raft: { bootstrap: true } } : {}, [...names]);
    try {
      await world.connect("me");
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, count: number, text: string, channel = "foo"): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await world.publish("me", channel, `${text} ${i}`), "");
}

/** What the messages of a channel say, in order; all sequences from 1 on must be there. */
function texts(lines: readonly string[]): string[] {
  return lines.map((line, i) => {
    const [, sequence, text] = /^(\d+) [^]*?(old|lost|new) /.exec(line) ?? assert.fail(line);
    assert.equal(Number(sequence), i + 1);
    return text!;
  });
}

function count(lines: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts(lines)) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

/** Kills all nodes; those named in `logs` get the log they had then, and all go on from there. */
function restartWithLogs(world: Harness, logs: ReadonlyMap<string, MemoryFiles>): void {
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
  for (const node of world.nodes.values()) if (node.alive) node.kill();
  for (const [name, files] of left) {
    const log = logs.get(name);
    if (log !== undefined) {
      files.removeTree("/raft");
      copyTree(log, files, "/raft");
    }
    world.begin(name, files);
  }
}

/** Copies of the disks as they are now. */
function copies(world: Harness, names: readonly string[]): Map<string, MemoryFiles> {
  return new Map(names.map((name) => [name, world.nodes.get(name)!.files.afterKill()]));
}

for (const [what, old] of [["log", 20], ["log and snapshot", 70]] as const) {
  test(
    `alone, with an older ${what}: what the store holds beyond it is kept, and new messages follow on that`,
    ["a"],
    async (world) => {
      await publish(world, old, "old");
      const before = copies(world, ["a"]);
      await publish(world, 10, "lost");
      await publish(world, 5, "lost", "bar");
      await world.pass(2_000);
      restartWithLogs(world, before);
      await world.leader();
      await publish(world, 15, "new");
      await publish(world, 15, "new", "bar");
      const [node] = world.nodes.values();
      assert.deepEqual(count(stored(node!)), { old, lost: 10, new: 15 });
      assert.deepEqual(count(stored(node!, "bar")), { lost: 5, new: 15 });
      const subscription = await world.subscribe("me", "foo");
      assert.equal((await world.received(subscription, old + 25)).length, old + 25);
      const said = node!.log.lines.join("\n");
      assert.match(
        said,
        new RegExp(`channel "foo": messages ${old + 1} to ${old + 10} are in the store, but not in the log`),
      );
      assert.match(said, /channel "bar": messages 1 to 5 are in the store, but not in the log.*agreed upon again/);
    },
  );
}

const ALL = ["a", "b", "c"];

/** Publishes 20 messages and 10 more; answers the disks as they were between the two. */
async function publishBeyond(world: Harness): Promise<Map<string, MemoryFiles>> {
  await publish(world, 20, "old");
  await world.agreed(stored);
  const before = copies(world, ALL);
  await publish(world, 10, "lost");
  await world.agreed(stored);
  await world.pass(2_000);
  return before;
}

test(
  "three nodes with older logs: one content under each sequence, and what was acknowledged is there",
  ALL,
  async (world) => {
    const before = await publishBeyond(world);
    restartWithLogs(world, before);
    await world.leader();
    await publish(world, 15, "new");
    assert.deepEqual(count(await world.agreed(stored)), { old: 20, lost: 10, new: 15 });
  },
);

for (const ahead of ["the leader", "a follower"] as const) {
  test(`three nodes with older logs, ${ahead} alone has a store beyond them`, ALL, async (world) => {
    const before = await publishBeyond(world);
    const after = copies(world, ["a"]);
    for (const node of world.nodes.values()) node.kill();
    for (const name of ALL) {
      const files = before.get(name)!;
      if (name === "a") {
        files.removeTree("/store/foo");
        copyTree(after.get("a")!, files, "/store/foo");
      }
      world.begin(name, files);
    }
    const wanted = ahead === "the leader";
    for (let i = 0; ((await world.leader()).name === "a") !== wanted; i++) {
      assert.ok(i < 20);
      void (await world.leader()).journal!.handOver(wanted ? "a" : "b");
      await world.pass(100);
    }
    await publish(world, 15, "new");
    const counts = count(await world.agreed(stored));
    assert.equal(counts.old, 20);
    assert.equal(counts.new, 15);
    if (wanted) assert.equal(counts.lost, 10);
  });
}

for (const [path, new_] of [["the log", 10], ["a snapshot", 100]] as const) {
  test(
    `a follower with a store beyond its older log is brought in step by ${path}: what differs goes`,
    ALL,
    async (world) => {
      const before = await publishBeyond(world);
      const after = copies(world, ["a"]).get("a")!;
      for (const node of world.nodes.values()) node.kill();
      for (const name of ["b", "c"]) world.begin(name, before.get(name)!);
      await world.leader();
      await publish(world, new_, "new");
      const files = before.get("a")!;
      files.removeTree("/store/foo");
      copyTree(after, files, "/store/foo");
      const back = world.begin("a", files);
      assert.deepEqual(count(await world.agreed(stored)), { old: 20, new: new_ });
      const said = back.log.lines.join("\n");
      if (path === "the log") {
        assert.match(said, /channel "foo": messages 21 to 30 in the store are not those that were agreed upon/);
      } else {assert.match(
          said,
          /channel "foo": what the store holds, 21 to 30, is dropped: no other node holds the same/,
        );}
      await publish(world, 5, "new");
      assert.deepEqual(count(await world.agreed(stored)), { old: 20, new: new_ + 5 });
    },
  );
}
