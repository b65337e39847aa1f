import assert from "node:assert/strict";
import { StartPosition } from "../protocol/client_messages.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";
import { chooseForRedelivery } from "./queue_group.ts";

function connected(...clients: string[]): MachineDriver {
  const driver = new MachineDriver();
  for (const client of clients.length === 0 ? ["me"] : clients) driver.connect(client);
  return driver;
}

Deno.test("9 messages over three idle members go round: 1 4 7, 2 5 8, 3 6 9", () => {
  const driver = connected();
  const members = [1, 2, 3].map(() => driver.sub({ group: "g" }));
  driver.publish(9);
  assert.deepEqual(members.map((each) => driver.received(each.inbox)), [[1, 4, 7], [2, 5, 8], [3, 6, 9]]);
});

Deno.test("the member with the fewest pending gets the next message", () => {
  const driver = connected();
  const [a, b] = [driver.sub({ group: "g" }), driver.sub({ group: "g" })];
  driver.publish(4);
  driver.ack(b, 2, 4);
  driver.received();
  driver.publish(2);
  assert.deepEqual([driver.received(a.inbox), driver.received(b.inbox)], [[], [5, 6]]);
});

Deno.test("a member that has not heard of its subscription yet is not chosen", () => {
  const driver = connected();
  const started = driver.sub({ group: "g" });
  driver.sub({ group: "g", start: false });
  driver.publish(3);
  assert.deepEqual(driver.received(started.inbox), [1, 2, 3]);
});

Deno.test("a failing member with room gets new messages when all others are full", () => {
  const driver = connected("bad", "good");
  const bad = driver.sub({ client: "bad", group: "g" });
  driver.sub({ client: "good", group: "g", inFlight: 1 });
  bad.suspect = true;
  driver.publish(3);
  assert.deepEqual(driver.received(bad.inbox), [2, 3]);
});

Deno.test("when nobody qualifies redeliveries go to the head of the list, rotating", () => {
  const driver = connected();
  const [a, b] = [driver.sub({ group: "g", inFlight: 1 }), driver.sub({ group: "g", inFlight: 1 })];
  driver.publish(2);
  const chosen = [1, 2, 3, 4].map(() => chooseForRedelivery(a.group!));
  assert.deepEqual(new Set(chosen.slice(0, 2)), new Set([a, b]));
  assert.deepEqual(chosen.slice(2), chosen.slice(0, 2));
});

Deno.test("scenario 78: a leaver's message comes to the other within 200 ms, not after either ack wait", () => {
  const driver = connected();
  const leaver = driver.sub({ group: "g", ackWait: 1_000 });
  const stays = driver.sub({ group: "g", ackWait: 15_000 });
  driver.publish();
  assert.deepEqual(driver.received(leaver.inbox), [1]);
  driver.close(leaver);
  driver.advance(200);
  assert.deepEqual(driver.received(stays.inbox), ["1#1"]);
  assert.deepEqual([...stays.pending.keys()], [1]);
});

Deno.test("scenario 79: so it does when the leaver unsubscribes", () => {
  const driver = connected();
  const leaver = driver.sub({ group: "g" });
  const stays = driver.sub({ group: "g" });
  driver.publish();
  driver.unsubscribe(leaver);
  driver.advance(200);
  assert.deepEqual(driver.received(stays.inbox), ["1#1"]);
});

Deno.test("scenario 80: when the last member of a group leaves a new one starts afresh", () => {
  for (const remove of [true, false]) {
    const driver = connected();
    const only = driver.sub({ group: "g" });
    driver.publish(2);
    driver.unsubscribe(only, remove);
    assert.equal(driver.channel().groups.size, 0);
    driver.received();
    driver.sub({ group: "g", position: StartPosition.first });
    assert.deepEqual(driver.received(), [1, 2]);
  }
});

Deno.test("scenario 81: a durable group goes on with what it has not seen; unsubscribing ends it", () => {
  const driver = connected();
  const wish = { group: "g", durable: "d" };
  const member = driver.sub(wish);
  driver.publish(2);
  driver.ack(member, 1, 2);
  driver.disconnect();
  driver.publish(2);
  driver.connect();
  driver.received();
  const again = driver.sub({ ...wish, position: StartPosition.first });
  assert.deepEqual(driver.received(), [3, 4]);
  driver.unsubscribe(again);
  assert.equal(driver.channel().groups.size, 0);
  assert.equal(driver.channels.get("foo")!.subscriptions.size, 0);
});

Deno.test("scenario 82: a durable and another group of the same name each get everything", () => {
  const driver = connected();
  const one = driver.sub({ group: "g" });
  const two = driver.sub({ group: "g", durable: "d" });
  driver.publish(2);
  assert.deepEqual([driver.received(one.inbox), driver.received(two.inbox)], [[1, 2], [1, 2]]);
});

Deno.test("a request for group d:q joins the durable group of durable d, queue q; the last one to leave decides", () => {
  const driver = connected();
  const durable = driver.sub({ group: "q", durable: "d" });
  const other = driver.sub({ group: "d:q" });
  assert.equal(driver.channel().groups.size, 1);
  driver.close(durable);
  driver.close(other);
  assert.equal(driver.channel().groups.size, 0);
});

Deno.test("an offline group's place is taken by a member that is not durable, and ends with it", () => {
  const driver = connected();
  driver.close(driver.sub({ group: "q", durable: "d" }));
  driver.close(driver.sub({ group: "d:q" }));
  assert.equal(driver.channel().groups.size, 0);
});

Deno.test("scenario 85: when a member leaves mid-stream the other receives everything", () => {
  const driver = connected();
  const leaver = driver.sub({ group: "g", inFlight: 5 });
  const stays = driver.sub({ group: "g", inFlight: 50 });
  driver.publish(1_000);
  driver.close(leaver);
  const seen = new Set<number>();
  for (let i = 0; i < 2_000 && seen.size < 1_000; i++) {
    driver.advance(20);
    for (const { inbox, sequence } of driver.deliveries.splice(0)) {
      if (inbox !== stays.inbox) continue;
      seen.add(sequence);
      driver.ack(stays, sequence);
    }
  }
  assert.equal(seen.size, 1_000);
});

Deno.test("scenario 86: two durable members crash with everything pending; both come back and receive all at once", () => {
  const driver = connected("a", "b");
  const wish = { group: "g", durable: "d", inFlight: 1, ackWait: 60_000 };
  driver.sub({ ...wish, client: "a" });
  driver.sub({ ...wish, client: "b" });
  driver.publish(20);
  driver.received();
  for (const client of ["a", "b"]) driver.connect(client, { replace: true });
  const members = [driver.sub({ ...wish, client: "a" }), driver.sub({ ...wish, client: "b" })];
  const seen = new Set<number>();
  for (let i = 0; i < 100 && seen.size < 20; i++) {
    for (const { inbox, sequence } of driver.deliveries.splice(0)) {
      seen.add(sequence);
      driver.ack(members.find((each) => each.inbox === inbox)!, sequence);
    }
    driver.advance(50);
  }
  assert.equal(seen.size, 20);
  assert.ok(driver.now < 5_000);
});

Deno.test("scenario 87: messages of a leaver come at once whether they are older or newer than the receiver's own", () => {
  for (const leaves of [0, 1]) {
    const driver = connected();
    const members = [driver.sub({ group: "g" }), driver.sub({ group: "g" })];
    driver.publish(2);
    driver.received();
    driver.advance(1_000);
    driver.close(members[leaves]!);
    driver.advance(100);
    assert.deepEqual(driver.received(members[1 - leaves]!.inbox), [`${leaves + 1}#1`]);
    driver.advance(28_000);
    assert.deepEqual(driver.received(), [], "nothing else before its time");
  }
});

Deno.test("scenario 88: a late ack by the first member ends what was redelivered to the second, after a restart too", () => {
  const driver = connected();
  const first = driver.sub({ group: "g", ackWait: 100, inFlight: 1 });
  const second = driver.sub({ group: "g", ackWait: 1_000, inFlight: 10 });
  driver.publish();
  driver.advance(100);
  assert.deepEqual([[...first.pending.keys()], [...second.pending.keys()]], [[], [1]]);
  driver.ack(first, 1);
  assert.equal(first.pending.size + second.pending.size, 0);
  driver.restart();
  const pending = [...driver.channel().subscriptions.values()].map((each) => each.pending.size);
  assert.deepEqual(pending, [0, 0]);
});

Deno.test("scenario 89: a message that moved is pending with its new member only after a restart", () => {
  const driver = connected();
  driver.sub({ group: "g", ackWait: 100, inFlight: 1 });
  driver.sub({ group: "g", ackWait: 60_000, inFlight: 10 });
  driver.publish();
  driver.advance(100);
  driver.restart();
  const [first, second] = [...driver.channel().subscriptions.values()];
  assert.deepEqual([[...first!.pending.keys()], [...second!.pending.keys()]], [[], [1]]);
});

Deno.test("a message that moved makes room at the member it left", () => {
  const driver = connected();
  const first = driver.sub({ group: "g", ackWait: 100, inFlight: 1 });
  driver.publish(2);
  assert.deepEqual(driver.received(), [1]);
  const second = driver.sub({ group: "g", ackWait: 60_000, inFlight: 1 });
  assert.deepEqual(driver.received(), [2]);
  driver.ack(second, 2);
  driver.advance(100);
  assert.deepEqual([...second.pending.keys()], [1]);
  driver.publish();
  assert.deepEqual([...first.pending.keys()], [3]);
});

Deno.test("scenario 90: an empty durable group redelivers the old before it gives out the new, after a restart too", () => {
  for (const restarted of [false, true]) {
    const driver = connected("a", "b");
    const wish = { group: "g", durable: "d" };
    const members = [driver.sub({ ...wish, client: "a" }), driver.sub({ ...wish, client: "b" })];
    driver.publish(2);
    driver.ack(members[0]!, 1);
    driver.disconnect("b");
    driver.disconnect("a");
    if (restarted) driver.restart();
    driver.publish(2);
    driver.received();
    driver.connect("c");
    driver.sub({ ...wish, client: "c" });
    assert.deepEqual(driver.received(), ["2#1", 3, 4]);
  }
});

Deno.test("scenario 91: when the holder of the highest sequence left, a restart does not go back", () => {
  const driver = connected("a", "b");
  const wish = { group: "g", durable: "d" };
  const members = [driver.sub({ ...wish, client: "a" }), driver.sub({ ...wish, client: "b" })];
  driver.publish(2);
  driver.ack(members[0]!, 1);
  driver.ack(members[1]!, 2);
  driver.close(members[1]!);
  driver.received();
  driver.restart();
  driver.publish();
  assert.deepEqual(driver.received(), [3]);
});

Deno.test("scenario 92: a group that empties and refills keeps a single record", () => {
  const driver = connected();
  const wish = { group: "g", durable: "d" };
  let member = driver.sub(wish);
  for (let i = 0; i < 5; i++) {
    driver.close(member);
    assert.equal(driver.channels.get("foo")!.subscriptions.size, 1);
    member = driver.sub(wish);
  }
  driver.close(member);
  assert.deepEqual(driver.restart(), []);
  const [group] = driver.channel().groups.values();
  assert.equal(group!.members.length, 0);
  assert.ok(group!.placeholder !== undefined);
  assert.equal(driver.channel().subscriptions.size, 1);
});

Deno.test("while a refilled group is on hold a second member gets nothing new", () => {
  const driver = connected();
  const wish = { group: "g", durable: "d" };
  driver.sub(wish);
  driver.publish(2);
  driver.disconnect();
  driver.connect();
  driver.received();
  const first = driver.sub({ ...wish, start: false });
  driver.sub(wish);
  driver.publish();
  assert.deepEqual(driver.received(), []);
  driver.machine.started(first, driver.now);
  driver.settle();
  assert.deepEqual(driver.received(), ["1#1", "2#1", 3]);
});

Deno.test("when the member on hold leaves before it started, the others go on", () => {
  const driver = connected();
  const wish = { group: "g", durable: "d" };
  driver.sub(wish);
  driver.publish();
  driver.disconnect();
  driver.connect();
  driver.received();
  const first = driver.sub({ ...wish, start: false });
  driver.sub(wish);
  driver.close(first);
  driver.publish();
  driver.advance(200);
  assert.deepEqual(driver.received().sort(), ["1#1", 2].sort());
});

Deno.test("removing a member moves the last of the list into its place", () => {
  const driver = connected();
  const [a, b, c, d] = [1, 2, 3, 4].map(() => driver.sub({ group: "g" }));
  driver.close(b!);
  assert.deepEqual(a!.group!.members, [a, d, c]);
});

Deno.test("a member whose messages cannot be sent passes them on, unflagged", () => {
  const driver = connected();
  const broken = driver.sub({ group: "g", inbox: "" });
  const works = driver.sub({ group: "g" });
  driver.broken.add("");
  driver.publish(2);
  assert.deepEqual(driver.received(), [2]);
  driver.ack(works, 2);
  driver.advance(2_000);
  assert.deepEqual(driver.received(works.inbox), [1]);
  assert.equal(broken.pending.size, 0);
});
