import assert from "node:assert/strict";
import { StartPosition } from "../protocol/client_messages.ts";
import { MachineDriver, type Wish } from "../../tests/support/machine_driver.ts";
import type { Effect } from "./effects.ts";

function connected(): MachineDriver {
  const driver = new MachineDriver();
  driver.connect();
  return driver;
}

Deno.test("scenario 59: with one in flight the second message waits for the first one's ack", () => {
  for (const wish of [{}, { durable: "dur" }]) {
    const driver = connected();
    const subscription = driver.sub({ ...wish, inFlight: 1 });
    driver.publish(2);
    driver.advance(700);
    assert.deepEqual(driver.received(), [1]);
    assert.ok(subscription.stalled);
    driver.ack(subscription, 1);
    assert.deepEqual(driver.received(), [2]);
    driver.ack(subscription, 2);
    assert.ok(!subscription.stalled);
    driver.advance(100_000);
    assert.deepEqual(driver.received(), []);
  }
});

Deno.test("scenario 59: in a group of two the third message waits", () => {
  const driver = connected();
  const [a, b] = [driver.sub({ group: "g", inFlight: 1 }), driver.sub({ group: "g", inFlight: 1 })];
  driver.publish(3);
  assert.deepEqual([driver.received(a.inbox), driver.received(b.inbox)], [[1], [2]]);
  driver.advance(700);
  driver.ack(a, 1);
  assert.deepEqual([driver.received(a.inbox), driver.received(b.inbox)], [[3], []]);
});

Deno.test("any ack, even for an unknown sequence, looks whether there is room", () => {
  const driver = connected();
  const subscription = driver.sub({ inFlight: 1 });
  driver.publish(2);
  driver.received();
  driver.ack(subscription, 99);
  assert.deepEqual(driver.received(), []);
  subscription.maxInFlight = 2;
  driver.ack(subscription, 99);
  assert.deepEqual(driver.received(), [2]);
});

Deno.test("scenario 74: an unknown sequence leaves everything pending", () => {
  const driver = connected();
  const subscription = driver.sub();
  driver.publish(2);
  driver.ack(subscription, 3, 0, -1);
  assert.deepEqual([...subscription.pending.keys()], [1, 2]);
});

Deno.test("scenario 75: a hole in the store is passed over", () => {
  const driver = connected();
  driver.publish(10);
  driver.drop(3);
  const subscription = driver.sub({ position: StartPosition.first });
  assert.deepEqual(driver.received(), [1, 2, 4, 5, 6, 7, 8, 9, 10]);
  assert.ok(!subscription.pending.has(3));
  assert.deepEqual([...driver.channels.get("foo")!.subscriptions.get(1)!.pending], [1, 2, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("a hole takes no room in flight", () => {
  const driver = connected();
  driver.publish(6);
  driver.drop(1);
  driver.drop(2);
  driver.drop(4);
  const subscription = driver.sub({ position: StartPosition.first, inFlight: 1 });
  assert.deepEqual(driver.received(), [3]);
  driver.ack(subscription, 3);
  assert.deepEqual(driver.received(), [5]);
});

Deno.test("messages that are gone from the beginning are jumped over", () => {
  const driver = connected();
  const subscription = driver.sub({ inFlight: 1 });
  driver.publish(20);
  driver.evict(11);
  assert.deepEqual(driver.received(), [1]);
  driver.ack(subscription, 1);
  assert.deepEqual(driver.received(), [11]);
  assert.deepEqual([...subscription.pending.keys()], [11]);
});

Deno.test("scenario 76: when messages cannot be read nothing is delivered; then it resumes, unflagged and in order", () => {
  for (const wish of [{}, { group: "g" }]) {
    const driver = connected();
    driver.sub(wish);
    driver.unreadable.add("foo");
    driver.publish(2);
    driver.advance(10_000);
    assert.deepEqual(driver.received(), []);
    driver.unreadable.clear();
    driver.publish();
    driver.advance(30_000);
    assert.deepEqual(driver.received().slice(0, 3).sort(), [1, 2, 3]);
  }
});

Deno.test("messages that could not be published go out, unflagged and in order, before newer ones", () => {
  const driver = connected();
  driver.sub({ inbox: "in", ackWait: 30_000 });
  driver.broken.add("in");
  driver.publish(2);
  driver.publish();
  driver.broken.clear();
  driver.publish();
  assert.deepEqual(driver.received(), [], "newer ones wait");
  driver.advance(250);
  assert.deepEqual(driver.received(), [1, 2, 3, 4]);
});

Deno.test("scenario 73: after a time without NATS a message is redelivered once, not once per missed attempt", () => {
  const driver = connected();
  const subscription = driver.sub({ inbox: "in", ackWait: 100 });
  driver.publish();
  assert.deepEqual(driver.received(), [1]);
  driver.broken.add("in");
  driver.advance(450);
  driver.broken.clear();
  driver.advance(60);
  assert.equal(driver.received().length, 1);
  driver.ack(subscription, 1);
  driver.advance(1_000);
  assert.deepEqual(driver.received(), []);
});

Deno.test("an inbox that never works holds its own subscription only, and is tried ever more seldom", () => {
  const driver = connected();
  const broken = driver.sub({ inbox: "", inFlight: 2, ackWait: 4_000 });
  driver.broken.add("");
  const other = driver.sub();
  driver.publish(5);
  assert.deepEqual(driver.received(other.inbox), [1, 2, 3, 4, 5]);
  driver.advance(60_000);
  assert.deepEqual([...broken.pending.keys()].sort(), [1, 2]);
  assert.equal(broken.retryAfter, 2_000);
});

Deno.test("scenario 83: a full member is passed over; when all are full nothing is looked up", () => {
  const driver = connected();
  const small = driver.sub({ group: "g", inFlight: 1 });
  const large = driver.sub({ group: "g", inFlight: 10 });
  driver.publish();
  driver.publish(5);
  assert.deepEqual(driver.received(small.inbox), [1]);
  assert.deepEqual(driver.received(large.inbox), [2, 3, 4, 5, 6]);
  driver.publish(100);
  assert.equal(large.pending.size, 10);
  driver.machine.deliver("foo", 1, driver.now);
  assert.deepEqual(driver.machine.takeEffects(), []);
});

Deno.test("scenario 84: 10000 messages to 4 members that ack all get there, each once", () => {
  const driver = connected();
  const members = [1, 2, 3, 4].map(() => driver.sub({ group: "g", inFlight: 100 }));
  driver.publish(10_000);
  const seen: number[] = [];
  for (let some = driver.deliveries.splice(0); some.length > 0; some = driver.deliveries.splice(0)) {
    for (const { inbox, sequence } of some) {
      seen.push(sequence);
      driver.ack(members.find((each) => each.inbox === inbox)!, sequence);
    }
  }
  assert.equal(seen.length, 10_000);
  assert.equal(new Set(seen).size, 10_000);
});

Deno.test("work per round is bounded, and goes on until everything that fits is out", () => {
  for (const wish of [{}, { group: "g" }]) {
    const driver = connected();
    driver.publish(5_000);
    driver.sub({ ...wish, position: StartPosition.first, inFlight: 4_000, start: false });
    const subscription = driver.channel().subscriptions.get(1)!;
    driver.machine.started(subscription, driver.now);
    let rounds = 0;
    for (let effects = driver.machine.takeEffects(); effects.some((each) => each.kind === "more"); rounds++) {
      driver.machine.deliver("foo", 1, driver.now);
      effects = driver.machine.takeEffects();
      const sent = effects.flatMap((each) => each.kind === "deliver" ? each.sequences : []);
      assert.ok(sent.length <= 1024);
    }
    assert.equal(rounds, 4);
    assert.equal(subscription.pending.size, 4_000);
  }
});

Deno.test("a run of messages is one effect, noted before it is sent", () => {
  const driver = connected();
  const subscription = driver.sub();
  driver.applyOnly({
    kind: "publish",
    channel: "foo",
    time: driver.wall,
    messages: { count: 100, bytes: new Uint8Array(0), bounds: new Int32Array(0) },
  });
  driver.machine.deliver("foo", 1, driver.now);
  const effects = driver.machine.takeEffects();
  assert.deepEqual(effects.map((each) => each.kind), ["sent", "deliver", "wake"]);
  const [sent, deliver, wake] = effects as [
    Extract<Effect, { kind: "sent" }>,
    Extract<Effect, { kind: "deliver" }>,
    Extract<Effect, { kind: "wake" }>,
  ];
  assert.equal(sent.sequences.length, 100);
  assert.deepEqual(deliver.sequences, sent.sequences);
  assert.equal(deliver.counts, undefined);
  assert.equal(deliver.subscription, subscription);
  assert.deepEqual([wake.key, wake.at], ["ack/foo/1", 30_000]);
});

Deno.test("acks in a row become one effect", () => {
  const driver = connected();
  const subscription = driver.sub();
  driver.publish(3);
  for (const sequence of [1, 2, 3]) driver.machine.acknowledge(subscription, sequence, driver.now);
  assert.deepEqual(driver.machine.takeEffects(), [{ kind: "acked", subscription, sequences: [1, 2, 3] }]);
});

Deno.test("plain subscriptions and durables are served before groups", () => {
  const driver = connected();
  const order = [{ group: "g", inbox: "3" }, { inbox: "1" }, { durable: "dur", inbox: "2" }] satisfies Wish[];
  for (const wish of order) driver.sub(wish);
  driver.publish();
  assert.deepEqual(driver.deliveries.map((each) => each.inbox), ["1", "2", "3"]);
});

Deno.test("what an earlier leader may have delivered goes out flagged, what came later does not", () => {
  const driver = new MachineDriver({ flagUncertain: true });
  driver.connect();
  const online = driver.sub({ inFlight: 2 });
  driver.close(driver.sub({ durable: "offline" }));
  driver.publish(4);
  assert.deepEqual(driver.received(), [1, 2]);
  driver.follow();
  driver.lead();
  driver.settle();
  driver.ack(online, 1, 2);
  assert.deepEqual(driver.received(), ["3#1", "4#1"]);
  driver.publish();
  driver.ack(online, 3, 4);
  assert.deepEqual(driver.received(), [5]);
  driver.sub({ durable: "offline" });
  assert.deepEqual(driver.received(), [1, 2, 3, 4, 5]);
});
