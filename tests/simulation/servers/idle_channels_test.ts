/** Channels that are deleted when nobody uses them, and nodes that come back and still know them (streaming 8.3, S3, P8). */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import { Harness, stored } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

const [USUAL] = DEFAULT_LIMITS.channels;
const IDLE = { ...USUAL!, pattern: "idle", maxMessages: 50, maxInactivity: 2_000_000_000n };

function test(name: string, run: (world: Harness) => Promise<void>): void {
  Deno.test(name, async () => {
    const world = await Harness.start({ limits: { ...DEFAULT_LIMITS, channels: [USUAL!, IDLE] } });
    try {
      await world.connect("me");
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, count: number, channel: string): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await world.publish("me", channel, `message ${i}`), "");
}

const alive = (world: Harness): SimulatedNode[] => [...world.nodes.values()].filter((node) => node.alive);

async function deleted(world: Harness): Promise<void> {
  const isGone = (node: SimulatedNode) => !node.server!.machine.state.channels.has("idle");
  await world.clock.until(() => alive(world).every(isGone), 30_000, "the deletion");
}

test("a node installs a snapshot that names a channel deleted since, though the third node is away", async (world) => {
  await publish(world, 3, "foo");
  const [back, away] = world.followers;
  back!.kill();
  await publish(world, 80, "idle");
  await deleted(world);
  away!.kill();
  const again = world.restart(back!);
  await world.clock.until(
    () => world.nodes.get(again.name)!.server?.machine.state.channels.has("foo") === true,
    20_000,
    "the snapshot",
  );
  await publish(world, 1, "foo");
  assert.equal((await world.agreed(stored)).length, 4);
});

test("two of three nodes are started with snapshots that name a channel deleted since, and serve", async (world) => {
  await publish(world, 3, "foo");
  await publish(world, 80, "idle");
  await deleted(world);
  // How far the log is committed is written down a little later.
  await world.pass(200);
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
  world.stop();
  for (const [name, files] of left.slice(1)) world.begin(name, files);
  await world.leader();
  await publish(world, 1, "foo");
  assert.equal((await world.agreed(stored)).length, 4);
});

test("all nodes lose power just when they have deleted a channel that their snapshots name: two of them serve again", async (world) => {
  await publish(world, 3, "foo");
  await publish(world, 80, "idle");
  const holdsNothing = (node: SimulatedNode) => !node.server!.recorder.channels.has("idle");
  await world.clock.until(() => alive(world).every(holdsNothing), 30_000, "the deletion");
  const left = [...world.nodes.values()].map((node) => [node.name, node.files.afterCrash(() => 0)] as const);
  world.stop();
  for (const [name, files] of left.slice(1)) world.begin(name, files);
  await world.leader();
  await publish(world, 1, "foo");
  assert.equal((await world.agreed(stored)).length, 4);
});

test("whoever subscribes while the channel is being deleted gets all of the next one, whatever the old one still held", async (world) => {
  await publish(world, 60, "idle");
  const leader = await world.leader();
  // Long enough for requests to come in while the deletion is on its way.
  world.net.delay = (from) => from.includes("-raft") ? 5 : 0.2;
  const channel = leader.server!.machine.state.channels.get("idle")!;
  await world.clock.until(() => channel.deleting, 10_000, "the deletion's proposal");
  const after = <T>(time: number, run: () => Promise<T>) =>
    new Promise<T>((resolve) => world.clock.wakeAt(world.clock.now() + time, () => resolve(run())));
  const [one, refusal, other] = await Promise.all([
    world.subscribe("me", "idle"),
    after(1, () => world.publish("me", "idle", "new")),
    after(2, () => world.subscribe("me", "idle")),
  ]);
  assert.equal(refusal, "");
  assert.notEqual(leader.server!.machine.state.channels.get("idle"), channel);
  for (const held of [one, other]) {
    assert.deepEqual((await world.received(held, 1)).map(({ sequence, payload }) => [sequence, payload]), [[1, "new"]]);
  }
});
