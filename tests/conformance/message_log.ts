/** What every implementation of the MessageLog port must do; numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { MsgProto } from "../../src/protocol/client_messages.ts";
import { NO_LIMITS, type Scenario } from "./store_scenario.ts";
import {
  fieldsOf,
  limitsWith,
  lookup,
  messagesOf,
  put,
  putMany,
  SECOND,
  sequencesOf,
  START,
  start,
  textOf,
} from "../support/store_messages.ts";

export function messageLogConformance(scenario: Scenario): void {
  appending(scenario);
  reading(scenario);
  times(scenario);
  evicting(scenario);
  gaps(scenario);
  emptying(scenario);
  cutting(scenario);
  skipping(scenario);
}

function appending(scenario: Scenario): void {
  scenario("[1] an empty channel has no sequences", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    const { first, last, count, bytes, lastTimestamp } = messages;
    assert.deepEqual({ first, last, count, bytes, lastTimestamp }, {
      first: 0,
      last: 0,
      count: 0,
      bytes: 0,
      lastTimestamp: 0n,
    });
    assert.equal(await messages.sequenceAt(START), 0);
    assert.equal(await messages.read(1, 10, 1000, () => assert.fail("a message")), 11);
  });

  scenario("[2] a message is kept byte for byte, and counted", async (place, store) => {
    const { messages } = await store.createChannel("foo");
    const fields = fieldsOf("foo", "hello", "answers");
    const around = new Uint8Array(fields.length + 10).fill(0xee);
    around.set(fields, 5);
    messages.append(1, START, around, 5, 5 + fields.length);
    put(messages, "foo", 2, "");
    await messages.flush();
    const whole = MsgProto.encode({
      sequence: 1,
      subject: "foo",
      reply: "answers",
      data: new TextEncoder().encode("hello"),
      timestamp: START,
    });
    const empty = MsgProto.encode({ sequence: 2, subject: "foo", timestamp: START + 2n * SECOND });
    const seen: Uint8Array[] = [];
    await messages.read(1, 2, 1e6, (_sequence, buffer, from, to) => {
      seen.push(buffer.slice(from, to));
      return true;
    });
    assert.deepEqual(seen, [whole, empty]);
    const sealed = place.overhead % 40 === 0 ? 0 : 29;
    assert.equal(messages.bytes, whole.length + empty.length + 2 * (place.overhead - sealed) + sealed);
    assert.deepEqual([messages.first, messages.last, messages.count], [1, 2, 2]);
    assert.equal(messages.lastTimestamp, START + 2n * SECOND);
  });

  scenario("[3] a sequence that was there before is ignored", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 10);
    put(messages, "foo", 7, "another");
    put(messages, "foo", 10, "another");
    assert.deepEqual([messages.last, messages.count], [10, 10]);
    assert.equal(textOf(await lookup(messages, 7)), "message 7");
    await messages.flush();
    await messages.flush();
  });

  scenario("the first message may have any sequence", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 2 ** 40, 2 ** 40 + 2);
    assert.deepEqual([messages.first, messages.last, messages.count], [2 ** 40, 2 ** 40 + 2, 3]);
    assert.equal(textOf(await lookup(messages, 2 ** 40 + 1)), `message ${2 ** 40 + 1}`);
  });

  scenario("messages of every size are kept", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    const sizes = [0, 1, 23, 24, 127, 128, 16_383, 16_384, 300_000, 1_048_576, 5];
    sizes.forEach((size, i) => put(messages, "foo", i + 1, new Uint8Array(size).fill(i + 65)));
    await messages.flush();
    const found = await messagesOf(messages);
    assert.deepEqual(found.map((message) => message.data.length), sizes);
    assert.ok(found.every((message, i) => message.data.every((byte) => byte === i + 65)));
  });
}

function reading(scenario: Scenario): void {
  scenario("a read hands out a range, flushed or not", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 600);
    await messages.flush();
    putMany(messages, "foo", 601, 1000);
    assert.deepEqual(await sequencesOf(messages), Array.from({ length: 1000 }, (_, i) => i + 1));
    assert.equal(textOf(await lookup(messages, 600)), "message 600");
    assert.equal(textOf(await lookup(messages, 601)), "message 601");
  });

  scenario("a read ends where it is told to", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 20);
    const seen: number[] = [];
    const visit = (sequence: number) => seen.push(sequence) > 0;
    assert.equal(await messages.read(3, 5, 1e6, visit), 6);
    assert.deepEqual(seen.splice(0), [3, 4, 5]);
    assert.equal(await messages.read(3, 20, 0, visit), 4, "one is always visited");
    assert.deepEqual(seen.splice(0), [3]);
    const { length } = MsgProto.encode((await lookup(messages, 1))!);
    const next = await messages.read(1, 20, 3 * length + 1, visit);
    assert.deepEqual(seen.splice(0), Array.from({ length: next - 1 }, (_, i) => i + 1));
    assert.ok(next >= 2 && next <= 4);
    assert.equal(await messages.read(7, 20, 1e6, (sequence) => visit(sequence) && sequence < 9), 10);
    assert.deepEqual(seen.splice(0), [7, 8, 9]);
    assert.equal(await messages.read(15, 100, 1e6, visit), 101);
    assert.equal(await messages.read(30, 40, 1e6, visit), 41);
    assert.deepEqual(seen, [15, 16, 17, 18, 19, 20]);
  });
}

function times(scenario: Scenario): void {
  scenario("[13] a time leads to the first message that is not older", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    for (let i = 1; i <= 9; i++) put(messages, "foo", i, "x", START + BigInt(i) * 10n);
    for (const flushed of [false, true]) {
      if (flushed) await messages.flush();
      const asked = [0n, START, START + 10n, START + 11n, START + 45n, START + 50n, START + 90n, START + 91n];
      const found = await Promise.all(asked.map((time) => messages.sequenceAt(time)));
      assert.deepEqual(found, [1, 1, 1, 2, 5, 5, 9, 10]);
    }
  });

  scenario(
    "messages of one instant: the time of all is that of the first, the newest time that of the newest",
    async (_place, store) => {
      const { messages } = await store.createChannel("foo");
      for (let i = 1; i <= 3; i++) put(messages, "foo", i, "x", START);
      assert.equal(await messages.sequenceAt(START), 1);
      for (let i = 4; i <= 6; i++) put(messages, "foo", i, "x", START + 5n);
      assert.equal(await messages.sequenceAt(START + 1n), 4);
      assert.equal(await messages.sequenceAt(START + 5n), 6);
    },
  );

  scenario("times may go back", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    [10n, 20n, 15n, 12n, 30n, 25n].forEach((time, i) => put(messages, "foo", i + 1, "x", START + time));
    assert.equal(await messages.sequenceAt(START + 14n), 2);
    assert.equal(await messages.sequenceAt(START + 21n), 5);
    assert.equal(messages.lastTimestamp, START + 25n);
  });
}

function evicting(scenario: Scenario): void {
  scenario("[4] the limit on messages drops the oldest", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 8);
    assert.deepEqual([messages.first, messages.last, messages.count], [4, 8, 5]);
    assert.equal(await lookup(messages, 3), undefined);
    assert.deepEqual(await sequencesOf(messages), [4, 5, 6, 7, 8]);
    assert.equal(await messages.sequenceAt(START), 4);
  }, limitsWith({ maxMessages: 5 }));

  scenario("[5] the limit on bytes drops all older ones, and never the newest", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 8);
    put(messages, "foo", 9, new Uint8Array(5000));
    assert.deepEqual([messages.first, messages.last, messages.count], [9, 9, 1]);
    assert.ok(messages.bytes > 5000);
    put(messages, "foo", 10, "small");
    assert.deepEqual([messages.first, messages.count], [10, 1]);
    assert.equal(textOf(await lookup(messages, 10)), "small");
  }, limitsWith({ maxBytes: 1000 }));

  scenario("[6, 7] numbering goes on when everything has expired", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 10);
    await messages.flush();
    messages.evictBefore(4);
    assert.deepEqual([messages.first, messages.last, messages.count], [4, 10, 7]);
    assert.deepEqual(await sequencesOf(messages), [4, 5, 6, 7, 8, 9, 10]);
    messages.evictBefore(2);
    assert.equal(messages.first, 4);
    messages.evictBefore(99);
    assert.deepEqual([messages.first, messages.last, messages.count, messages.bytes], [11, 10, 0, 0]);
    assert.equal(await messages.sequenceAt(START), 11);
    assert.equal(await lookup(messages, 10), undefined);
    putMany(messages, "foo", 11, 12);
    assert.deepEqual([messages.first, messages.last, messages.count], [11, 12, 2]);
    assert.deepEqual(await sequencesOf(messages), [11, 12]);
    assert.equal(await messages.sequenceAt(START), 11);
  });

  scenario("eviction and appending take turns over many blocks", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    for (let sequence = 1; sequence <= 5000; sequence++) {
      put(messages, "foo", sequence, new Uint8Array(300));
      if (sequence % 700 === 0) await messages.flush();
      if (sequence % 1000 === 0) messages.evictBefore(sequence - 50);
    }
    assert.deepEqual([messages.first, messages.last, messages.count], [4950, 5000, 51]);
    const sizes = (await messagesOf(messages)).map((message) => MsgProto.size(message));
    assert.equal(sizes.length, 51);
  }, limitsWith({ maxMessages: 1500 }));
}

function gaps(scenario: Scenario): void {
  scenario("[10, 12] a gap in sequences", async (place, store) => {
    const { messages } = await store.createChannel("foo");
    put(messages, "foo", 1, "one");
    put(messages, "foo", 2, "two");
    put(messages, "foo", 5, "five");
    await messages.flush();
    assert.equal(messages.last, 5);
    if (place.fillsGaps) {
      assert.deepEqual(await sequencesOf(messages), [1, 2, 3, 4, 5]);
      const filler = (await lookup(messages, 3))!;
      assert.deepEqual([filler.subject, filler.data.length, filler.timestamp], ["foo", 0, START + 5n * SECOND]);
    } else assert.deepEqual(await sequencesOf(messages), [1, 2, 5]);
    assert.equal(messages.count, place.fillsGaps ? 5 : 3);
    messages.evictBefore(3);
    assert.equal(messages.first, place.fillsGaps ? 3 : 5);
    messages.evictBefore(6);
    assert.deepEqual([messages.first, messages.count, messages.bytes], [6, 0, 0]);
  });
}

function emptying(scenario: Scenario): void {
  scenario("[56] emptying ends the numbering too", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 10);
    await messages.flush();
    putMany(messages, "foo", 11, 12);
    await messages.empty();
    const { first, last, count, bytes } = messages;
    assert.deepEqual({ first, last, count, bytes }, { first: 0, last: 0, count: 0, bytes: 0 });
    putMany(messages, "foo", 20, 21);
    await messages.flush();
    assert.deepEqual([messages.first, messages.last], [20, 21]);
    assert.deepEqual(await sequencesOf(messages), [20, 21]);
  });

  scenario("emptying can say which sequence comes next", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 3);
    await messages.empty(8);
    assert.deepEqual([messages.first, messages.last, messages.count], [8, 7, 0]);
    putMany(messages, "foo", 7, 9);
    assert.deepEqual(await sequencesOf(messages), [8, 9]);
    await messages.empty(1);
    assert.deepEqual([messages.first, messages.last], [0, 0]);
  });
}

function cutting(scenario: Scenario): void {
  scenario("the newest messages can be forgotten, flushed or not, and others follow", async (place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 700);
    await messages.flush();
    putMany(messages, "foo", 701, 900);
    await messages.forgetAfter(900);
    assert.equal(messages.last, 900);
    for (const last of [850, 700, 699, 300, 1]) {
      await messages.forgetAfter(last);
      assert.deepEqual([messages.first, messages.last, messages.count], [1, last, last]);
      assert.equal(messages.lastTimestamp, START + BigInt(last) * SECOND);
      const kept = (await messagesOf(messages)).reduce((sum, each) => sum + MsgProto.size(each) + place.overhead, 0);
      assert.equal(messages.bytes, kept);
      put(messages, "foo", last + 1, `another ${last + 1}`);
      assert.equal(textOf(await lookup(messages, last + 1)), `another ${last + 1}`);
      assert.equal(textOf(await lookup(messages, last)), `message ${last}`);
      assert.equal(await lookup(messages, last + 2), undefined);
    }
    putMany(messages, "foo", 3, 1000);
    await messages.flush();
    assert.deepEqual(await sequencesOf(messages), Array.from({ length: 1000 }, (_, i) => i + 1));
  });

  scenario("what was evicted stays so when the newest messages are forgotten", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 30);
    messages.evictBefore(11);
    await messages.forgetAfter(20);
    assert.deepEqual([messages.first, messages.last, messages.count], [11, 20, 10]);
    await messages.forgetAfter(10);
    assert.deepEqual([messages.first, messages.last, messages.count, messages.bytes], [11, 10, 0, 0]);
    await messages.forgetAfter(5);
    assert.deepEqual([messages.first, messages.last, messages.count], [6, 5, 0]);
    putMany(messages, "foo", 6, 7);
    await messages.flush();
    assert.deepEqual(await sequencesOf(messages), [6, 7]);
    await messages.forgetAfter(0);
    assert.deepEqual([messages.first, messages.last, messages.count], [0, 0, 0]);
  });

  scenario("forgotten messages do not come back", async (place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 50);
    await messages.forgetAfter(20);
    put(messages, "foo", 21, "another");
    await store.close();
    if (!place.persistent) return;
    const again = place.open(NO_LIMITS);
    const { channels } = await start(again);
    const found = channels.get("foo")!.store.messages;
    assert.deepEqual([found.first, found.last, found.count], [1, 21, 21]);
    assert.equal(textOf(await lookup(found, 20)), "message 20");
    assert.equal(textOf(await lookup(found, 21)), "another");
    await again.close();
  });
}

function skipping(scenario: Scenario): void {
  scenario("sequences can be left out, and nothing is stored under them", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    messages.skipTo(4);
    assert.deepEqual([messages.first, messages.last, messages.count], [4, 3, 0]);
    putMany(messages, "foo", 4, 6);
    messages.skipTo(9);
    assert.deepEqual([messages.first, messages.last, messages.count], [4, 8, 3]);
    assert.equal(messages.lastTimestamp, START + 6n * SECOND);
    assert.equal(await messages.sequenceAt(START + 7n * SECOND), 9);
    await messages.flush();
    putMany(messages, "foo", 9, 10);
    assert.deepEqual(await sequencesOf(messages), [4, 5, 6, 9, 10]);
    assert.equal(await lookup(messages, 8), undefined);
    assert.equal(await messages.sequenceAt(START + 7n * SECOND), 9);
    await messages.flush();
    messages.evictBefore(6);
    assert.deepEqual([messages.first, messages.last, messages.count], [6, 10, 3]);
    messages.evictBefore(7);
    assert.deepEqual([messages.first, messages.last, messages.count], [9, 10, 2]);
  });

  scenario("what is before a gap can be cut, too", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 5);
    messages.skipTo(9);
    putMany(messages, "foo", 9, 12);
    await messages.forgetAfter(10);
    assert.deepEqual(await sequencesOf(messages), [1, 2, 3, 4, 5, 9, 10]);
    await messages.forgetAfter(3);
    assert.deepEqual([messages.first, messages.last, messages.count], [1, 3, 3]);
    putMany(messages, "foo", 4, 6);
    assert.deepEqual(await sequencesOf(messages), [1, 2, 3, 4, 5, 6]);
  });
}
