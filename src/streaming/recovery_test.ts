import assert from "node:assert/strict";
import type { ClientInfo, SubscriptionState } from "../protocol/stored_records.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";
import { recoverState, type StoredChannel } from "./recovery.ts";

function client(id: string): ClientInfo {
  return { id, heartbeatInbox: `hb.${id}`, connId: new Uint8Array([1]), protocol: 1, pingInterval: 0, pingMaxOut: 0 };
}

function record(fields: Partial<SubscriptionState>): SubscriptionState {
  return {
    id: 1,
    clientId: "me",
    queueGroup: "",
    inbox: "in",
    ackInbox: `ack.${fields.id ?? 1}`,
    maxInFlight: 10,
    ackWaitInSecs: 30,
    durableName: "",
    lastSent: 0,
    isDurable: false,
    isClosed: false,
    ...fields,
  };
}

function stored(last: number, ...subscriptions: [Partial<SubscriptionState>, number[]?][]): StoredChannel {
  return {
    name: "foo",
    last,
    lastTimestamp: 5n,
    highestSubscriptionId: 9,
    subscriptions: subscriptions.map(([fields, pending = []]) => ({ state: record(fields), pending })),
  };
}

/** A member of durable group d:g. */
function member(id: number, clientId: string, lastSent = 0): Partial<SubscriptionState> {
  return { id, clientId, queueGroup: "d:g", isDurable: true, lastSent };
}

Deno.test("a channel comes back with its numbering", () => {
  const { state, repairs, warnings } = recoverState([], [stored(7)]);
  const channel = state.channels.get("foo")!;
  assert.deepEqual(
    [channel.last, channel.lastTimestamp, channel.lastSubscriptionId, channel.incarnation],
    [7, 5n, 9, 0],
  );
  assert.equal(state.channelsByFold.get("foo"), channel);
  assert.deepEqual([repairs, warnings], [[], []]);
});

Deno.test("plain subscriptions need their client, durables wait for it", () => {
  const { state, repairs } = recoverState([client("me")], [
    stored(
      7,
      [{ id: 1, lastSent: 4 }, [3, 4]],
      [{ id: 2, clientId: "gone" }],
      [{ id: 3, clientId: "gone", durableName: "dur", isDurable: true, lastSent: 2 }, [2]],
      [{ id: 4, durableName: "dur", isDurable: true, isClosed: true }],
      [{ id: 5, durableName: "other", isDurable: true }],
    ),
  ]);
  const channel = state.channels.get("foo")!;
  assert.deepEqual([...channel.subscriptions.keys()], [1, 3, 4, 5]);
  assert.deepEqual([...channel.byAckInbox.keys()], ["ack.1", "ack.5"]);
  assert.deepEqual([...channel.subscriptions.get(1)!.pending.keys()], [3, 4]);
  assert.deepEqual([...channel.durables.keys()], ["gone-foo-dur", "me-foo-dur", "me-foo-other"]);
  assert.ok(channel.subscriptions.get(3)!.offline && channel.subscriptions.get(4)!.offline);
  assert.equal(state.clients.get("me")!.subscriptions.size, 2);
  assert.deepEqual(repairs, [{ kind: "forget", channel: "foo", id: 2 }]);
});

Deno.test("a group takes the highest position of its records", () => {
  const { state } = recoverState([client("a"), client("b")], [
    stored(9, [{ ...member(1, "a", 4) }, [4]], [{ ...member(2, "b", 6) }, [5]]),
  ]);
  const group = state.channels.get("foo")!.groups.get("d:g")!;
  assert.equal(group.lastSent, 6);
  assert.deepEqual(group.members.map((each) => each.id), [1, 2]);
});

Deno.test("scenario 107: a durable member without its client is a ghost, reported once; the others get its messages", () => {
  const clients = [client("a")];
  const { state, repairs, warnings } = recoverState(clients, [
    stored(9, [member(1, "a", 4), [4]], [member(2, "gone", 6), [5, 6]]),
  ]);
  const group = state.channels.get("foo")!.groups.get("d:g")!;
  assert.deepEqual(group.members.map((each) => each.id), [1]);
  assert.deepEqual([...group.members[0]!.pending.keys()], [4, 5, 6]);
  assert.equal(group.lastSent, 6);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^ghost durable queue subscription 2 /);
  assert.deepEqual(repairs.map((each) => each.kind), ["update", "sent", "forget"]);
  assert.deepEqual(recoverState(clients, [stored(9, [member(1, "a", 6), [4, 5, 6]])]).warnings, []);
});

Deno.test("a ghost that is all there is of its group keeps the group's place", () => {
  const { state, repairs, warnings } = recoverState([], [stored(9, [member(1, "gone", 6), [5]])]);
  const group = state.channels.get("foo")!.groups.get("d:g")!;
  assert.equal(group.lastSent, 6);
  assert.equal(group.placeholder!.clientId, "");
  assert.deepEqual([...group.placeholder!.pending.keys()], [5]);
  assert.equal(warnings.length, 1);
  const [repair] = repairs;
  assert.ok(repair?.kind === "update" && repair.state.clientId === "" && repair.state.id === 1);
  const again = recoverState([], [stored(9, [{ ...repair.state }, [5]])]);
  assert.deepEqual([again.warnings, again.repairs], [[], []]);
});

Deno.test("scenario 92: of several placeholders the one that got furthest is kept, with a warning", () => {
  const { state, repairs, warnings } = recoverState([], [
    stored(9, [member(1, "", 4), [4]], [member(2, "", 6), [6]], [member(3, "", 5), [5]]),
  ]);
  const group = state.channels.get("foo")!.groups.get("d:g")!;
  assert.equal(group.placeholder!.id, 2);
  assert.deepEqual([...group.placeholder!.pending.keys()], [6]);
  assert.equal(warnings.length, 1);
  assert.deepEqual(repairs, [
    { kind: "forget", channel: "foo", id: 1 },
    { kind: "forget", channel: "foo", id: 3 },
  ]);
});

Deno.test("a member of a group that is not durable goes with its client, without a warning", () => {
  const { state, repairs, warnings } = recoverState([], [stored(9, [{ queueGroup: "g", clientId: "gone" }, [1]])]);
  assert.equal(state.channels.get("foo")!.groups.size, 0);
  assert.deepEqual(repairs, [{ kind: "forget", channel: "foo", id: 1 }]);
  assert.deepEqual(warnings, []);
});

Deno.test("deliveries of messages that never reached the disk are forgotten, so that their successors are delivered", () => {
  const { state, repairs } = recoverState([client("me")], [stored(56, [{ lastSent: 71 }, [55, 56, 57, 71]])]);
  const subscription = state.channels.get("foo")!.subscriptions.get(1)!;
  assert.deepEqual([...subscription.pending.keys()], [55, 56]);
  assert.equal(subscription.lastSent, 56);
  assert.deepEqual(repairs[0], { kind: "acked", channel: "foo", id: 1, sequences: [57, 71] });
  assert.ok(repairs[1]!.kind === "update" && repairs[1]!.state.lastSent === 56);
});

Deno.test("so it is for groups", () => {
  const { state } = recoverState([client("a")], [stored(5, [member(1, "a", 8), [5, 8]])]);
  const group = state.channels.get("foo")!.groups.get("d:g")!;
  assert.equal(group.lastSent, 5);
  assert.deepEqual([...group.members[0]!.pending.keys()], [5]);
});

Deno.test("two restarts in a row recover the same", () => {
  const driver = new MachineDriver();
  driver.connect();
  driver.sub();
  driver.sub({ durable: "dur" });
  driver.sub({ group: "g", durable: "d" });
  driver.close(driver.sub({ durable: "off" }));
  driver.publish(5);
  driver.ack(driver.channel().subscriptions.get(2)!, 1, 3);
  assert.deepEqual(driver.restart(), []);
  const first = driver.machine.snapshot();
  assert.deepEqual(driver.restart(), []);
  assert.deepEqual(driver.machine.snapshot(), first);
});
