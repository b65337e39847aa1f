import assert from "node:assert/strict";
import { StartPosition } from "../protocol/client_messages.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";

function connected(): MachineDriver {
  const driver = new MachineDriver();
  driver.connect();
  return driver;
}

/** When each delivery of `sequence` came. */
function times(driver: MachineDriver, sequence: number): number[] {
  return driver.deliveries.filter((each) => each.sequence === sequence).map((each) => each.at);
}

Deno.test("scenario 60: messages are redelivered each at its own time; the timer goes with the last ack", () => {
  const driver = connected();
  const subscription = driver.sub({ ackWait: 200 });
  driver.publish();
  driver.advance(100);
  driver.publish();
  driver.advance(100);
  assert.deepEqual(driver.received(), [1, 2, "1#1"]);
  driver.ack(subscription, 1);
  driver.advance(100);
  assert.deepEqual(driver.received(), ["2#1"]);
  driver.ack(subscription, 2);
  driver.advance(1_000);
  assert.deepEqual(driver.received(), []);
  assert.ok(!driver.wakeUps.includes("ack/foo/1"));
});

Deno.test("scenario 61: a message that is never acked comes again every ack wait", () => {
  const driver = connected();
  driver.sub({ ackWait: 15 });
  driver.publish(2);
  driver.advance(300);
  for (const sequence of [1, 2]) {
    const at = times(driver, sequence);
    assert.ok(at.length >= 20 && at.length <= 22, `${at.length} deliveries`);
  }
});

Deno.test("a message keeps its cadence, at most 15 ms early", () => {
  const driver = connected();
  driver.sub({ ackWait: 100 });
  driver.publish();
  driver.advance(10);
  driver.publish();
  driver.advance(1_000);
  for (const [sequence, start] of [[1, 0], [2, 10]] as const) {
    times(driver, sequence).forEach((at, i) => {
      const due = start + 100 * i;
      assert.ok(at <= due && at >= due - 15, `delivery ${i} of ${sequence} at ${at}, due ${due}`);
    });
  }
  assert.equal(times(driver, 1).length, 11);
});

Deno.test("scenario 62: a message acked after it was chosen is not pending any more when it is sent", () => {
  const driver = connected();
  const subscription = driver.sub({ ackWait: 100 });
  driver.publish();
  driver.now = 100;
  driver.machine.wake("ack/foo/1", driver.now);
  const [deliver] = driver.machine.takeEffects().filter((each) => each.kind === "deliver");
  assert.ok(deliver !== undefined);
  driver.machine.acknowledge(subscription, 1, driver.now);
  assert.ok(!subscription.pending.has(1));
});

Deno.test("scenario 63: pending messages that are gone are dropped silently", () => {
  const driver = connected();
  const subscription = driver.sub({ ackWait: 100, inFlight: 10 });
  driver.publish(3);
  driver.publish();
  driver.evict(2);
  driver.received();
  driver.advance(100);
  assert.deepEqual(driver.received(), ["2#1", "3#1", "4#1"]);
  assert.deepEqual([...subscription.pending.keys()].sort(), [2, 3, 4]);
});

Deno.test("a message that is gone makes room", () => {
  const driver = connected();
  driver.sub({ ackWait: 100, inFlight: 1 });
  driver.publish(2);
  assert.deepEqual(driver.received(), [1]);
  driver.drop(1);
  driver.advance(100);
  assert.deepEqual(driver.received(), [2]);
});

Deno.test("scenario 64: a durable's unacked message comes again at once when it resumes", () => {
  const driver = connected();
  driver.sub({ durable: "dur" });
  driver.publish();
  driver.received();
  driver.disconnect();
  driver.advance(5);
  driver.connect();
  driver.sub({ durable: "dur" });
  assert.deepEqual(driver.received(), ["1#1"]);
});

Deno.test("scenario 65: all unacked messages come before any new one", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", inFlight: 100 });
  driver.publish(50);
  driver.close(durable);
  driver.received();
  driver.publish(3);
  const resumed = driver.sub({ durable: "dur", inFlight: 100, start: false });
  driver.publish(2);
  driver.machine.started(resumed, driver.now);
  driver.settle();
  const all = Array.from({ length: 50 }, (_, i) => `${i + 1}#1`);
  assert.deepEqual(driver.received(), [...all, 51, 52, 53, 54, 55]);
});

Deno.test("resuming ignores the room in flight, and a smaller one holds new messages until enough is acked", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", inFlight: 4 });
  driver.publish(6);
  driver.close(durable);
  driver.received();
  driver.sub({ durable: "dur", inFlight: 2 });
  assert.deepEqual(driver.received(), ["1#1", "2#1", "3#1", "4#1"]);
  driver.ack(durable, 1, 2);
  assert.deepEqual(driver.received(), []);
  driver.ack(durable, 3);
  assert.deepEqual(driver.received(), [5]);
});

Deno.test("scenario 66: a durable that resumes stalled has its timer", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", inFlight: 1, ackWait: 100 });
  driver.publish(2);
  driver.close(durable);
  assert.ok(!driver.wakeUps.includes("ack/foo/1"));
  driver.sub({ durable: "dur", inFlight: 1, ackWait: 100, start: false });
  assert.ok(driver.wakeUps.includes("ack/foo/1"));
  assert.ok(durable.stalled);
});

Deno.test("scenario 67: counts rise by one, go on over a resume, begin again after a restart, and are each subscription's", () => {
  const driver = connected();
  const durable = driver.sub({ durable: "dur", ackWait: 100 });
  driver.publish();
  driver.advance(300);
  assert.deepEqual(driver.received(), [1, "1#1", "1#2", "1#3"]);
  driver.close(durable);
  driver.sub({ durable: "dur", ackWait: 100 });
  assert.deepEqual(driver.received(), ["1#4"]);
  driver.sub({ inbox: "other", position: StartPosition.first });
  assert.deepEqual(driver.received("other"), [1]);
  driver.restart(1_000);
  assert.equal(driver.received()[0], "1#1");
});

Deno.test("a count skips 0 when it wraps", () => {
  const driver = connected();
  const subscription = driver.sub({ ackWait: 100 });
  driver.publish();
  subscription.redeliveries.set(1, 0xffff_ffff);
  driver.received();
  driver.advance(100);
  assert.deepEqual(driver.received(), ["1#1"]);
});

Deno.test("scenario 68: a group counts whichever member receives it, and forgets with the ack", () => {
  const driver = connected();
  const members = [driver.sub({ group: "g", ackWait: 100 }), driver.sub({ group: "g", ackWait: 100 })];
  driver.publish();
  driver.advance(350);
  assert.deepEqual(driver.deliveries.map((each) => each.count), [0, 1, 2, 3]);
  const { redeliveries } = members[0]!.group!;
  assert.equal(redeliveries.size, 1);
  driver.ack(members[0]!, 1);
  assert.equal(redeliveries.size, 0);
  assert.equal(members[0]!.pending.size + members[1]!.pending.size, 0);
});

Deno.test("scenario 69: after a restart new messages flow, and pending ones come at their time plus ack wait", () => {
  const driver = connected();
  const subscription = driver.sub({ ackWait: 1_000 });
  driver.publish();
  driver.advance(300);
  driver.received();
  driver.restart();
  driver.publish();
  assert.deepEqual(driver.received(), [2]);
  driver.advance(699);
  assert.deepEqual(driver.received(), []);
  driver.advance(1);
  assert.deepEqual(driver.received(), ["1#1"]);
  assert.equal(driver.channel().subscriptions.get(1)!.ackInbox, subscription.ackInbox);
});

Deno.test("what fell due while the server was down comes at once", () => {
  const driver = connected();
  driver.sub({ ackWait: 1_000 });
  driver.publish(3);
  driver.received();
  driver.restart(5_000);
  assert.deepEqual(driver.received(), ["1#1", "2#1", "3#1"]);
  driver.advance(999);
  assert.deepEqual(driver.received(), []);
  driver.advance(1);
  assert.deepEqual(driver.received(), ["1#2", "2#2", "3#2"]);
});

Deno.test("scenario 70: a subscription that was stalled is so after a restart: only redelivery until it acks", () => {
  const driver = connected();
  driver.sub({ ackWait: 1_000, inFlight: 1 });
  driver.publish(2);
  driver.received();
  driver.restart();
  driver.publish();
  driver.advance(1_000);
  assert.deepEqual(driver.received(), ["1#1"]);
  driver.ack(driver.channel().subscriptions.get(1)!, 1);
  assert.deepEqual(driver.received(), [2]);
});

Deno.test("scenario 71: what was not delivered before a restart is delivered after it without anybody acting", () => {
  const driver = connected();
  driver.sub({ inFlight: 100, ackWait: 1_000, start: false });
  driver.publish(10);
  assert.deepEqual(driver.received(), []);
  driver.restart();
  assert.deepEqual(driver.received(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("scenario 72: nothing goes to the old inboxes of durables and groups that are offline", () => {
  const driver = connected();
  driver.close(driver.sub({ durable: "dur", inbox: "one" }));
  driver.close(driver.sub({ durable: "d", group: "g", inbox: "two" }));
  driver.restart();
  driver.publish();
  driver.advance(1_000_000);
  assert.deepEqual(driver.received(), []);
});

Deno.test("a machine that does not wake for long redelivers once, and then in the usual rhythm", () => {
  const driver = connected();
  driver.sub({ ackWait: 100 });
  driver.publish();
  driver.received();
  driver.now = 1_000;
  driver.advance(0);
  assert.deepEqual(driver.received(), ["1#1"]);
  driver.advance(99);
  assert.deepEqual(driver.received(), []);
  driver.advance(1);
  assert.deepEqual(driver.received(), ["1#2"]);
});

Deno.test("a message redelivered late keeps its time although newer ones were sent before it", () => {
  const driver = connected();
  driver.sub({ ackWait: 1_000, inFlight: 10 });
  driver.publish();
  driver.now = 1_050;
  driver.publish();
  driver.advance(2_000);
  const isAbout = (at: number, due: number) => at <= due && at >= due - 15;
  const check = (sequence: number, due: number[]) => {
    const at = times(driver, sequence);
    assert.ok(at.length === due.length && due.every((each, i) => isAbout(at[i]!, each)), `${sequence} at ${at}`);
  };
  check(1, [0, 1_050, 2_000, 3_000]);
  check(2, [1_050, 2_050, 3_050]);
});

Deno.test("thousands of overdue messages come in bounded effects, none left out", () => {
  const driver = connected();
  driver.sub({ ackWait: 100, inFlight: 5_000 });
  driver.publish(5_000);
  driver.received();
  driver.advance(100);
  assert.equal(driver.deliveries.length, 5_000);
  assert.equal(new Set(driver.deliveries.map((each) => each.sequence)).size, 5_000);
});
