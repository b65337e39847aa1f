import assert from "node:assert/strict";
import { StartPosition } from "../protocol/client_messages.ts";
import { MachineDriver, type Wish } from "../../tests/support/machine_driver.ts";
import { DEFAULT_LIMITS } from "../protocol/limits.ts";

function connected(): MachineDriver {
  const driver = new MachineDriver();
  driver.connect();
  return driver;
}

const KINDS: Record<string, Wish> = {
  plain: {},
  durable: { durable: "dur" },
  queue: { group: "g" },
  "durable queue": { group: "g", durable: "d" },
};

Deno.test("scenario 34: nothing is sent before the client knows that it is subscribed", () => {
  for (const [kind, wish] of Object.entries(KINDS)) {
    const driver = connected();
    driver.publish(2);
    const subscription = driver.sub({ ...wish, position: StartPosition.first, start: false });
    assert.ok(driver.listening.has(subscription.ackInbox), kind);
    driver.publish();
    assert.deepEqual(driver.received(), [], kind);
    driver.machine.started(subscription, driver.now);
    driver.settle();
    assert.deepEqual(driver.received(), [1, 2, 3], kind);
  }
});

Deno.test("scenario 34: nor when it is resumed", () => {
  for (const wish of [KINDS["durable"]!, KINDS["durable queue"]!]) {
    const driver = connected();
    driver.publish(2);
    driver.close(driver.sub({ ...wish, position: StartPosition.first }));
    driver.received();
    const resumed = driver.sub({ ...wish, start: false });
    driver.publish();
    driver.advance(100_000);
    assert.deepEqual(driver.received(), []);
    driver.machine.started(resumed, driver.now);
    driver.settle();
    assert.deepEqual(driver.received(), ["1#1", "2#1", 3]);
  }
});

Deno.test("scenario 44: max_subs counts every record, and resuming needs no slot", () => {
  for (const kind of Object.keys(KINDS)) {
    const driver = connected();
    const [all] = DEFAULT_LIMITS.channels;
    driver.commit({ kind: "set limits", maxChannels: 0, channels: [{ ...all!, maxSubscriptions: 1 }] });
    driver.connect("you");
    const held = driver.sub(KINDS[kind]);
    for (const other of Object.values(KINDS)) {
      assert.equal(driver.subscribe({ ...other, client: "you", channel: "foo" }), "too many subscriptions per channel");
    }
    assert.equal(driver.channel().subscriptions.size, 1);
    assert.equal(driver.channel().lastSubscriptionId, held.id);
    assert.equal(driver.machine.state.clients.get("you")!.subscriptions.size, 0);
    driver.close(held);
    const isKept = kind.startsWith("durable");
    const text = driver.subscribe({ client: "you", durable: "other" });
    assert.equal(typeof text, isKept ? "string" : "object");
    if (isKept) assert.equal(typeof driver.subscribe(KINDS[kind]), "object", "resumes");
  }
});

Deno.test("the same check is made again when the operation is applied", () => {
  const driver = connected();
  const [all] = DEFAULT_LIMITS.channels;
  driver.commit({ kind: "set limits", maxChannels: 0, channels: [{ ...all!, maxSubscriptions: 1 }] });
  driver.create();
  const operations = [driver.admit({}), driver.admit({})];
  const outcomes = operations.map((each) => typeof each === "string" ? each : driver.commit(each).kind);
  assert.deepEqual(outcomes, ["subscribed", "refused"]);
});

Deno.test("scenario 45: a durable online cannot be subscribed again; after its connection closed it resumes", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", position: StartPosition.first });
  for (let round = 0; round < 3; round++) {
    assert.equal(driver.subscribe({ durable: "dur" }), "stan: duplicate durable registration");
    driver.publish();
    assert.deepEqual(driver.received(), [round + 1]);
    driver.ack(durable, round + 1);
    driver.disconnect();
    driver.connect();
    assert.equal(driver.sub({ durable: "dur" }), durable);
  }
  assert.equal(driver.channel().subscriptions.size, 1);
});

Deno.test("durables of the same name of two clients are unrelated", () => {
  const driver = connected();
  driver.connect("you");
  driver.sub({ durable: "dur" });
  driver.sub({ client: "you", durable: "dur" });
  assert.equal(driver.channel().durables.size, 2);
});

Deno.test("scenario 46: replace_durable closes the durable online and resumes it with its pending", () => {
  const driver = connected();
  const first = driver.sub({ durable: "dur", inbox: "one" });
  const oldInbox = first.ackInbox;
  driver.publish();
  assert.deepEqual(driver.received("one"), [1]);
  driver.sub({ durable: "dur", inbox: "two", replaceDurable: true });
  assert.equal(driver.channel().subscriptions.size, 1);
  assert.equal(driver.machine.state.clients.get("me")!.subscriptions.size, 1);
  assert.deepEqual(driver.received(), ["1#1"]);
  driver.publish();
  assert.deepEqual(driver.received("two"), [2]);
  assert.deepEqual(driver.unsubscribe(first, false, oldInbox), { kind: "refused", text: "stan: invalid subscription" });
  assert.equal(driver.close(first).kind, "done");
  assert.ok(!driver.listening.has(oldInbox));
});

Deno.test("replace_durable does not let queue members replace one another", () => {
  const driver = connected();
  driver.sub({ group: "g", durable: "d" });
  driver.sub({ group: "g", durable: "d", replaceDurable: true });
  assert.equal(driver.channel().subscriptions.size, 2);
});

Deno.test("scenario 48: when its record cannot be stored a new subscription disappears, a resumed one is offline", () => {
  for (const [kind, wish] of Object.entries(KINDS)) {
    const driver = connected();
    driver.create();
    const refused = driver.sub({ ...wish, start: false });
    driver.machine.revoke(refused, driver.now);
    driver.settle();
    assert.equal(driver.channel().subscriptions.size, 0, kind);
    assert.equal(driver.channel().durables.size + driver.channel().groups.size, 0, kind);
    assert.equal(driver.machine.state.clients.get("me")!.subscriptions.size, 0, kind);
    assert.equal(driver.listening.size, 0, kind);
  }
  for (const wish of [KINDS["durable"]!, KINDS["durable queue"]!]) {
    const driver = connected();
    const first = driver.sub(wish);
    driver.publish();
    driver.close(first);
    const refused = driver.sub({ ...wish, start: false });
    driver.machine.revoke(refused, driver.now);
    driver.settle();
    assert.ok(refused.offline);
    assert.deepEqual([...refused.pending.keys()], [1]);
    driver.received();
    driver.sub(wish);
    assert.deepEqual(driver.received(), ["1#1"]);
  }
});

Deno.test("scenario 49: a subscribe that is applied after its client went is refused, and leaves nothing", () => {
  const driver = connected();
  driver.create();
  const operation = driver.admit({});
  assert.ok(typeof operation !== "string");
  driver.disconnect();
  assert.deepEqual(driver.commit(operation), { kind: "refused", text: "stan: unknown clientID" });
  assert.equal(driver.channel().subscriptions.size, 0);
  assert.equal(driver.subscribe(), "stan: unknown clientID");
});

Deno.test("scenario 50: the message inbox cancels a subscription that the client never heard of", () => {
  const driver = connected();
  const subscription = driver.sub({ inbox: "data", start: false });
  assert.equal(driver.unsubscribe(subscription, false, "data").kind, "done");
  assert.equal(driver.channel().subscriptions.size, 0);
});

Deno.test("by message inbox a client's own subscription is found before another client's", () => {
  const driver = connected();
  driver.connect("you");
  driver.sub({ inbox: "same" });
  const yours = driver.sub({ client: "you", inbox: "same" });
  assert.equal(driver.unsubscribe(yours, true, "same").kind, "done");
  assert.deepEqual([...driver.channel().subscriptions.values()].map((each) => each.clientId), ["me"]);
});

Deno.test("scenario 52: a closed durable goes on where it stopped; an unsubscribed one begins anew", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", position: StartPosition.first });
  driver.publish(2);
  driver.ack(durable, 1, 2);
  driver.close(durable);
  driver.publish(2);
  assert.deepEqual(driver.received(), [1, 2]);
  driver.sub({ durable: "dur" });
  assert.deepEqual(driver.received(), [3, 4]);
  driver.ack(durable, 3, 4);
  driver.unsubscribe(durable);
  assert.equal(driver.channel().durables.size, 0);
  driver.sub({ durable: "dur", position: StartPosition.first });
  assert.deepEqual(driver.received(), [1, 2, 3, 4]);
});

Deno.test("an offline durable cannot be unsubscribed: it must be resumed first", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur" });
  driver.close(durable);
  assert.deepEqual(driver.unsubscribe(durable), { kind: "refused", text: "stan: invalid subscription" });
});

Deno.test("scenario 53: an ack before unsubscribe, close or connection close counts", () => {
  for (const how of ["close", "disconnect"] as const) {
    const driver = connected();
    const durable = driver.sub({ durable: "dur" });
    driver.publish(10);
    driver.received();
    driver.ack(durable, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    if (how === "close") driver.close(durable);
    else {
      driver.disconnect();
      driver.connect();
    }
    driver.sub({ durable: "dur" });
    assert.deepEqual(driver.received(), []);
  }
});

Deno.test("scenario 54: the message that was not acked when the connection closed comes first, flagged", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur" });
  driver.publish(10);
  driver.ack(durable, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  driver.disconnect();
  driver.publish(2);
  driver.connect();
  driver.received();
  driver.sub({ durable: "dur" });
  assert.deepEqual(driver.received(), ["10#1", 11, 12]);
});

Deno.test("scenario 56: a durable closed by a client that stays is offline after a restart, and resumes", () => {
  const driver = connected();
  driver.close(driver.sub({ durable: "dur" }));
  driver.restart();
  assert.equal(driver.machine.state.clients.get("me")!.subscriptions.size, 0);
  const resumed = driver.sub({ durable: "dur" });
  assert.equal(driver.channels.get("foo")!.subscriptions.get(resumed.id)!.state.isClosed, false);
});

Deno.test("scenario 57: nothing is sent to a subscription that is closed, and no timer is left", () => {
  const driver = connected();
  const subscription = driver.sub();
  driver.publish();
  assert.ok(driver.wakeUps.some((key) => key.startsWith("ack/")));
  driver.close(subscription);
  driver.received();
  driver.publish();
  assert.deepEqual(driver.received(), []);
  assert.deepEqual(driver.wakeUps, ["heartbeat/me"]);
  assert.ok(!driver.listening.has(subscription.ackInbox));
});

Deno.test("resuming takes the new inbox, limits and wait, and the old ack inbox is dead", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", inFlight: 1, ackWait: 1_000 });
  const old = durable.ackInbox;
  driver.close(durable);
  driver.sub({ durable: "dur", inFlight: 7, ackWait: 50, inbox: "new" });
  assert.notEqual(durable.ackInbox, old);
  assert.deepEqual([...driver.channel().byAckInbox.keys()], [durable.ackInbox]);
  driver.publish();
  assert.deepEqual(driver.received("new"), [1]);
  driver.advance(50);
  assert.deepEqual(driver.received("new"), ["1#1"]);
  assert.equal(driver.channels.get("foo")!.subscriptions.get(durable.id)!.state.maxInFlight, 7);
});
