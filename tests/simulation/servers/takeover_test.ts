/** Changes of leader in awkward moments, by the numbers of spec clustering, section 12. */
import assert from "node:assert/strict";
import { Ping, PubAck, PubMsg, SubscriptionRequest } from "../../../src/protocol/client_messages.ts";
import type { Inbound } from "../../../src/ports/message_bus.ts";
import { connectedTest as test, type Harness } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

const text = new TextEncoder();

function busesOf(node: SimulatedNode): string[] {
  return node.buses.map(({ name }) => name);
}

/** The node hears clients and is heard by them, but nothing reaches other nodes or comes from them. */
function cutOff(world: Harness, node: SimulatedNode): void {
  const own = new Set(busesOf(node));
  const others = new Set([...world.nodes.values()].filter((each) => each !== node).flatMap(busesOf));
  world.net.loses = (from, to) => (own.has(from) && others.has(to)) || (others.has(from) && own.has(to));
}

/** Counts what comes to `subject`. */
function countAt(world: Harness, subject: string): { count: number } {
  const counted = { count: 0 };
  world.client.subscribe(subject, () => counted.count++);
  return counted;
}

test("TS33: a leader that flaps while it is being promoted ends in one consistent state", async (world) => {
  for (let i = 0; i < 12; i++) {
    const leader = await world.leader();
    cutOff(world, leader);
    await world.pass(700 + 45 * i);
    world.net.loses = () => false;
    await world.pass(35 * i);
  }
  const leader = await world.leader();
  for (let i = 0; i < 5; i++) assert.equal(await world.publish("me", "foo", `message ${i}`), "");
  await world.agreed((node) => node.server!.machine.state.digest);
  assert.deepEqual([...world.nodes.values()].filter((node) => node.server!.machine.leading), [leader]);
  for (const node of world.nodes.values()) {
    const notices = node.log.lines.filter((line) => /became leader|lost leadership/.test(line));
    const kinds = notices.map((line) => line.includes("became"));
    assert.deepEqual(kinds, kinds.map((_, i) => i % 2 === 0), "promotions and demotions take turns");
  }
});

test("TS34: leadership that is lost within the promotion leaves no subject subscribed", async (world) => {
  const old = await world.leader();
  old.kill();
  const led = (node: SimulatedNode) => node.alive && node.journal?.role === "Leader";
  await world.clock.until(() => world.followers.some(led), 20_000, "an election");
  const next = world.followers.find(led)!;
  assert.ok(!next.log.lines.some((line) => line.includes("finished leader promotion")), "the promotion has just begun");
  cutOff(world, next);
  await world.pass(3_000);
  assert.ok(!next.server!.machine.leading);
  assert.equal(await world.ping("me"), "no answer");
  world.net.loses = () => false;
  await world.leader();
  assert.equal(await world.publish("me", "foo", "message"), "");
});

test("TS35: a paused leader answers nothing of what came meanwhile", async (world) => {
  const old = await world.leader();
  old.freeze();
  const next = await world.leader();
  assert.notEqual(next, old);
  assert.equal(await world.connect("new"), "");
  const acks = countAt(world, "acks");
  const pongs = countAt(world, "pongs");
  const subscribed = countAt(world, "subscribed");
  const publish = PubMsg.encode({ clientId: "new", guid: "g", subject: "foo", data: text.encode("x") });
  world.client.publishRequest(text.encode("_STAN.pub.sim.foo"), text.encode("acks"), publish);
  // The old leader does not know this client, and would tell it that it is gone.
  world.client.publishRequest(
    text.encode("_STAN.discover.sim.pings"),
    text.encode("pongs"),
    Ping.encode({ connId: text.encode("new") }),
  );
  const invalid = SubscriptionRequest.encode({
    clientId: "new",
    subject: "foo",
    inbox: "in",
    maxInFlight: 1,
    ackWaitInSecs: 1,
  });
  world.client.publishRequest(text.encode("_STAN.sub.sim"), text.encode("subscribed"), invalid);
  await world.pass(1_000);
  assert.deepEqual([acks.count, pongs.count, subscribed.count], [1, 1, 1]);
  old.thaw();
  await world.pass(5_000);
  assert.deepEqual([acks.count, pongs.count, subscribed.count], [1, 1, 1]);
  assert.ok(!old.server!.machine.leading);
});

test("a ping to a leader that may not speak yet is answered as soon as it may", async (world) => {
  const old = await world.leader();
  old.kill();
  const serves = (node: SimulatedNode) =>
    node.alive && node.log.lines.some((line) => /finished leader prom/.test(line));
  await world.clock.until(() => world.followers.some(serves), 20_000, "a promotion");
  const next = world.followers.find(serves)!;
  assert.ok(!next.journal!.mayServe, "the old leader's lease may not be over");
  const pongs = countAt(world, "pongs");
  const ping = Ping.encode({ connId: text.encode("me") });
  world.client.publishRequest(text.encode("_STAN.discover.sim.pings"), text.encode("pongs"), ping);
  await world.pass(20);
  assert.equal(pongs.count, 0);
  await world.clock.until(() => next.journal!.mayServe, 2_000, "the lease");
  await world.pass(100);
  assert.equal(pongs.count, 1);
});

test("TS39: after two quick changes of leader one leader alone redelivers, once an ack wait", async (world) => {
  const held = await world.subscribe("me", "foo", { ackWaitInSecs: 2 });
  held.auto = false;
  assert.equal(await world.publish("me", "foo", "message"), "");
  await world.received(held, 1);
  await world.pass(1_500);
  const first = await world.leader();
  first.kill();
  const second = await world.leader();
  second.freeze();
  world.restart(first);
  const third = await world.leader();
  assert.notEqual(third, second);
  second.thaw();
  await world.pass(9_000);
  const again = held.received.slice(1);
  assert.ok(again.length >= 3, `${again.length} redeliveries`);
  assert.ok(again.every(({ redelivered }) => redelivered));
  const times = again.map(({ at }) => at);
  // The first ones may come at each promotion; after that one leader keeps the time.
  const steady = times.filter((at) => at > times[0]! + 4_000);
  for (let i = 1; i < steady.length; i++) assert.ok(steady[i]! - steady[i - 1]! >= 1_900, times.join());
});

test("Q3: without a lease no heartbeat goes to a client, and with it again they go on", async (world) => {
  let leader = await world.leader();
  const asked: number[] = [];
  world.client.subscribe("_INBOX.hb.me.me", ({ replyStart, replyEnd }: Inbound) => {
    if (replyEnd > replyStart) asked.push(world.clock.now());
  });
  await world.clock.until(() => asked.length === 1, 20_000, "a heartbeat");
  let withoutLease = 0;
  for (let i = 0; i < 12; i++) {
    // The others are out of reach when the next one is due: for about as long as a lease, for less than it takes to step down.
    const due = asked.at(-1)! + 5_000;
    const before = asked.length;
    await world.pass(due - 600 - 10 * i - world.clock.now());
    cutOff(world, leader);
    await world.pass(due - 1 - world.clock.now());
    const mayServe = leader.journal!.mayServe;
    await world.pass(6);
    if (!mayServe) {
      withoutLease++;
      assert.equal(asked.length, before);
    }
    world.net.loses = () => false;
    await world.clock.until(() => asked.length > before, 20_000, "the next heartbeat");
    leader = await world.leader();
  }
  assert.ok(withoutLease > 0);
});

test("Q4: a leader that stood still for a moment goes on asking its clients", async (world) => {
  const leader = await world.leader();
  const asked = countAt(world, "_INBOX.hb.me.me");
  await world.clock.until(() => asked.count === 1, 20_000, "a heartbeat");
  await world.pass(4_995);
  leader.freeze();
  await world.pass(600);
  leader.thaw();
  await world.pass(20);
  assert.ok(leader.server!.machine.leading);
  await world.pass(11_000);
  assert.ok(asked.count >= 3, `${asked.count} heartbeats`);
  assert.ok(leader.server!.machine.state.clients.has("me"));
});

for (const reported of [false, true]) {
  test(`5.4: what comes again after a fail-over is flagged and within maxInFlight, ${reported ? "" : "not "}reported before`, async (world) => {
    const held = await world.subscribe("me", "foo", { maxInFlight: 3, ackWaitInSecs: 2 });
    held.auto = false;
    const group = await world.subscribe("me", "foo", { maxInFlight: 3, ackWaitInSecs: 2, queueGroup: "q" });
    group.auto = false;
    for (let i = 1; i <= 10; i++) assert.equal(await world.publish("me", "foo", `message ${i}`), "");
    await world.received(held, 3);
    await world.received(group, 3);
    if (reported) await world.pass(1_500);
    await world.failOver();
    await world.pass(5_000);
    for (const { received } of [held, group]) {
      assert.deepEqual([...new Set(received.map(({ sequence }) => sequence))].sort(), [1, 2, 3]);
      const again = received.slice(3);
      assert.ok(again.length >= 3 && again.every(({ redelivered }) => redelivered));
    }
    for (const each of [held, group]) {
      each.auto = true;
      for (const sequence of [1, 2, 3]) world.ack(each, sequence);
    }
    await world.clock.until(
      () => [held, group].every(({ received }) => received.some(({ sequence }) => sequence === 10)),
      20_000,
      "the rest",
    );
  });
}

test("5.4: what a durable left pending comes at once after a restart of all nodes, though the lease comes later", async (world) => {
  const held = await world.subscribe("me", "foo", { durableName: "d", ackWaitInSecs: 60 });
  held.auto = false;
  for (let i = 1; i <= 3; i++) assert.equal(await world.publish("me", "foo", `message ${i}`), "");
  await world.received(held, 3);
  await world.pass(1_500);
  await world.restartAll();
  const leader = await world.leader();
  // Resumed by the client's next connection while the new leader has no lease.
  const mayServe = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(leader.journal!), "mayServe")!;
  Object.defineProperty(leader.journal!, "mayServe", { get: () => false, configurable: true });
  world.silence("me");
  assert.equal(await world.connect("me", "again"), "");
  const again = await world.subscribe("me", "foo", { durableName: "d", ackWaitInSecs: 60 });
  await world.pass(500);
  assert.deepEqual(again.received, []);
  Object.defineProperty(leader.journal!, "mayServe", mayServe);
  await world.pass(1_000);
  assert.deepEqual(again.received.map(({ sequence, redelivered }) => [sequence, redelivered]), [[1, true], [2, true], [
    3,
    true,
  ]]);
});

/** Publishes as a client that asks again under the same guid. */
function publishAgain(world: Harness, guid: string): Promise<Uint8Array | undefined> {
  const message = PubMsg.encode({ clientId: "me", guid, subject: "foo", data: text.encode("message") });
  return world.request("_STAN.pub.sim.foo", message);
}

test("F1: what was stored and not acknowledged is acknowledged by the next leader", async (world) => {
  const leader = await world.leader();
  // The acknowledgement is lost on its way to the client.
  const own = new Set(busesOf(leader));
  world.net.loses = (from, to) => own.has(from) && to === "client";
  const acks = countAt(world, "acks");
  const message = PubMsg.encode({ clientId: "me", guid: "g1", subject: "foo", data: text.encode("message") });
  world.client.publishRequest(text.encode("_STAN.pub.sim.foo"), text.encode("acks"), message);
  await world.pass(300);
  assert.ok(world.followers.every((node) => lastOf(node) === 1));
  assert.equal(acks.count, 0);
  leader.kill();
  world.net.loses = () => false;
  const next = await world.leader();
  assert.equal(acks.count, 1);
  assert.equal(lastOf(next), 1);
});

test("TS57: a publisher that asks again after a fail-over is acknowledged, and nothing is stored twice", async (world) => {
  const leader = await world.leader();
  for (let i = 0; i < 20; i++) assert.equal(PubAck.decode((await publishAgain(world, `g${i}`))!).error, "");
  leader.kill();
  const next = await world.leader();
  for (let i = 0; i < 20; i++) {
    const ack = PubAck.decode((await publishAgain(world, `g${i}`))!);
    assert.deepEqual([ack.guid, ack.error], [`g${i}`, ""]);
  }
  assert.equal(lastOf(next), 20);
  assert.equal(PubAck.decode((await publishAgain(world, "another"))!).error, "");
  assert.equal(lastOf(next), 21);
  await world.agreed(lastOf);
});

test("S2: so it is at a leader that has the state by a snapshot, and never applied what is asked for again", async (world) => {
  const old = await world.leader();
  const [late, other] = world.followers as [SimulatedNode, SimulatedNode];
  const files = late.files.afterKill();
  late.kill();
  for (let i = 0; i < 150; i++) assert.equal(PubAck.decode((await publishAgain(world, `g${i}`))!).error, "");
  const back = world.begin(late.name, files);
  await world.clock.until(() => lastOf(back) === 150, 20_000, "what it missed");
  assert.ok(back.log.lines.some((line) => line.includes("installed snapshot")));
  // The others cannot be elected before this one is.
  other.freeze();
  old.kill();
  await world.pass(1_500);
  other.thaw();
  assert.equal(await world.leader(), back);
  for (let i = 0; i < 150; i++) {
    const ack = PubAck.decode((await publishAgain(world, `g${i}`))!);
    assert.deepEqual([ack.guid, ack.error], [`g${i}`, ""]);
  }
  assert.equal(lastOf(back), 150);
  assert.equal(PubAck.decode((await publishAgain(world, "another"))!).error, "");
  assert.equal(lastOf(back), 151);
});

function lastOf(node: SimulatedNode): number {
  return node.server?.recorder.channels.get("foo")?.messages.last ?? 0;
}
