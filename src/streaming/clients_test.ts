import assert from "node:assert/strict";
import { StartPosition } from "../protocol/client_messages.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";

const FAST = { heartbeatInterval: 50, heartbeatTimeout: 10, heartbeatFailCount: 5 };

/** Lets the heartbeat of `client` come due and answers it, or not; answers how long that took. */
function beat(driver: MachineDriver, client: string, answered: boolean): number {
  const start = driver.now;
  driver.heartbeats.length = 0;
  while (!driver.heartbeats.includes(client)) {
    assert.ok(driver.now - start < 1_000_000, `no heartbeat for ${client}`);
    driver.advance(1);
  }
  driver.heartbeat(client, answered);
  return driver.now - start;
}

Deno.test("scenario 7: an ID that is taken stays with its client unless the operation replaces it", () => {
  const driver = new MachineDriver();
  assert.equal(driver.connect().kind, "done");
  assert.deepEqual(driver.connect(), { kind: "refused", text: "stan: clientID already registered" });
  assert.equal(driver.machine.state.clients.size, 1);
});

Deno.test("scenario 8: clients that are replaced get their new connection and a full heartbeat interval", () => {
  const driver = new MachineDriver(FAST);
  for (let i = 0; i < 10; i++) driver.connect(`c${i}`);
  driver.advance(40);
  for (let i = 0; i < 10; i++) assert.equal(driver.connect(`c${i}`, { replace: true, connId: `new${i}` }).kind, "done");
  assert.equal(driver.machine.state.clients.size, 10);
  assert.equal(driver.machine.state.clientsByConnId.size, 10);
  driver.advance(40);
  assert.deepEqual(driver.heartbeats, []);
  driver.advance(10);
  assert.equal(driver.heartbeats.length, 10);
});

Deno.test("scenario 14: after a restart a client is known with all that it said when it connected", () => {
  const driver = new MachineDriver();
  driver.connect("me", { connId: "abc", protocol: 1 });
  driver.restart();
  const client = driver.machine.state.clients.get("me")!;
  assert.equal(driver.machine.state.clientsByConnId.get("abc"), client);
  assert.deepEqual(
    [client.heartbeatInbox, client.protocol, client.pingInterval, client.pingMaxOut, client.missedHeartbeats],
    ["hb.me", 1, 5, 3, 0],
  );
});

Deno.test("scenario 15: a client that answers is kept", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  for (let i = 0; i < 50; i++) assert.equal(beat(driver, "me", true), 50);
  assert.deepEqual(driver.evictions, []);
});

Deno.test("scenario 16: a client that does not answer is evicted after one more failure than allowed", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  for (let i = 0; i < FAST.heartbeatFailCount; i++) beat(driver, "me", false);
  assert.deepEqual(driver.evictions, []);
  beat(driver, "me", false);
  assert.deepEqual(driver.evictions, ["me"]);
  assert.equal(driver.now, 50 * (FAST.heartbeatFailCount + 1));
  assert.ok(driver.logs.includes("[Client:me] Timed out on heartbeats"));
});

Deno.test("one answer in between starts the count of failures again", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < FAST.heartbeatFailCount; i++) beat(driver, "me", false);
    beat(driver, "me", true);
  }
  assert.deepEqual(driver.evictions, []);
});

Deno.test("a heartbeat that nobody asked for, or that is out, is not asked for again", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  driver.heartbeat("me", false);
  assert.equal(driver.machine.state.clients.get("me")!.missedHeartbeats, 0);
  driver.advance(1_000);
  assert.deepEqual(driver.heartbeats, ["me"]);
});

Deno.test("scenario 18: recovered clients have fresh timers and are evicted when they do not answer", () => {
  const driver = new MachineDriver(FAST);
  driver.connect("a");
  driver.connect("b");
  driver.restart();
  for (let i = 0; i <= FAST.heartbeatFailCount; i++) {
    driver.heartbeats.length = 0;
    driver.advance(50);
    assert.deepEqual(driver.heartbeats.sort(), ["a", "b"]);
    driver.heartbeat("a", false);
    driver.heartbeat("b", false);
  }
  assert.deepEqual(driver.evictions, ["a", "b"]);
});

Deno.test("scenario 19: a client with a failed heartbeat that pings is asked again at once and cleared", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  const subscription = driver.sub();
  beat(driver, "me", false);
  assert.ok(subscription.suspect);
  const client = driver.machine.state.clients.get("me")!;
  driver.machine.pinged(client, driver.now);
  driver.settle();
  assert.equal(beat(driver, "me", true), 1);
  assert.equal(client.missedHeartbeats, 0);
  assert.ok(!subscription.suspect);
});

Deno.test("a ping while a heartbeat is out is remembered if that one fails", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  beat(driver, "me", false);
  driver.advance(50);
  driver.machine.pinged(driver.machine.state.clients.get("me")!, driver.now);
  driver.settle();
  driver.heartbeats.length = 0;
  driver.advance(5);
  assert.deepEqual(driver.heartbeats, [], "one is out already");
  driver.heartbeat("me", false);
  driver.advance(1);
  assert.deepEqual(driver.heartbeats, ["me"]);
});

Deno.test("pings of a client without failures change nothing", () => {
  const driver = new MachineDriver(FAST);
  driver.connect();
  driver.machine.pinged(driver.machine.state.clients.get("me")!, driver.now);
  driver.settle();
  driver.advance(49);
  assert.deepEqual(driver.heartbeats, []);
});

Deno.test("scenario 20: a durable whose client misses heartbeats gets new messages but no redeliveries until resumed", () => {
  const driver = new MachineDriver({ ...FAST, heartbeatFailCount: 1000 });
  driver.connect();
  const durable = driver.sub({ durable: "dur", ackWait: 50 });
  driver.publish();
  assert.deepEqual(driver.received(), [1]);
  beat(driver, "me", false);
  driver.received();
  driver.advance(150);
  assert.deepEqual(driver.received(), []);
  driver.publish();
  assert.deepEqual(driver.received(), [2]);
  driver.connect("me", { replace: true });
  assert.ok(durable.offline);
  driver.sub({ durable: "dur", ackWait: 50 });
  assert.equal(driver.received().length, 2);
  driver.advance(50);
  assert.equal(driver.received().length, 2);
});

Deno.test("scenario 21: a group's member whose client misses heartbeats is passed over for new and old messages", () => {
  const driver = new MachineDriver({ ...FAST, heartbeatFailCount: 1000 });
  driver.connect("dead");
  driver.connect("live");
  const dead = driver.sub({ client: "dead", group: "g", ackWait: 100 });
  const live = driver.sub({ client: "live", group: "g", ackWait: 100 });
  driver.advance(50);
  driver.heartbeat("dead", false);
  driver.heartbeat("live", true);
  driver.publish(2);
  assert.deepEqual(driver.received(dead.inbox), []);
  assert.deepEqual(driver.received(live.inbox), [1, 2]);
});

Deno.test("a member alone in its group gets redeliveries although its client misses heartbeats", () => {
  const driver = new MachineDriver({ ...FAST, heartbeatFailCount: 1000 });
  driver.connect();
  driver.sub({ group: "g", ackWait: 100 });
  driver.publish();
  driver.advance(50);
  driver.heartbeat("me", false);
  driver.advance(50);
  assert.deepEqual(driver.received(), [1, "1#1"]);
});

Deno.test("only flips of the failure mark reach subscriptions: one made meanwhile is unmarked", () => {
  const driver = new MachineDriver({ ...FAST, heartbeatFailCount: 1000 });
  driver.connect();
  const before = driver.sub();
  beat(driver, "me", false);
  const after = driver.sub();
  beat(driver, "me", false);
  assert.deepEqual([before.suspect, after.suspect], [true, false]);
});

Deno.test("scenario 22: an evicted client's subscriptions go, its durables go offline, its group's messages move", () => {
  const driver = new MachineDriver();
  driver.connect("gone");
  driver.connect("here");
  driver.sub({ client: "gone" });
  const durable = driver.sub({ client: "gone", durable: "dur" });
  driver.sub({ client: "gone", group: "g", position: StartPosition.first });
  const heir = driver.sub({ client: "here", group: "g" });
  driver.publish(4);
  driver.received();
  assert.equal(driver.disconnect("gone").kind, "done");
  const { subscriptions, byAckInbox } = driver.channel();
  assert.deepEqual([...subscriptions.values()], [durable, heir]);
  assert.deepEqual([...byAckInbox.values()], [heir]);
  assert.ok(durable.offline);
  driver.advance(100);
  assert.deepEqual(driver.received(), ["1#1", "3#1"]);
  assert.equal(driver.machine.state.clients.size, 1);
  assert.equal(driver.machine.state.clientsByConnId.size, 1);
  assert.deepEqual(driver.disconnect("gone"), { kind: "refused", text: "stan: unknown clientID" });
  assert.ok(!driver.wakeUps.includes("heartbeat/gone"));
});

Deno.test("an eviction does not hit the client that took the evicted one's place", () => {
  const driver = new MachineDriver();
  driver.connect();
  const { heartbeatInbox } = driver.machine.state.clients.get("me")!;
  const evict = (inbox: string) => driver.commit({ kind: "disconnect", clientId: "me", heartbeatInbox: inbox }).kind;
  assert.equal(evict("another inbox"), "refused");
  assert.equal(driver.machine.state.clients.size, 1);
  assert.equal(evict(heartbeatInbox), "done");
});

Deno.test("scenario 77: subscriptions of a client that misses heartbeats can be closed at any moment", () => {
  for (let moment = 0; moment < 400; moment += 7) {
    const driver = new MachineDriver({ ...FAST, heartbeatFailCount: 1000 });
    driver.connect();
    const wishes = [{}, { durable: "dur" }, { group: "g" }, { group: "g" }, { group: "g", durable: "d" }];
    const subscriptions = wishes.map((wish) => driver.sub({ ...wish, ackWait: 20 }));
    driver.publish(10);
    for (const [i, each] of subscriptions.entries()) {
      for (const until = driver.now + moment / (i + 1); driver.now < until; driver.advance(1)) {
        for (const client of driver.heartbeats.splice(0)) driver.heartbeat(client, driver.now % 3 === 0);
      }
      driver.unsubscribe(each);
    }
    assert.equal(driver.channel().subscriptions.size, 0);
    assert.deepEqual(driver.wakeUps.filter((key) => key.startsWith("ack/")), []);
  }
});

Deno.test("scenario 55: a plain subscription leaves no record when its connection closes", () => {
  const driver = new MachineDriver();
  driver.connect();
  driver.sub();
  driver.disconnect();
  assert.equal(driver.channels.get("foo")!.subscriptions.size, 0);
  assert.equal(driver.clients.size, 0);
});
