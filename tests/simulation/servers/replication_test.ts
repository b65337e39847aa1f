/** Followers, queue groups, channels and snapshots in a cluster, by the numbers of spec clustering, section 12. */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import type { ServerSettings } from "../../../src/server/mod.ts";
import { Harness } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

function test(name: string, run: (world: Harness) => Promise<void>, settings: Partial<ServerSettings> = {}): void {
  Deno.test(name, async () => {
    const world = await Harness.start(settings);
    try {
      assert.equal(await world.connect("me"), "");
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, channel: string, count: number, from = 1): Promise<void> {
  for (let i = from; i < from + count; i++) assert.equal(await world.publish("me", channel, `message ${i}`), "");
}

function bounds(node: SimulatedNode, channel = "foo"): (number | undefined)[] {
  const messages = node.server?.recorder.channels.get(channel)?.messages;
  return [messages?.first, messages?.last, messages?.count];
}

function texts(node: SimulatedNode, channel = "foo"): string[] {
  const found: string[] = [];
  const messages = node.server?.recorder.channels.get(channel)?.messages;
  messages?.read(messages.first, messages.last, 10_000_000, (sequence, buffer, start, end) => {
    const text = new TextDecoder("latin1").decode(buffer.subarray(start, end));
    found.push(`${sequence} ${/message \d+/.exec(text)?.[0]}`);
    return true;
  });
  return found;
}

test("TS30: a follower that is stopped under load loses nothing and comes back", async (world) => {
  const victim = world.followers[0]!;
  for (let i = 1; i <= 60; i++) {
    if (i === 20) void victim.server!.stop();
    if (i === 30) {
      assert.equal(victim.fatal, undefined);
      world.restart(victim);
    }
    assert.equal(await world.publish("me", "foo", `message ${i}`), "");
  }
  const expected = Array.from({ length: 60 }, (_, i) => `${i + 1} message ${i + 1}`);
  assert.deepEqual(await world.agreed(texts), expected);
});

test("TS54: what a queue passes on to another member is with that one alone, on every node", async (world) => {
  await world.connect("other");
  const deaf = await world.subscribe("me", "foo", { queueGroup: "q", ackWaitInSecs: 1, maxInFlight: 10 });
  deaf.auto = false;
  await publish(world, "foo", 3);
  await world.received(deaf, 3);
  const heir = await world.subscribe("other", "foo", { queueGroup: "q", ackWaitInSecs: 1, maxInFlight: 10 });
  await world.received(heir, 1);
  // Sent to the heir and acknowledged by it within one report; on other nodes the deaf one's share is over by that.
  await world.clock.until(() => new Set(heir.received.map(({ sequence }) => sequence)).size === 3, 20_000, "all three");
  await world.pass(3_000);
  const pending = (node: SimulatedNode) =>
    [...node.server!.machine.state.channels.get("foo")!.subscriptions.values()].map((each) => [...each.pending.keys()]);
  assert.deepEqual(await world.agreed(pending), [[], []]);
  const before = [deaf.received.length, heir.received.length];
  await world.failOver();
  await world.pass(5_000);
  assert.deepEqual([deaf.received.length, heir.received.length], before, "nothing comes again");
});

test("TS56: a store that fails ends its node, and the others go on", async (world) => {
  const victim = world.followers[0]!;
  victim.files.onCall = ({ kind, path }) =>
    kind === "write" && path.includes("/store/") ? { code: "other" } : undefined;
  await publish(world, "foo", 5);
  await world.clock.until(() => !victim.alive, 5_000, "the end of the node");
  assert.notEqual(victim.fatal, undefined);
  await publish(world, "foo", 5, 6);
  victim.files.onCall = undefined;
  world.restart(victim);
  assert.equal((await world.agreed(texts)).length, 10);
});

const IDLE = { ...DEFAULT_LIMITS, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxInactivity: 3_000_000_000n }] };

for (const what of ["a subscription", "a publish"]) {
  test(
    `TS64: ${what} that races with the deletion of an idle channel keeps it, or finds it made anew`,
    async (world) => {
      const exists = (node: SimulatedNode) => node.server!.machine.state.channels.has("foo");
      for (let early = 0; early < 2; early += 0.25) {
        await publish(world, "foo", 1);
        const end = world.clock.now() + 3_000;
        await world.pass(end - early - 0.5 - world.clock.now());
        if (what === "a publish") {
          assert.equal(await world.publish("me", "foo", "message 2"), "");
          await world.pass(1_000);
          assert.equal(await world.agreed(exists), true);
        } else {
          const held = await world.subscribe("me", "foo");
          await world.pass(8_000);
          assert.equal(await world.agreed(exists), true);
          assert.equal(await world.publish("me", "foo", "message 2"), "");
          await world.received(held, 1);
          assert.equal(await world.end("unsub", "me", held), "");
        }
        await world.clock.until(() => [...world.nodes.values()].every((node) => !exists(node)), 20_000, "the deletion");
      }
    },
    { limits: IDLE },
  );
}

test("TS64: a deletion that is not agreed upon is asked for again", async (world) => {
  await publish(world, "foo", 1);
  const followers = world.followers;
  await world.pass(2_700);
  for (const follower of followers) follower.freeze();
  await world.pass(700);
  for (const follower of followers) follower.thaw();
  await world.leader();
  const exists = (node: SimulatedNode) => node.server!.machine.state.channels.has("foo");
  await world.clock.until(() => [...world.nodes.values()].every((node) => !exists(node)), 20_000, "the deletion");
  await publish(world, "foo", 1);
}, { limits: IDLE });

const WINDOW = { ...DEFAULT_LIMITS, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxMessages: 234 }] };

test("TS69: a follower that was away for many batches has exactly the window of 234 messages", async (world) => {
  await publish(world, "foo", 100);
  const away = world.followers[0]!;
  away.kill();
  await publish(world, "foo", 600, 101);
  world.restart(away);
  assert.deepEqual(await world.agreed(bounds), [467, 700, 234]);
  const expected = Array.from({ length: 234 }, (_, i) => `${467 + i} message ${467 + i}`);
  assert.deepEqual(await world.agreed(texts), expected);
  await world.failOver();
  await publish(world, "foo", 1, 701);
  assert.deepEqual(await world.agreed(bounds), [468, 701, 234]);
}, { limits: WINDOW });

test("TS70: where a durable queue group stands outlives its members, snapshots and all nodes", async (world) => {
  const options = { queueGroup: "q", durableName: "d" };
  const first = await world.subscribe("me", "foo", options);
  await publish(world, "foo", 10);
  await world.received(first, 10);
  assert.equal(await world.end("subclose", "me", first), "");
  // More than it takes for every node to have taken snapshots.
  await publish(world, "bar", 150);
  await publish(world, "foo", 3, 11);
  await world.restartAll();
  for (const node of world.nodes.values()) assert.ok(node.journal!.status().snapshotIndex > 0, node.name);
  const second = await world.subscribe("me", "foo", options);
  await world.received(second, 3);
  await world.pass(2_000);
  assert.deepEqual(second.received.map(({ sequence }) => sequence), [11, 12, 13]);
});

test("TS32: a quorum that is lost in the middle of a batch: no gap, and what was acknowledged stands where it was", async (world) => {
  await publish(world, "foo", 3);
  const followers = world.followers;
  const inFlight = Array.from({ length: 20 }, (_, i) => world.publish("me", "foo", `message ${i + 4}`));
  await world.pass(0.3);
  for (const follower of followers) follower.kill();
  await world.pass(4_000);
  const outcomes = await Promise.all(inFlight);
  for (const follower of followers) world.restart(follower);
  await world.leader();
  await publish(world, "foo", 5, 24);
  const all = await world.agreed(texts);
  const sequences = all.map((line) => Number(line.split(" ")[0]));
  assert.deepEqual(sequences, sequences.map((_, i) => i + 1));
  assert.equal(new Set(all.map((line) => line.replace(/^\d+ /, ""))).size, all.length, "nothing is stored twice");
  outcomes.forEach((error, i) => {
    if (error === "") assert.ok(all.some((line) => line.endsWith(` message ${i + 4}`)), `message ${i + 4}`);
  });
});

for (const way of ["by its log", "by a snapshot"]) {
  test(`TS62: a channel that was deleted while a follower was away is gone there, ${way}`, async (world) => {
    await publish(world, "gone", 3);
    await publish(world, "foo", 1);
    const away = world.followers[0]!;
    away.kill();
    const exists = (node: SimulatedNode) => node.server!.machine.state.channels.has("gone");
    for (let i = 0; i < 12 && [...world.nodes.values()].some((node) => node.alive && exists(node)); i++) {
      await world.pass(500);
      await publish(world, "foo", 1, 2 + i);
    }
    await publish(world, "foo", way === "by a snapshot" ? 150 : 1, 100);
    const back = world.restart(away);
    const stored = (node: SimulatedNode) => [...node.server?.recorder.channels.keys() ?? []].sort();
    assert.deepEqual(await world.agreed(stored), ["foo"]);
    await world.agreed(bounds);
    await world.pass(100);
    assert.equal(back.log.lines.some((line) => line.includes("installed snapshot")), way === "by a snapshot");
    assert.ok(!back.files.list("/store").some(({ name }) => name === "gone"), "its files are gone too");
  }, { limits: IDLE });
}

test("TS63: a replay of the log never deletes the newer channel of a name", async (world) => {
  const exists = (node: SimulatedNode) => node.server!.machine.state.channels.has("foo");
  await publish(world, "foo", 5);
  await world.clock.until(() => [...world.nodes.values()].every((node) => !exists(node)), 20_000, "the deletion");
  await publish(world, "foo", 2, 6);
  await world.pass(500);
  await world.restartAll();
  assert.deepEqual(await world.agreed(texts), ["1 message 6", "2 message 7"]);
}, { limits: IDLE });

const FIVE = {
  ...DEFAULT_LIMITS,
  channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxMessages: 5, maxAge: 4_000_000_000n }],
};

test(
  "TS60: where all that a snapshot names has expired, first and last stay right, also after a restart alone",
  async (world) => {
    await publish(world, "foo", 3);
    const away = world.followers[0]!;
    away.kill();
    await publish(world, "foo", 150, 4);
    await world.pass(8_000);
    const first = world.restart(away);
    const known = (node: SimulatedNode) => {
      const channel = node.server?.machine.state.channels.get("foo");
      return [channel?.last, channel?.expiredBefore, node.server?.recorder.channels.get("foo")?.messages.count];
    };
    assert.deepEqual(await world.agreed(known), [153, 154, 0]);
    world.restart(first);
    assert.deepEqual(await world.agreed(known), [153, 154, 0]);
    await publish(world, "foo", 1, 154);
    assert.deepEqual(await world.agreed(texts), ["154 message 154"]);
  },
  { limits: FIVE },
);
