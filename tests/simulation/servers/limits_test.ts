/** Nodes whose own limits differ keep what the cluster agreed upon, over restarts and snapshots too (spec clustering, D2 and D3). */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import { Harness } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

function limited(maxMessages: number, maxAge = 0n) {
  return { limits: { maxChannels: 0, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxMessages, maxAge }] } };
}

/** Three nodes of which each has its own limit on messages; the leader's is the first to be agreed upon. */
async function test(name: string, run: (world: Harness) => Promise<void>, own: Record<string, number>): Promise<void> {
  await Deno.test(name, async () => {
    const world = await Harness.start((name) => limited(own[name]!));
    try {
      assert.equal(await world.connect("me"), "");
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, count: number): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await world.publish("me", "foo", `message ${i}`), "");
}

function range(node: SimulatedNode): string {
  const messages = node.server?.recorder.channels.get("foo")?.messages;
  return messages === undefined ? "none" : `${messages.first} to ${messages.last}, ${messages.count}`;
}

/** What all nodes hold once they are quiet; a node that never gets there is named. */
async function agreedRange(world: Harness): Promise<string> {
  await world.pass(3_000);
  const ranges = [...world.nodes.values()].filter(({ alive }) => alive).map((node) => `${node.name}: ${range(node)}`);
  assert.equal(new Set(ranges.map((each) => each.split(": ")[1])).size, 1, ranges.join("; "));
  await world.agreed((node) => node.server!.machine.state.digest);
  return ranges[0]!.split(": ")[1]!;
}

const OWN = { a: 10, b: 30, c: 0 };

for (const [what, count] of [["the log", 35], ["a snapshot", 150]] as const) {
  test(`D3: each node is started again, by ${what}: all hold what the agreed limits leave`, async (world) => {
    await publish(world, count);
    const before = await agreedRange(world);
    for (const follower of world.followers) {
      world.restart(follower);
      assert.equal(await agreedRange(world), before, `after the restart of ${follower.name}`);
    }
    await publish(world, 1);
    await agreedRange(world);
  }, OWN);

  test(
    `D3: all are started again, by ${what}, and others lead: the limits change, the ranges stay equal`,
    async (world) => {
      await publish(world, count);
      await agreedRange(world);
      for (let i = 0; i < 5; i++) {
        await world.restartAll();
        await agreedRange(world);
        await publish(world, 5);
        await agreedRange(world);
        (await world.leader()).kill();
        await world.leader();
        await publish(world, 3);
        const away = [...world.nodes.values()].find(({ alive }) => !alive)!;
        world.restart(away);
        await agreedRange(world);
      }
    },
    OWN,
  );
}

test("D3: a node that gets everything by a snapshot keeps all of it, whatever its own limits are", async (world) => {
  await publish(world, 150);
  const before = await agreedRange(world);
  for (const follower of world.followers) {
    follower.kill();
    const files = follower.files.afterKill();
    files.removeTree("/raft");
    files.removeTree("/store");
    world.begin(follower.name, files);
    await world.clock.until(
      () => range(world.nodes.get(follower.name)!) === before,
      20_000,
      `${before} on ${follower.name}`,
    );
    await world.clock.until(
      () => [...world.nodes.values()].every((node) => node.journal?.status().members.every(({ voter }) => voter)),
      20_000,
      "three voters",
    );
    assert.equal(await agreedRange(world), before);
  }
}, OWN);

test(
  "D3: a node that was away and comes back by a snapshot forgets what the others forgot meanwhile",
  async (world) => {
    await publish(world, 90);
    const [away] = world.followers;
    await world.pass(500);
    away!.kill();
    await publish(world, 70);
    const back = world.restart(away!);
    await world.clock.until(() => range(back).includes(" to 160,"), 20_000, "what it missed");
    assert.equal(await agreedRange(world), "61 to 160, 100");
    assert.ok(back.log.lines.some((line) => line.includes("installed snapshot")), back.log.lines.join("\n"));
  },
  { a: 100, b: 100, c: 100 },
);

Deno.test("D3: what was evicted does not come back where the limits are raised, over kills and power cuts", async () => {
  let maxMessages = 10;
  const world = await Harness.start(() => limited(maxMessages));
  try {
    await world.connect("me");
    await publish(world, 35);
    assert.equal(await agreedRange(world), "26 to 35, 10");
    maxMessages = 0;
    for (let round = 0; round < 3; round++) {
      await world.restartAll();
      await publish(world, 3);
      assert.equal(await agreedRange(world), `26 to ${38 + 3 * round}, ${13 + 3 * round}`);
    }
    const [one] = world.followers;
    one!.kill();
    world.begin(one!.name, one!.files.afterCrash(() => Infinity));
    assert.equal(await agreedRange(world), "26 to 44, 19");
  } finally {
    world.stop();
  }
});

Deno.test("D3: what expires is everybody's, whatever a node's own maximum age is when it starts again", async () => {
  const second = 1_000_000_000n;
  let age = 60n * second;
  const world = await Harness.start(() => limited(0, age));
  try {
    await world.connect("me");
    await publish(world, 10);
    await agreedRange(world);
    // This one would forget all at once; the next one would keep everything.
    const [one, other] = world.followers;
    age = second;
    world.restart(one!);
    assert.equal(await agreedRange(world), "1 to 10, 10");
    age = 0n;
    world.restart(other!);
    assert.equal(await agreedRange(world), "1 to 10, 10");
    await world.pass(30_000);
    await publish(world, 5);
    await world.pass(40_000);
    assert.equal(await agreedRange(world), "11 to 15, 5");
    world.restart(world.followers[0]!);
    assert.equal(await agreedRange(world), "11 to 15, 5");
  } finally {
    world.stop();
  }
});
