import assert from "node:assert/strict";
import { StartPosition, SubscriptionRequest } from "../protocol/client_messages.ts";
import { MachineDriver } from "../../tests/support/machine_driver.ts";

const SECOND = 1_000_000_000n;

/** A driver with a client and `count` messages on foo. */
function withMessages(count: number): MachineDriver {
  const driver = new MachineDriver();
  driver.connect();
  if (count > 0) driver.publish(count);
  return driver;
}

Deno.test("scenario 35: new only receives nothing of the history", () => {
  const driver = withMessages(3);
  driver.sub({ position: StartPosition.newOnly });
  assert.deepEqual(driver.received(), []);
  driver.publish();
  assert.deepEqual(driver.received(), [4]);
});

Deno.test("scenario 36: last received gets the last message; on an empty channel the first published", () => {
  const driver = withMessages(2);
  driver.sub({ position: StartPosition.lastReceived });
  assert.deepEqual(driver.received(), [2]);
  driver.create("bar");
  driver.sub({ channel: "bar", position: StartPosition.lastReceived });
  driver.publish(2, "bar");
  assert.deepEqual(driver.received(), [1, 2]);
});

Deno.test("last received gets the next published message when the last one is gone", () => {
  const driver = withMessages(2);
  driver.evict(3);
  driver.sub({ position: StartPosition.lastReceived });
  assert.deepEqual(driver.received(), []);
  driver.publish();
  assert.deepEqual(driver.received(), [3]);
});

Deno.test("scenario 37: first gets everything, in order", () => {
  const driver = withMessages(2);
  driver.sub({ position: StartPosition.first });
  assert.deepEqual(driver.received(), [1, 2]);
});

Deno.test("scenario 38: by sequence, clamped to what is stored", () => {
  const driver = withMessages(20);
  driver.evict(11);
  const at = (sequence: number) => driver.sub({ position: StartPosition.sequence, sequence });
  at(1);
  assert.equal(driver.received()[0], 11);
  at(0);
  assert.equal(driver.received()[0], 11);
  at(14);
  assert.equal(driver.received()[0], 14);
  const next = at(21);
  assert.deepEqual(driver.received(next.inbox), []);
  const beyond = at(1000);
  driver.received();
  driver.publish();
  assert.deepEqual(driver.received(next.inbox), [21]);
  assert.deepEqual(driver.received(beyond.inbox), [21]);
});

Deno.test("scenario 39: by time, from the first message not older", () => {
  const driver = withMessages(0);
  driver.publish();
  driver.advance(1_500);
  driver.publish();
  driver.advance(500);
  const since = (delta: bigint) => {
    const { inbox } = driver.sub({ position: StartPosition.timeDelta, delta });
    return () => driver.received(inbox);
  };
  assert.deepEqual(since(10n * SECOND)(), [1, 2]);
  assert.deepEqual(since(SECOND)(), [2]);
  const late = [since(SECOND / 10n), since(0n), since(-SECOND)];
  for (const each of late) assert.deepEqual(each(), []);
  driver.publish();
  for (const each of late) assert.deepEqual(each(), [3]);
});

Deno.test("by time on an empty channel gets the first published", () => {
  const driver = withMessages(0);
  driver.create();
  driver.sub({ position: StartPosition.timeDelta, delta: SECOND });
  driver.publish();
  assert.deepEqual(driver.received(), [1]);
});

Deno.test("scenario 40: a durable that resumes ignores the position, however far off", () => {
  const driver = withMessages(5);
  const positions = [
    { position: StartPosition.sequence, sequence: 2 },
    { position: StartPosition.sequence, sequence: 1000 },
    { position: StartPosition.timeDelta, delta: -10n * SECOND },
  ];
  let durable = driver.sub({ durable: "dur", position: StartPosition.first, inFlight: 1 });
  assert.deepEqual(driver.received(), [1]);
  for (const [i, position] of positions.entries()) {
    driver.ack(durable, i + 1);
    assert.deepEqual(driver.received(), [i + 2]);
    driver.close(durable);
    durable = driver.sub({ durable: "dur", inFlight: 1, ...position });
    assert.deepEqual(driver.received(), [`${i + 2}#1`]);
  }
});

Deno.test("scenario 41: joining a group ignores the position, of a member and of an empty durable group alike", () => {
  const driver = withMessages(3);
  const first = driver.sub({ group: "g", durable: "d", position: StartPosition.first });
  driver.ack(first, 1, 2, 3);
  driver.received();
  const second = driver.sub({ group: "g", durable: "d", position: StartPosition.first });
  assert.deepEqual(driver.received(), []);
  driver.close(first);
  driver.close(second);
  driver.sub({ group: "g", durable: "d", position: StartPosition.sequence, sequence: 1 });
  assert.deepEqual(driver.received(), []);
  driver.publish();
  assert.deepEqual(driver.received(), [4]);
});

Deno.test("scenario 42: by sequence on an empty channel starts at 1", () => {
  const driver = withMessages(0);
  driver.create();
  driver.sub({ position: StartPosition.sequence, sequence: 5 });
  driver.publish(2);
  assert.deepEqual(driver.received(), [1, 2]);
});

Deno.test("scenario 43: when everything has expired any position waits for the next message", () => {
  const driver = withMessages(4);
  driver.evict(5);
  const inboxes = [
    { position: StartPosition.newOnly },
    { position: StartPosition.lastReceived },
    { position: StartPosition.first },
    { position: StartPosition.sequence, sequence: 2 },
    { position: StartPosition.timeDelta, delta: 100n * SECOND },
  ].map((position) => driver.sub(position).inbox);
  assert.deepEqual(driver.received(), []);
  driver.publish();
  for (const inbox of inboxes) assert.deepEqual(driver.received(inbox), [5]);
});

Deno.test("a sequence beyond what fits is beyond the newest message", () => {
  const bytes = new Uint8Array([0x58, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
  assert.equal(SubscriptionRequest.decode(bytes).startSequence, Number.MAX_SAFE_INTEGER);
  const driver = withMessages(3);
  driver.sub({ position: StartPosition.sequence, sequence: Number.MAX_SAFE_INTEGER });
  driver.publish();
  assert.deepEqual(driver.received(), [4]);
});
