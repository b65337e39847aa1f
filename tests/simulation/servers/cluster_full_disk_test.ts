/** A node of a cluster whose store is full for some channels only (spec clustering, P6 and D8). */
import assert from "node:assert/strict";
import { Harness } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

function contents(node: SimulatedNode): string[] {
  const found: string[] = [];
  for (const [channel, store] of [...node.server!.recorder.channels].sort()) {
    store.messages.read(1, store.messages.last, 1_000_000, (sequence, buffer, start, end) => {
      const text = new TextDecoder("latin1").decode(buffer.subarray(start, end));
      found.push(`${channel} ${sequence} ${/message \d+/.exec(text)?.[0]}`);
      return true;
    });
  }
  return found;
}

for (const who of ["a follower", "the leader"]) {
  Deno.test(`P6: what ${who} has no room for is applied when there is room, and nothing else again`, async () => {
    const world = await Harness.start();
    try {
      await world.connect("me");
      for (const channel of ["foo", "bar"]) assert.equal(await world.publish("me", channel, "message 0"), "");
      const leader = await world.leader();
      const victim = who === "the leader" ? leader : world.followers[0]!;
      victim.files.onCall = ({ kind, path }) =>
        kind === "write" && path.includes("/bar/msgs") ? { code: "full" } : undefined;
      const publishing = [];
      for (let i = 1; i <= 20; i++) publishing.push(world.publish("me", i % 3 === 0 ? "foo" : "bar", `message ${i}`));
      await world.pass(1_200);
      victim.files.onCall = undefined;
      await Promise.all(publishing);
      for (let i = 21; i <= 30; i++) {
        assert.equal(await world.publish("me", i % 3 === 0 ? "foo" : "bar", `message ${i}`), "");
      }
      const all = await world.agreed(contents);
      assert.equal(new Set(all.map((line) => line.replace(/ \d+ /, " "))).size, all.length, all.join("\n"));
      await world.agreed((node) => node.server!.machine.state.digest);
      await world.pass(5_000);
      assert.ok(victim.alive, victim.fatal);
    } finally {
      world.stop();
    }
  });
}

Deno.test("P6: a subscription to a channel for which a follower has no room waits for it there, and is as on the others", async () => {
  const world = await Harness.start();
  try {
    await world.connect("me");
    const victim = world.followers[0]!;
    victim.files.onCall = ({ path }) => path.includes("/new") ? { code: "full" } : undefined;
    const held = await world.subscribe("me", "new");
    await world.pass(700);
    victim.files.onCall = undefined;
    assert.equal(await world.publish("me", "new", "message 1"), "");
    await world.received(held, 1);
    await world.agreed((node) => node.server!.machine.state.digest);
    await world.agreed((node) => [...node.server!.machine.state.channels.get("new")?.subscriptions.keys() ?? []]);
    await world.pass(5_000);
    assert.ok(victim.alive, victim.fatal);
  } finally {
    world.stop();
  }
});
