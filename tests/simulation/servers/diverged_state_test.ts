/** A node whose state went its own way: it is found out, stops, and gets everything anew (spec clustering, D8). */
import assert from "node:assert/strict";
import { Harness } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

function test(name: string, run: (world: Harness) => Promise<void>): void {
  Deno.test(name, async () => {
    const world = await Harness.start();
    try {
      await world.connect("me");
      await publish(world, 5);
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publish(world: Harness, count: number): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await world.publish("me", "foo", `message ${i}`), "");
}

/** A bit of the state falls over. */
function spoil(node: SimulatedNode): void {
  node.server!.machine.state.channels.get("foo")!.lastSubscriptionId += 7;
}

function stored(node: SimulatedNode): string[] {
  const texts: string[] = [];
  const messages = node.server?.recorder.channels.get("foo")?.messages;
  messages?.read(1, messages.last, 1_000_000, (sequence, buffer, start, end) => {
    texts.push(`${sequence} ${new TextDecoder("latin1").decode(buffer.subarray(start, end))}`);
    return true;
  });
  return texts;
}

test("D8: a follower whose state differs is named, stops, and gets everything anew", async (world) => {
  const leader = await world.leader();
  const [victim] = world.followers;
  spoil(victim!);
  await publish(world, 3);
  await world.clock.until(() => !victim!.alive, 10_000, "the end of the spoiled node");
  assert.match(victim!.fatal!, /the state of this node differs from that of the leader, node "\w": this node stops/);
  assert.ok(
    leader.log.lines.some((line) =>
      line.startsWith(`ERR the state of node "${victim!.name}" differs from this leader's`)
    ),
    leader.log.lines.join("\n"),
  );
  await publish(world, 3);
  const again = world.restart(victim!);
  await world.clock.until(
    () => again.journal?.status().members.every((member) => member.voter) === true,
    20_000,
    "three voters",
  );
  assert.equal((await world.agreed(stored)).length, 11);
  await world.agreed((node) => node.server!.machine.state.digest);
  assert.equal(await world.agreed((node) => node.server!.machine.state.channels.get("foo")!.lastSubscriptionId), 0);
  await world.pass(10_000);
  assert.ok([...world.nodes.values()].every((node) => node.alive));
  assert.ok(again.log.lines.some((line) => line.includes("the former state was set aside in /raft/sim/damaged")));
});

test("D8: a leader whose state differs from the majority's is the one that stops", async (world) => {
  const leader = await world.leader();
  spoil(leader);
  await publish(world, 3);
  await world.clock.until(() => !leader.alive, 10_000, "the end of the spoiled leader");
  assert.match(leader.fatal!, /the state of this leader differs from that of a majority/);
  await world.leader();
  await publish(world, 3);
  world.restart(leader);
  assert.equal((await world.agreed(stored)).length, 11);
  await world.agreed((node) => node.server!.machine.state.digest);
});

test("D8: where no majority agrees nobody is stopped, but it is said", async (world) => {
  const leader = await world.leader();
  const [one, other] = world.followers;
  spoil(one!);
  other!.kill();
  await publish(world, 3);
  await world.pass(10_000);
  assert.ok(one!.alive && leader.alive);
  assert.ok(leader.log.lines.some((line) => line.includes("differs from this leader's")));
  assert.deepEqual(leader.journal!.status().different, [one!.name]);
});

test("D8: members that tell no digest are left alone", async (world) => {
  const leader = await world.leader();
  for (const follower of world.followers) follower.server!.machine.state.digest = 0;
  await publish(world, 600);
  await world.pass(5_000);
  assert.ok([...world.nodes.values()].every((node) => node.alive));
  assert.deepEqual(leader.journal!.status().different, []);
});
