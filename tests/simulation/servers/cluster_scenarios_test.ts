/** What clients of a cluster notice of fail-overs, by the numbers of spec clustering, section 12. */
import assert from "node:assert/strict";
import { Text } from "../../../src/protocol/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import type { ServerSettings } from "../../../src/server/mod.ts";
import { Harness } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

const NEW_ONLY = 0;

function test(name: string, run: (world: Harness) => Promise<void>, settings: Partial<ServerSettings> = {}): void {
  Deno.test(name, async () => {
    const world = await Harness.start(settings);
    try {
      await run(world);
    } finally {
      world.stop();
    }
  });
}

async function publishAll(world: Harness, channel: string, ...payloads: string[]): Promise<void> {
  for (const payload of payloads) assert.equal(await world.publish("me", channel, payload), "");
}

function sequences(held: { readonly received: readonly { readonly sequence: number }[] }): number[] {
  return held.received.map(({ sequence }) => sequence);
}

/** Clients and subscriptions as a node knows them. */
function view(node: SimulatedNode): unknown {
  const { clients, channels } = node.server!.machine.state;
  return {
    clients: [...clients.values()].map(({ id, heartbeatInbox }) => [id, heartbeatInbox]),
    channels: [...channels.values()].map(({ name, subscriptions }) => [
      name,
      [...subscriptions.values()].map(({ id, clientId, durableName, offline }) => [id, clientId, durableName, offline]),
    ]),
  };
}

test("TS37: plain, durable, queue and durable queue subscribers go on after the leader is killed", async (world) => {
  assert.equal(await world.connect("me"), "");
  const kinds = [{}, { durableName: "d" }, { queueGroup: "q" }, { queueGroup: "q", durableName: "dq" }];
  const held = await Promise.all(kinds.map(async (options) => await world.subscribe("me", "foo", options)));
  await publishAll(world, "foo", "1", "2");
  for (const each of held) await world.received(each, 2);
  await world.pass(1_500);
  await world.failOver();
  await publishAll(world, "foo", "3", "4");
  for (const each of held) {
    await world.received(each, 4);
    assert.deepEqual(sequences(each), [1, 2, 3, 4]);
  }
});

test("TS38: what is unacked is redelivered flagged after a fail-over, counted from 1", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo", { ackWaitInSecs: 3 });
  held.auto = false;
  await publishAll(world, "foo", "1");
  await world.received(held, 1);
  await world.pass(1_500);
  await world.failOver();
  const [, again] = await world.received(held, 2);
  assert.deepEqual([again!.sequence, again!.redelivered, again!.count], [1, true, 1]);
  const [, , third] = await world.received(held, 3);
  assert.ok(third!.at - again!.at >= 2_900, "the next one comes an ack wait later");
});

test("TS40: deliveries that nobody heard of come again flagged, and nothing is left out", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo", { durableName: "d" });
  await publishAll(world, "foo", "1", "2", "3");
  await world.received(held, 3);
  await world.failOver();
  await publishAll(world, "foo", "4");
  await world.clock.until(() => sequences(held).includes(4), 10_000, "the fourth message");
  assert.deepEqual([...new Set(sequences(held))].sort(), [1, 2, 3, 4]);
  for (const repeated of held.received.slice(3).filter(({ sequence }) => sequence < 4)) assert.ok(repeated.redelivered);
});

test("TS41: a durable that was closed is resumed where it stood, by the next leader", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo", { durableName: "d" });
  await publishAll(world, "foo", "1", "2");
  await world.received(held, 2);
  assert.equal(await world.end("subclose", "me", held), "");
  await world.failOver();
  await publishAll(world, "foo", "3");
  const again = await world.subscribe("me", "foo", { durableName: "d" });
  await world.received(again, 1);
  assert.deepEqual(sequences(again), [3]);
});

test("TS42: what was unsubscribed gets nothing from the next leader", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo");
  assert.equal(await world.end("unsub", "me", held), "");
  await world.failOver();
  await publishAll(world, "foo", "1");
  await world.pass(3_000);
  assert.deepEqual(held.received, []);
  assert.equal(await world.end("unsub", "me", held), Text.invalidSubscription);
});

test("TS43: closing a connection removes client and subscriptions on all nodes", async (world) => {
  await world.connect("me");
  await world.subscribe("me", "foo");
  await world.subscribe("me", "foo", { durableName: "d" });
  assert.equal(await world.close("me"), "");
  assert.deepEqual(await world.agreed(view), { clients: [], channels: [["foo", [[2, "me", "d", true]]]] });
});

test("TS44: a client that crashed and connects again is known by its new inbox everywhere", async (world) => {
  await world.connect("me", "first");
  world.silence("me", "first");
  assert.equal(await world.connect("me", "second"), "");
  assert.deepEqual(await world.agreed(view), { clients: [["me", "_INBOX.hb.me.second"]], channels: [] });
  await world.failOver();
  assert.equal(await world.ping("second"), "");
  assert.equal(await world.ping("first"), Text.unknownConnection);
});

test("TS45: a client that answers no heartbeats is dropped, after a fail-over too", async (world) => {
  await world.connect("gone");
  await world.connect("me");
  world.silence("gone");
  await world.pass(6_000);
  await world.failOver();
  await world.clock.until(
    () => world.followers.every((node) => !node.server!.machine.state.clients.has("gone")),
    60_000,
    "the end of the silent client",
  );
  assert.ok((await world.leader()).server!.machine.state.clients.has("me"));
});

test("TS46: a ping with an unknown connection id gets one error, from the leader alone", async (world) => {
  let answers = 0;
  world.client.subscribe("pongs", () => answers++);
  const text = new TextEncoder();
  world.client.publishRequest(text.encode("_STAN.discover.sim.pings"), text.encode("pongs"), Uint8Array.of(10, 1, 120));
  await world.pass(1_000);
  assert.equal(answers, 1);
  assert.equal(await world.ping("x"), Text.unknownConnection);
});

test("TS47: a subscription for new messages only starts where it was made, whatever is restarted", async (world) => {
  await world.connect("me");
  await publishAll(world, "foo", "1", "2");
  const held = await world.subscribe("me", "foo", { durableName: "d", startPosition: NEW_ONLY, maxInFlight: 1 });
  held.auto = false;
  await publishAll(world, "foo", "3", "4");
  await world.received(held, 1);
  await world.pass(1_500);
  await world.restartAll();
  held.auto = true;
  await world.clock.until(() => sequences(held).includes(4), 20_000, "the fourth message");
  assert.deepEqual([...new Set(sequences(held))], [3, 4]);
});

test("TS48: all start modes on an empty channel, filled later", async (world) => {
  await world.connect("me");
  const held = [];
  for (const startPosition of [0, 1, 2, 3, 4]) {
    held.push(await world.subscribe("me", "foo", { startPosition, startSequence: startPosition === 3 ? 5 : 0 }));
  }
  await publishAll(world, "foo", "1", "2");
  for (const each of held) {
    await world.received(each, 2);
    assert.deepEqual(sequences(each), [1, 2]);
  }
});

test("TS49: a durable that is online cannot be had twice", async (world) => {
  await world.connect("me");
  await world.subscribe("me", "foo", { durableName: "d" });
  await assert.rejects(world.subscribe("me", "foo", { durableName: "d" }), { message: Text.duplicateDurable });
});

test("TS49: with replace_durable the old one is closed on all nodes", async (world) => {
  await world.connect("me");
  const first = await world.subscribe("me", "foo", { durableName: "d" });
  const second = await world.subscribe("me", "foo", { durableName: "d" });
  await publishAll(world, "foo", "1");
  await world.received(second, 1);
  assert.deepEqual(first.received, []);
  assert.deepEqual((await world.agreed(view) as { channels: unknown }).channels, [["foo", [[1, "me", "d", false]]]]);
}, { replaceDurable: true });

const ONE_SUBSCRIPTION = {
  ...DEFAULT_LIMITS,
  channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxSubscriptions: 1 }],
};

test("TS50: max_subs counts the same after a replay of the log", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo");
  await assert.rejects(world.subscribe("me", "foo"), { message: Text.tooManySubscriptions });
  assert.equal(await world.end("unsub", "me", held), "");
  await world.subscribe("me", "foo");
  await world.restartAll();
  await assert.rejects(world.subscribe("me", "foo"), { message: Text.tooManySubscriptions });
}, { limits: ONE_SUBSCRIPTION });

test("TS51: subscription ids are not used again after deletion, snapshot and restart", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo");
  await world.end("unsub", "me", held);
  for (let i = 0; i < 100; i++) assert.equal(await world.publish("me", "foo", String(i)), "");
  await world.restartAll();
  await world.subscribe("me", "foo");
  const { channels } = await world.agreed(view) as { channels: [string, [number][]][] };
  assert.deepEqual(channels.map(([, subscriptions]) => subscriptions.map(([id]) => id)), [[2]]);
});

test("TS52: while one queue member is stalled the others are served, by every leader", async (world) => {
  await world.connect("me");
  const stalled = await world.subscribe("me", "foo", { queueGroup: "q", maxInFlight: 1, ackWaitInSecs: 60 });
  const other = await world.subscribe("me", "foo", { queueGroup: "q", ackWaitInSecs: 60 });
  stalled.auto = false;
  await publishAll(world, "foo", "1", "2", "3", "4");
  await world.clock.until(() => stalled.received.length + other.received.length >= 4, 10_000, "four messages");
  await world.pass(1_500);
  await world.failOver();
  await publishAll(world, "foo", "5", "6");
  await world.clock.until(() => sequences(other).includes(6), 10_000, "the sixth message");
  assert.ok(new Set(sequences(stalled)).size <= 2);
});

test("TS53: a member that leaves hands over what it had, and followers agree", async (world) => {
  await world.connect("me");
  await world.connect("other");
  const leaver = await world.subscribe("other", "foo", { queueGroup: "q", ackWaitInSecs: 60 });
  leaver.auto = false;
  await publishAll(world, "foo", "1", "2", "3");
  await world.received(leaver, 3);
  const heir = await world.subscribe("me", "foo", { queueGroup: "q", ackWaitInSecs: 60 });
  assert.equal(await world.close("other"), "");
  await world.received(heir, 3);
  assert.deepEqual(sequences(heir).sort(), [1, 2, 3]);
  await world.pass(3_000);
  const pending = (node: SimulatedNode) =>
    [...node.server!.machine.state.channels.get("foo")!.subscriptions.values()].map((each) => [...each.pending.keys()]);
  assert.deepEqual(await world.agreed(pending), [[]]);
});

const ONE_CHANNEL = { ...DEFAULT_LIMITS, maxChannels: 1 };

test(
  "TS55: of a publish batch only what goes to a channel that cannot be made fails; no gap, no phantom",
  async (world) => {
    await world.connect("me");
    const held = await world.subscribe("me", "foo");
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => world.publish("me", i % 2 === 0 ? "foo" : "bar", String(i))),
    );
    assert.deepEqual(results, Array.from({ length: 20 }, (_, i) => i % 2 === 0 ? "" : Text.tooManyChannels));
    await world.received(held, 10);
    assert.deepEqual(sequences(held), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.ok(held.received.every(({ payload }) => payload !== ""));
  },
  { limits: ONE_CHANNEL },
);

test("TS57: a publish that was in flight when the leader died is stored once and acknowledged", async (world) => {
  await world.connect("me");
  await publishAll(world, "foo", "0");
  const leader = await world.leader();
  const publishing = Array.from({ length: 30 }, (_, i) => world.publish("me", "foo", `in flight ${i}`));
  await world.pass(0.5);
  leader.kill();
  assert.deepEqual(await Promise.all(publishing), Array.from({ length: 30 }, () => ""));
  await world.leader();
  const held = await world.subscribe("me", "foo");
  await world.received(held, 31);
  await world.pass(1_000);
  assert.equal(held.received.length, 31);
  assert.equal(new Set(held.received.map(({ payload }) => payload)).size, 31);
});

test("TS59: a follower that was away while the log was cut comes back with everything", async (world) => {
  await world.connect("me");
  await world.subscribe("me", "foo", { durableName: "d" });
  const away = world.followers[0]!;
  away.kill();
  for (let i = 0; i < 150; i++) assert.equal(await world.publish("me", "foo", String(i)), "");
  const back = world.restart(away);
  await world.clock.until(() => lastOf(back) === 150, 20_000, "all messages on the node that was away");
  const seen = await world.agreed(view);
  assert.deepEqual((seen as { clients: unknown[] }).clients.length, 1);
  assert.ok(back.log.lines.some((line) => line.includes("installed snapshot")), "it came by a snapshot");
});

const FIVE_MESSAGES = { ...DEFAULT_LIMITS, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxMessages: 5 }] };

test(
  "TS60: what was trimmed meanwhile is not asked for; the follower ends with the leader's first and last",
  async (world) => {
    await world.connect("me");
    const away = world.followers[0]!;
    await publishAll(world, "foo", "before");
    away.kill();
    for (let i = 0; i < 150; i++) assert.equal(await world.publish("me", "foo", String(i)), "");
    world.restart(away);
    const bounds = (node: SimulatedNode) => {
      const messages = node.server?.recorder.channels.get("foo")?.messages;
      return [messages?.first, messages?.last];
    };
    assert.deepEqual(await world.agreed(bounds), [147, 151]);
  },
  { limits: FIVE_MESSAGES },
);

Deno.test("D2: where the limits of nodes differ, those of the leader apply on every node", async () => {
  const kept: Record<string, number> = { a: 5, b: 7, c: 9 };
  const world = await Harness.start((name) => ({
    limits: { maxChannels: 3, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxMessages: kept[name]! }] },
  }));
  try {
    const leader = await world.leader();
    await world.connect("me");
    for (let i = 0; i < 20; i++) assert.equal(await world.publish("me", "foo", String(i)), "");
    const counts = (node: SimulatedNode) => node.server?.recorder.channels.get("foo")?.messages.count;
    assert.equal(await world.agreed(counts), kept[leader.name]);
    await world.pass(3_000);
    for (const node of world.nodes.values()) {
      const warned = node.log.lines.some((line) => line.startsWith("WRN The limits that the cluster agreed upon"));
      assert.equal(warned, node !== leader, node.name);
    }
  } finally {
    world.stop();
  }
});

const SHORT_AGE = { ...DEFAULT_LIMITS, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxAge: 2_000_000_000n }] };

test("TS61: when everything has expired numbering goes on, on every leader, and nobody stalls", async (world) => {
  await world.connect("me");
  const held = await world.subscribe("me", "foo");
  await publishAll(world, "foo", "1", "2", "3");
  await world.received(held, 3);
  await world.pass(5_000);
  const counts = (node: SimulatedNode) => node.server!.recorder.channels.get("foo")!.messages.count;
  assert.equal(await world.agreed(counts), 0);
  await world.failOver();
  await publishAll(world, "foo", "4");
  await world.clock.until(() => sequences(held).includes(4), 10_000, "the fourth message");
}, { limits: SHORT_AGE });

test("T4: a leader whose clock is wrong lets nothing expire, and the next one is not misled", async (world) => {
  await world.connect("me");
  await publishAll(world, "foo", "1");
  const leader = await world.leader();
  leader.clock.shiftWall(7_200_000_000_000n);
  await publishAll(world, "foo", "2");
  await world.pass(1_000);
  const counts = (node: SimulatedNode) => node.server!.recorder.channels.get("foo")!.messages.count;
  assert.equal(await world.agreed(counts), 2);
  await world.pass(30_000);
  assert.equal(await world.agreed(counts), 2);
  assert.ok(leader.log.lines.some((line) => line.includes("expiry waits until most clocks agree")));
  leader.clock.shiftWall(-7_200_000_000_000n);
  await world.clock.until(() => counts(leader) < 2, 20_000, "the expiry of the first message");
}, { limits: SHORT_AGE });

const IDLE = { ...DEFAULT_LIMITS, channels: [{ ...DEFAULT_LIMITS.channels[0]!, maxInactivity: 3_000_000_000n }] };

test("TS62, TS63: a channel deleted and made anew while a follower was away is the new one there", async (world) => {
  await world.connect("me");
  await publishAll(world, "foo", "old 1", "old 2", "old 3");
  const away = world.followers[0]!;
  away.kill();
  await world.clock.until(
    () => [...world.nodes.values()].every((node) => !node.alive || !node.server!.machine.state.channels.has("foo")),
    30_000,
    "the deletion",
  );
  await publishAll(world, "foo", "new 1");
  const back = world.restart(away);
  await world.clock.until(() => lastOf(back) === 1, 20_000, "the new channel on the node that was away");
  assert.equal(payloadOf(back, 1), "new 1");
}, { limits: IDLE });

test("TS65: a channel with traffic on the leader stays on the followers", async (world) => {
  await world.connect("me");
  for (let i = 0; i < 12; i++) {
    await publishAll(world, "foo", String(i));
    await world.pass(1_000);
  }
  assert.equal(await world.agreed((node) => node.server!.machine.state.channels.has("foo")), true);
}, { limits: IDLE });

function lastOf(node: SimulatedNode): number {
  return node.server?.recorder.channels.get("foo")?.messages.last ?? 0;
}

function payloadOf(node: SimulatedNode, sequence: number): string {
  let found = "";
  node.server!.recorder.channels.get("foo")!.messages.read(sequence, sequence, 1_000, (_, buffer, start, end) => {
    found = new TextDecoder().decode(buffer.subarray(start, end));
    return true;
  });
  return found.includes("new 1") ? "new 1" : found;
}
