/** Servers that lost their log, or part of their store: what is there is compared, repaired, never mixed (TS6, TS67, P8). */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import type { ServerSettings } from "../../../src/server/mod.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { copyTree } from "./disk_copies.ts";
import { Harness, stored } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

function test(
  name: string,
  run: (world: Harness) => Promise<void>,
  settings: Partial<ServerSettings> = {},
): void {
  Deno.test(name, async () => {
    const world = await Harness.start(settings);
    try {
      await world.connect("me");
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, count: number, text = "message", channel = "foo"): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await world.publish("me", channel, `${text} ${i}`), "");
}

/** Kills a node, changes its disk, and starts it again. */
function restartWith(world: Harness, node: SimulatedNode, change: (files: MemoryFiles) => void): SimulatedNode {
  node.kill();
  const files = node.files.afterKill();
  change(files);
  return world.begin(node.name, files);
}

/** Waits until a node that lost its log has begun anew. */
async function begunAnew(world: Harness, node: SimulatedNode): Promise<void> {
  const line = /this node begins anew as incarnation/;
  await world.clock.until(() => node.log.lines.some((each) => line.test(each)), 20_000, "the node that lost its log");
}

const threeVoters = async (world: Harness) => {
  const leader = await world.leader();
  await world.clock.until(
    () => leader.journal!.status().members.every(({ voter }) => voter),
    20_000,
    "three voters",
  );
};

function tells(node: SimulatedNode, text: RegExp): void {
  assert.match(node.log.lines.join("\n"), text);
}

for (const [path, count] of [["the log", 10], ["a snapshot", 150]] as const) {
  test(`TS6: the log is lost, the store is not: the node comes back by ${path}, and all hold the same`, async (world) => {
    await publish(world, count);
    const back = restartWith(world, world.followers[0]!, (files) => files.removeTree("/raft"));
    await begunAnew(world, back);
    await threeVoters(world);
    assert.equal((await world.agreed(stored)).length, count);
    tells(back, /disagreed: streaming state was recovered but cluster log path "\/raft" is empty/);
    if (count > 100) tells(back, /what the store holds, 1 to 1\d\d, is kept: other nodes hold the same/);
    assert.doesNotMatch(back.log.lines.join("\n"), /is dropped/);
    await publish(world, 5, "after");
    assert.equal((await world.agreed(stored)).length, count + 5);
  });
}

const IDLE = { ...DEFAULT_LIMITS, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxInactivity: 3_000_000_000n }] };

for (const [path, count] of [["the log", 3], ["a snapshot", 150]] as const) {
  test(
    `TS6, TS63: the channel was made anew meanwhile: what the store holds is dropped, by ${path}; nothing is mixed`,
    async (world) => {
      await publish(world, 5, "old");
      assert.equal((await world.agreed(stored)).length, 5);
      // Stores lag a little behind the log.
      await world.pass(2_000);
      const away = world.followers[0]!;
      away.kill();
      await world.clock.until(
        () => [...world.nodes.values()].every((node) => !node.alive || !node.server!.machine.state.channels.has("foo")),
        30_000,
        "the deletion",
      );
      await publish(world, count, "new");
      const back = restartWith(world, away, (files) => files.removeTree("/raft"));
      await begunAnew(world, back);
      if (count > 100) await threeVoters(world);
      const texts = await world.agreed(stored);
      assert.equal(texts.length, count);
      assert.ok(texts.every((text) => text.includes("new")), texts.join());
      if (count > 100) tells(back, /what the store holds, 1 to 5, is dropped: no other node holds the same/);
      await threeVoters(world);
    },
    { limits: IDLE },
  );
}

for (const [path, count] of [["the log", 5], ["a snapshot", 150]] as const) {
  test(`TS6: somebody else's messages are in the store: they are gone when the node has come back by ${path}`, async (world) => {
    const elsewhere = await Harness.start({}, 2);
    await elsewhere.connect("me");
    await publish(elsewhere, 9, "alien");
    await elsewhere.pass(2_000);
    const alien = elsewhere.followers[0]!.files.afterKill();
    elsewhere.stop();
    await publish(world, count);
    const back = restartWith(world, world.followers[0]!, (files) => {
      files.removeTree("/raft");
      files.removeTree("/store/foo");
      copyTree(alien, files, "/store/foo");
    });
    await begunAnew(world, back);
    await threeVoters(world);
    await publish(world, 2);
    const texts = await world.agreed(stored);
    assert.equal(texts.length, count + 2);
    assert.ok(texts.every((text) => text.includes("message")), texts.join());
  });
}

test("TS95: a flipped bit in the log of a whole server: the node comes back, the operator finds the log", async (world) => {
  await publish(world, 20);
  const back = restartWith(world, world.followers[0]!, (files) => {
    const file = files.open("/raft/sim/log/00000001.wal", { mode: "existing" });
    file.writeAt(Uint8Array.of(0xff, 0xff), 400);
    file.close();
  });
  await begunAnew(world, back);
  await threeVoters(world);
  assert.equal((await world.agreed(stored)).length, 20);
  assert.ok(back.files.exists("/raft/sim/damaged/log/00000001.wal"));
});

test("P8: a channel's directory is lost: it is filled from other nodes before its node may lead", async (world) => {
  await publish(world, 150);
  await publish(world, 10, "message", "bar");
  const [one, other] = world.followers;
  const back = restartWith(world, one!, (files) => files.removeTree("/store/foo"));
  // Nothing is in the way of an election while it is repaired, and it is not elected.
  other!.kill();
  (await world.leader()).kill();
  world.restart(other!);
  await world.clock.until(() => stored(back).length === 150, 20_000, "the lost channel");
  tells(back, /disagreed: the store lacks messages that snapshot \d+ names: channel "foo": messages 1 to \d+/);
  tells(back, /done: what the store lacks is fetched from other nodes before this one may lead/);
  await world.leader();
  assert.equal((await world.agreed(stored)).length, 150);
  assert.equal((await world.agreed((node) => stored(node, "bar"))).length, 10);
});

test("TS66: a node that lost everything gets all from the cluster's members, whatever peers it is told", async (world) => {
  await publish(world, 150);
  const [one] = world.followers;
  one!.kill();
  // It hears of nobody at first, so that this list is all it has to go by.
  const isBack = (bus: string) => bus.startsWith(`${one!.name}-`);
  world.net.reaches = (from, to) => isBack(from) === isBack(to);
  const back = world.begin(one!.name, new MemoryFiles(), ["x", "y"]);
  await world.pass(3000);
  world.net.heal();
  await world.clock.until(() => stored(back).length === 150, 20_000, "the messages");
  assert.equal((await world.agreed(stored)).length, 150);
});

test("P8: a store from an old backup is filled up, from the log where that holds it", async (world) => {
  await publish(world, 5);
  const victim = world.followers[0]!;
  await world.pass(500);
  const backup = victim.files.afterKill();
  await publish(world, 10);
  const back = restartWith(world, victim, (files) => {
    files.removeTree("/store");
    copyTree(backup, files, "/store");
  });
  assert.equal((await world.agreed(stored)).length, 15);
  assert.ok(back.alive);
});

test("TS67: a majority lost its messages: everybody starts, and gets them from the one that has them", async (world) => {
  await publish(world, 150);
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
  for (const node of world.nodes.values()) node.kill();
  for (const [name, files] of left) {
    if (name !== "a") files.removeTree("/store/foo");
    world.begin(name, files);
  }
  await world.leader();
  assert.equal((await world.agreed(stored)).length, 150);
  for (const node of world.nodes.values()) assert.equal(node.fatal, undefined);
});

test("TS67: all lost their messages: the cluster starts from what exists, says so, and numbers go on", async (world) => {
  await publish(world, 150);
  await publish(world, 3, "message", "bar");
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
  for (const node of world.nodes.values()) node.kill();
  for (const [name, files] of left) {
    files.removeTree("/store/foo");
    world.begin(name, files);
  }
  const leader = await world.leader();
  tells(leader, /channel "foo": no node holds messages \d+ to \d+ any more/);
  await publish(world, 1, "after");
  // How much of the end each finds in its log depends on its last snapshot.
  assert.match((await world.agreed((node) => stored(node).slice(-1)))[0]!, /^151 .*after/s);
  assert.equal((await world.agreed((node) => stored(node, "bar"))).length, 3);
});

test("3.6: a node that lost its disk and is given another list of peers gets everything from the cluster it is in", async (world) => {
  await publish(world, 150);
  const [lost] = world.followers;
  lost!.kill();
  await publish(world, 5, "later");
  // Nobody answers when it decides what to form a cluster with.
  world.net.reaches = (from, to) => from.startsWith(`${lost!.name}-`) === to.startsWith(`${lost!.name}-`);
  const node = world.begin(lost!.name, new MemoryFiles(), ["x", "y"]);
  await world.pass(600);
  world.net.reaches = () => true;
  await world.clock.until(() => stored(node).length === 155, 20_000, "everything on the node that lost its disk");
  await threeVoters(world);
});
