import assert from "node:assert/strict";
import { StartPosition } from "../protocol/client_messages.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";
import { DEFAULT_LIMITS, type ResolvedLimits } from "../protocol/limits.ts";

/** Channels idle for 100 ms are deleted; `more` lists patterns with other waits, in ms (0: never). */
function idleAfter(more: Record<string, number> = { ">": 100 }): ResolvedLimits {
  const all = DEFAULT_LIMITS.channels[0]!;
  return {
    maxChannels: 100,
    channels: Object.entries({ ">": 0, ...more }).map(([pattern, millis]) => ({
      ...all,
      pattern,
      maxInactivity: BigInt(millis) * 1_000_000n,
    })),
  };
}

function withIdleness(limits = idleAfter()): MachineDriver {
  const driver = new MachineDriver();
  driver.commit({ kind: "set limits", ...limits });
  driver.connect();
  return driver;
}

/** Commits the deletions that the machine asked for; answers the names of channels that went. */
function deleteAsked(driver: MachineDriver): string[] {
  const gone: string[] = [];
  for (const each of driver.deletions.splice(0)) {
    if (driver.commit({ kind: "delete channel", ...each }).kind === "channel deleted") gone.push(each.channel);
  }
  return gone;
}

Deno.test("scenario 32: creating a channel twice creates it once", () => {
  const driver = new MachineDriver();
  const first = driver.create();
  assert.deepEqual(driver.create(), first);
  assert.deepEqual(driver.logs, ['Channel "foo" has been created']);
});

Deno.test("mayCreate() answers for a whole batch what applying it will", () => {
  const driver = new MachineDriver();
  driver.commit({ kind: "set limits", ...DEFAULT_LIMITS, maxChannels: 2 });
  const names = ["Foo", "foo", "Foo", "bar", "baz", "bar"];
  const { machine } = driver;
  const foreseen = names.map((name) => machine.mayCreate(name).kind);
  assert.deepEqual(foreseen, ["allowed", "refused", "allowed", "allowed", "refused", "allowed"]);
  const outcomes = names.map((channel, i) => machine.apply({ kind: "create channel", channel }, i + 1, 0).kind);
  assert.deepEqual(outcomes.map((each) => each === "channel created" ? "allowed" : each), foreseen);
  assert.deepEqual([...machine.state.channels.keys()], ["Foo", "bar"]);
});

Deno.test("sequences count on from what is stored, and restart in a new incarnation", () => {
  const driver = withIdleness();
  driver.publish(3);
  const old = driver.channel().incarnation;
  assert.deepEqual(driver.publish(2), { kind: "published", first: 4, count: 2 });
  driver.advance(300);
  assert.deepEqual(deleteAsked(driver), ["foo"]);
  assert.equal((driver.publish() as { first: number }).first, 1);
  assert.notEqual(driver.channel().incarnation, old);
});

Deno.test("a channel's time does not go back", () => {
  const driver = new MachineDriver();
  driver.publish();
  const { lastTimestamp } = driver.channel();
  const messages = { count: 1, bytes: new Uint8Array(0), bounds: new Int32Array(0) };
  driver.commit({ kind: "publish", channel: "foo", time: lastTimestamp - 5n, messages });
  assert.equal(driver.channel().lastTimestamp, lastTimestamp);
});

Deno.test("a publish to a channel that went meanwhile is refused", () => {
  const driver = new MachineDriver();
  const messages = { count: 1, bytes: new Uint8Array(0), bounds: new Int32Array(0) };
  const outcome = driver.commit({ kind: "publish", channel: "foo", time: 1n, messages });
  assert.deepEqual(outcome, { kind: "refused", text: "stan: channel is being deleted" });
});

Deno.test("scenario 93: any online subscription, and publishing, keep a channel; otherwise it is deleted", () => {
  for (const wish of [{}, { durable: "dur" }, { group: "g" }, { group: "g", durable: "d" }]) {
    const driver = withIdleness();
    const subscription = driver.sub(wish);
    driver.advance(1_000);
    assert.deepEqual(driver.deletions, []);
    driver.close(subscription);
    driver.advance(50);
    for (let i = 0; i < 10; i++) {
      driver.publish();
      driver.advance(50);
    }
    assert.deepEqual(driver.deletions, [], "publishing every 50 ms");
    driver.advance(49);
    assert.deepEqual(driver.deletions, []);
    driver.advance(1);
    assert.deepEqual(deleteAsked(driver), ["foo"]);
    assert.ok(driver.logs.includes('Channel "foo" has been deleted'));
    assert.equal(driver.machine.state.channelsByFold.size, 0);
  }
});

Deno.test("scenario 94: an offline durable and an empty durable group do not keep a channel", () => {
  for (const wish of [{ durable: "dur" }, { durable: "dur", group: "g" }]) {
    const driver = withIdleness();
    driver.close(driver.sub(wish));
    driver.restart(0, idleAfter());
    driver.advance(100);
    assert.deepEqual(deleteAsked(driver), ["foo"]);
    driver.connect("you");
    driver.publish();
    driver.sub({ client: "you", position: StartPosition.first });
    assert.deepEqual(driver.received(), [1]);
  }
});

Deno.test("scenario 95: idleness by pattern, across a restart", () => {
  const limits = idleAfter({ "foo.*": 500, "foo.bar": 0 });
  for (const restarted of [false, true]) {
    const driver = withIdleness(limits);
    driver.create("foo.bar");
    driver.create("foo.baz");
    if (restarted) driver.restart(0, limits);
    driver.advance(499);
    assert.deepEqual(driver.deletions, []);
    driver.advance(1);
    assert.deepEqual(deleteAsked(driver), ["foo.baz"]);
    driver.advance(10_000);
    assert.deepEqual(driver.deletions, []);
  }
});

Deno.test("scenario 96: a subscribe that arrives while the deletion is queued keeps the channel", () => {
  const driver = withIdleness();
  driver.create();
  driver.advance(100);
  assert.equal(driver.deletions.length, 1);
  const subscription = driver.sub();
  assert.deepEqual(deleteAsked(driver), []);
  driver.advance(1_000);
  assert.deepEqual(driver.deletions, [], "no timer while somebody is subscribed");
  driver.publish();
  assert.deepEqual(driver.received(), [1]);
  driver.unsubscribe(subscription);
  driver.advance(100);
  assert.deepEqual(deleteAsked(driver), ["foo"]);
});

Deno.test("scenario 97: when the subscription goes with its client the channel goes too", () => {
  const driver = withIdleness();
  driver.sub();
  driver.disconnect();
  driver.advance(100);
  assert.deepEqual(deleteAsked(driver), ["foo"]);
});

Deno.test("scenario 98: a deletion that fails is tried again after another wait", () => {
  const driver = withIdleness();
  driver.create();
  driver.advance(100);
  assert.ok(driver.channel().deleting);
  driver.deletions.length = 0;
  driver.machine.deletionFailed("foo", driver.now);
  driver.settle();
  assert.ok(!driver.channel().deleting);
  driver.advance(100);
  assert.deepEqual(deleteAsked(driver), ["foo"]);
});

Deno.test("a deletion that was meant for an earlier incarnation does nothing", () => {
  const driver = withIdleness();
  driver.create();
  const { incarnation, last } = driver.channel();
  driver.commit({ kind: "delete channel", channel: "foo", incarnation, last });
  driver.create();
  assert.equal(driver.commit({ kind: "delete channel", channel: "foo", incarnation, last }).kind, "refused");
  assert.ok(driver.machine.state.channels.has("foo"));
});

Deno.test("a message published after the deletion was asked for saves the channel", () => {
  const driver = withIdleness();
  driver.create();
  driver.advance(100);
  driver.publish();
  assert.deepEqual(deleteAsked(driver), []);
  assert.ok(!driver.channel().deleting);
  driver.advance(100);
  assert.deepEqual(deleteAsked(driver), ["foo"]);
});

Deno.test("new limits take effect on channels that exist", () => {
  const driver = new MachineDriver();
  driver.create();
  driver.commit({ kind: "set limits", ...idleAfter() });
  driver.advance(100);
  assert.equal(driver.deletions.length, 1);
  driver.machine.deletionFailed("foo", driver.now);
  driver.commit({ kind: "set limits", ...DEFAULT_LIMITS });
  driver.deletions.length = 0;
  driver.advance(1_000);
  assert.deepEqual(driver.deletions, []);
});

Deno.test("expiry is counted, never beyond the newest message, and lets deliveries jump", () => {
  const driver = new MachineDriver();
  driver.connect();
  driver.publish(5);
  const { incarnation } = driver.channel();
  assert.equal(driver.commit({ kind: "expire", channel: "foo", incarnation, first: 100 }).kind, "done");
  assert.equal(driver.channel().expiredBefore, 6);
  assert.equal(driver.commit({ kind: "expire", channel: "foo", incarnation, first: 3 }).kind, "done");
  assert.equal(driver.channel().expiredBefore, 6);
  assert.equal(driver.commit({ kind: "expire", channel: "foo", incarnation: 999, first: 3 }).kind, "refused");
  driver.sub({ position: StartPosition.first });
  driver.publish();
  assert.deepEqual(driver.received(), [6]);
});
