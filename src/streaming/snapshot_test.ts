import assert from "node:assert/strict";
import { MachineDriver } from "../../tests/support/machine_driver.ts";
import { Machine } from "./machine.ts";
import { decodeSnapshot } from "./snapshot.ts";
import type { DeliveryFact } from "../protocol/operations.ts";

const SETTINGS = { heartbeatInterval: 30_000, heartbeatTimeout: 10_000, heartbeatFailCount: 10 };

/** A leader with something of everything. */
function busy(): MachineDriver {
  const driver = new MachineDriver();
  for (const client of ["a", "b", "c"]) driver.connect(client);
  driver.publish(20);
  driver.sub({ client: "a", position: 4 });
  const durable = driver.sub({ client: "a", durable: "dur", position: 4, inFlight: 5 });
  for (const client of ["a", "b", "c"]) driver.sub({ client, group: "g", position: 4 });
  const queue = driver.sub({ client: "b", group: "q", durable: "d", position: 4 });
  driver.ack(durable, 1, 2, 3);
  driver.ack(queue, 7);
  driver.disconnect("b");
  driver.disconnect("a");
  driver.connect("a");
  driver.publish(2, "bar.baz");
  const { incarnation } = driver.channel();
  driver.commit({ kind: "expire", channel: "foo", incarnation, first: 3 });
  return driver;
}

Deno.test("a snapshot tells where the messages of each channel began when it was begun", () => {
  const { machine } = busy();
  const firsts = new Map([["foo", 7]]);
  const writing = machine.beginSnapshot(0, (channel) => firsts.get(channel) ?? 0);
  firsts.set("foo", 9);
  while (writing.step());
  machine.endSnapshot();
  const { channels } = decodeSnapshot(writing.finish());
  assert.deepEqual(channels.map(({ name, first }) => [name, first]), [["foo", 7], ["bar.baz", 0]]);
});

Deno.test("a snapshot restored gives the same snapshot again", () => {
  const driver = busy();
  const snapshot = driver.machine.snapshot();
  const other = new Machine(SETTINGS);
  other.restore(snapshot, 0);
  assert.deepEqual(other.snapshot(), snapshot);
  const { state } = other;
  assert.deepEqual([...state.clients.keys()], [...driver.machine.state.clients.keys()]);
  assert.deepEqual([...state.clientsByConnId.keys()], [...driver.machine.state.clientsByConnId.keys()]);
  assert.deepEqual([...state.channelsByFold.keys()], ["foo", "bar.baz"]);
  const channel = state.channels.get("foo")!;
  assert.deepEqual([channel.last, channel.expiredBefore], [20, 3]);
  assert.deepEqual([...channel.byAckInbox.keys()], [...driver.channel().byAckInbox.keys()]);
  assert.ok(channel.groups.get("d:q")!.placeholder !== undefined);
});

Deno.test("restoring replaces what was there, in place", () => {
  const driver = busy();
  const snapshot = driver.machine.snapshot();
  const { state } = driver.machine;
  driver.connect("x");
  driver.create("later");
  driver.machine.restore(snapshot, 0);
  assert.equal(driver.machine.state, state);
  assert.ok(!state.clients.has("x") && !state.channels.has("later"));
});

Deno.test("what is no snapshot, or another version's, is refused and changes nothing", () => {
  const driver = busy();
  const before = driver.machine.snapshot();
  assert.throws(() => driver.machine.restore(new Uint8Array([0x0a, 0x7f]), 0), /Malformed|wire type/);
  assert.throws(() => driver.machine.restore(new Uint8Array([0x08, 0x02]), 0), /snapshot version 2/);
  assert.deepEqual(driver.machine.snapshot(), before);
  assert.throws(() => decodeSnapshot(new Uint8Array(0)), /snapshot version 0/);
});

Deno.test("a restored leader goes on: pending comes again, new messages follow", () => {
  const driver = new MachineDriver();
  driver.connect();
  driver.sub({ inFlight: 2 });
  driver.sub({ group: "g", inFlight: 2 });
  driver.publish(3);
  driver.received();
  const snapshot = driver.machine.snapshot();
  driver.replaceMachine().restore(snapshot, 0);
  driver.now += 60_000;
  driver.lead();
  driver.settle();
  assert.deepEqual(driver.received(), ["1#1", "2#1", "1#1", "2#1"]);
  for (const subscription of driver.channel().subscriptions.values()) driver.ack(subscription, 1, 2);
  assert.deepEqual(driver.received(), [3, 3]);
});

Deno.test("what an earlier leader stored with a clock that was hours ahead comes again within an ack wait", () => {
  const driver = new MachineDriver();
  driver.connect();
  driver.sub({ inFlight: 2 });
  driver.now += 7_200_000;
  driver.publish(2);
  driver.received();
  const snapshot = driver.machine.snapshot();
  driver.replaceMachine().restore(snapshot, 0);
  driver.now -= 7_200_000;
  driver.lead();
  driver.advance(31_000);
  assert.deepEqual(driver.received(), ["1#1", "2#1"]);
});

/** A follower that applies what the leader committed, and hears of deliveries later. */
function follow(fact: (learn: (some: readonly DeliveryFact[]) => void) => void): [MachineDriver, MachineDriver] {
  const leader = new MachineDriver();
  const follower = new MachineDriver({}, false);
  const apply = leader.applyOnly.bind(leader);
  leader.applyOnly = (operation, index) => {
    const outcome = apply(operation, index);
    assert.deepEqual(follower.applyOnly(operation, index), outcome);
    return outcome;
  };
  fact((some) => follower.machine.learn(some));
  return [leader, follower];
}

Deno.test("a follower that learned everything equals its leader", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  leader.connect("a");
  leader.connect("b");
  leader.publish(10);
  const plain = leader.sub({ client: "a", position: 4, inFlight: 4 });
  const durable = leader.sub({ client: "a", durable: "dur", position: 4 });
  const queue = [leader.sub({ client: "a", group: "g", position: 4 }), leader.sub({ client: "b", group: "g" })];
  leader.publish(5);
  leader.ack(plain, 1, 2);
  leader.ack(durable, 15);
  leader.ack(queue[0]!, 1);
  leader.advance(30_000);
  learn(leader.facts.splice(0));
  assert.deepEqual(follower.machine.snapshot(), leader.machine.snapshot());
  leader.disconnect("b");
  leader.close(durable);
  learn(leader.facts.splice(0));
  assert.deepEqual(follower.machine.snapshot(), leader.machine.snapshot());
});

Deno.test("facts about a member that arrive after it left belong to its group", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  leader.connect("a");
  leader.connect("b");
  const leaver = leader.sub({ client: "a", group: "g" });
  leader.sub({ client: "b", group: "g" });
  leader.publish(6);
  leader.ack(leaver, 1, 3);
  const late = leader.facts.splice(0);
  leader.close(leaver);
  const after = leader.facts.splice(0);
  // Of a subscription that is gone a report holds one fact.
  for (const fact of [...late, ...after]) learn([fact]);
  assert.deepEqual(follower.machine.snapshot(), leader.machine.snapshot());
});

Deno.test("leader and follower deal a leaver's messages alike, before anything is reported", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  for (const client of ["a", "b", "c"]) leader.connect(client);
  const members = ["a", "b", "c"].map((client) => leader.sub({ client, group: "g" }));
  leader.publish(31);
  learn(leader.facts.splice(0));
  leader.close(members[1]!);
  assert.deepEqual(pendingOf(follower), pendingOf(leader));
});

/** What each subscription has pending. */
function pendingOf({ machine }: MachineDriver): (readonly number[])[] {
  return decodeSnapshot(machine.snapshot()).channels.flatMap((each) =>
    each.subscriptions.map(({ pending }) => pending)
  );
}

Deno.test("what a follower dealt by itself is known as such after a restart: the leaver's late ack ends it", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  for (const client of ["a", "b"]) leader.connect(client);
  const leaver = leader.sub({ client: "a", group: "g" });
  leader.sub({ client: "b", group: "g" });
  leader.publish(2);
  learn(leader.facts.splice(0));
  leader.close(leaver);
  const snapshot = follower.machine.snapshot();
  follower.replaceMachine().restore(snapshot, 0);
  const { name: channel, incarnation } = leader.channel();
  learn([{ channel, incarnation, subscriptionId: leaver.id, sent: [], acknowledged: [1] }]);
  assert.deepEqual(pendingOf(follower), [[2]]);
});

Deno.test("what a follower dealt by itself comes at once when it begins to lead", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  for (const client of ["a", "b"]) leader.connect(client);
  const leaver = leader.sub({ client: "a", group: "g" });
  const heir = leader.sub({ client: "b", group: "g" });
  leader.publish(2);
  learn(leader.facts.splice(0));
  leader.close(leaver);
  follower.lead();
  follower.settle();
  assert.deepEqual(follower.received(heir.inbox), ["1#1"]);
});

Deno.test("a message that is reported as sent to one member is not with another any more", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  leader.connect();
  const members = [leader.sub({ group: "g" }), leader.sub({ group: "g" })];
  leader.publish(2);
  learn(leader.facts.splice(0));
  const { name: channel, incarnation } = leader.channel();
  learn([{ channel, incarnation, subscriptionId: members[1]!.id, sent: [1], acknowledged: [] }]);
  const pending = follower.channel().groups.get("g")!.members.map((each) => [...each.pending.keys()].sort());
  assert.deepEqual(pending, [[], [1, 2]]);
});

Deno.test("a late ack of a former member does not end what its heir was given since", () => {
  let learn: (some: readonly DeliveryFact[]) => void = () => {};
  const [leader, follower] = follow((each) => learn = each);
  leader.connect("a");
  leader.connect("b");
  const leaver = leader.sub({ client: "a", group: "g", ackWait: 100 });
  leader.sub({ client: "b", group: "g" });
  leader.publish();
  learn(leader.facts.splice(0));
  const { name: channel, incarnation } = leader.channel();
  leader.close(leaver);
  leader.facts.length = 0;
  const [heir] = [...follower.channel().groups.get("g")!.members];
  assert.deepEqual([...heir!.pending.keys()], [1]);
  const fact = (subscriptionId: number, sent: number[], acknowledged: number[]) =>
    learn([{ channel, incarnation, subscriptionId, sent, acknowledged }]);
  fact(heir!.id, [1], []);
  fact(leaver.id, [], [1]);
  assert.deepEqual([...heir!.pending.keys()], [1], "it was moved, not acked");
});

Deno.test("a message that moved to a member which has left since stays with the group, in whatever order that is told", () => {
  for (const formerFirst of [true, false]) {
    let learn: (some: readonly DeliveryFact[]) => void = () => {};
    const [leader, follower] = follow((each) => learn = each);
    leader.connect("a");
    leader.connect("b");
    const holder = leader.sub({ client: "a", group: "g", ackWait: 100 });
    const leaver = leader.sub({ client: "b", group: "g" });
    leader.publish();
    learn(leader.facts.splice(0));
    const { name: channel, incarnation } = leader.channel();
    leader.close(leaver);
    leader.facts.length = 0;
    const moved = [
      { channel, incarnation, subscriptionId: leaver.id, sent: [1], acknowledged: [] },
      { channel, incarnation, subscriptionId: holder.id, sent: [], acknowledged: [1] },
    ];
    learn(formerFirst ? moved : moved.reverse());
    const [heir] = [...follower.channel().groups.get("g")!.members];
    assert.deepEqual([...heir!.pending.keys()], [1]);
  }
});

Deno.test("a message that moved between two members which have both left since stays with the group", () => {
  for (const order of [1, -1]) {
    let learn: (some: readonly DeliveryFact[]) => void = () => {};
    const [leader, follower] = follow((each) => learn = each);
    for (const client of ["a", "b", "c"]) leader.connect(client);
    const first = leader.sub({ client: "a", group: "g", ackWait: 100 });
    const second = leader.sub({ client: "b", group: "g", ackWait: 100 });
    leader.sub({ client: "c", group: "g" });
    leader.publish();
    leader.facts.length = 0;
    const { name: channel, incarnation } = leader.channel();
    for (const leaver of [first, second]) leader.close(leaver);
    const moved = [
      { channel, incarnation, subscriptionId: first.id, sent: [1], acknowledged: [1] },
      { channel, incarnation, subscriptionId: second.id, sent: [1], acknowledged: [] },
    ];
    learn(order === 1 ? moved : moved.reverse());
    const [heir] = [...follower.channel().groups.get("g")!.members];
    assert.deepEqual([...heir!.pending.keys()], [1]);
  }
});

Deno.test("facts about an earlier incarnation or an unknown subscription are ignored", () => {
  const driver = busy();
  const before = driver.machine.snapshot();
  const { incarnation } = driver.channel();
  const fact = { channel: "foo", incarnation, subscriptionId: 1, sent: [20], acknowledged: [20] };
  driver.machine.learn([{ ...fact, incarnation: incarnation + 1 }]);
  driver.machine.learn([{ ...fact, subscriptionId: 999 }]);
  driver.machine.learn([{ ...fact, channel: "none" }]);
  assert.deepEqual(driver.machine.snapshot(), before);
});

Deno.test("a follower keeps no time and says nothing", () => {
  const [leader, follower] = follow(() => {});
  leader.connect();
  leader.sub();
  leader.publish();
  leader.disconnect();
  assert.deepEqual(follower.wakeUps, []);
  assert.deepEqual(follower.listening.size + follower.deliveries.length, 0);
});
