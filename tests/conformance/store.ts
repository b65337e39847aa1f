/** What every implementation of the Store port must do; numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { type Store, StoreFailed } from "../../src/ports/store.ts";
import { MsgProto } from "../../src/protocol/client_messages.ts";
import type { StoreLimits } from "../../src/store/mod.ts";
import {
  clientOf,
  fieldsOf,
  identity,
  limitsWith,
  lookup,
  messagesOf,
  put,
  putMany,
  SECOND,
  sequencesOf,
  START,
  start,
  subscriptionOf,
  textOf,
} from "../support/store_messages.ts";

/** A place for stores, and what they promise beyond the port. */
export interface StorePlace {
  /** Opens a store there; what an earlier one kept is there again. */
  open(limits: StoreLimits): Store;
  /** Whether messages outlive the store. */
  readonly persistent: boolean;
  /** Whether clients and subscriptions do. */
  readonly keepsClients: boolean;
  /** Whether sequences that were never stored are filled with empty messages. */
  readonly fillsGaps: boolean;
  /** Accounting bytes of a message beyond its MsgProto. */
  readonly overhead: number;
}

type Scenario = (title: string, run: (place: StorePlace, store: Store) => Promise<void>, limits?: StoreLimits) => void;

const NO_LIMITS = limitsWith({});

/** `place` gives a fresh, empty one. */
export function storeConformance(name: string, place: () => StorePlace): void {
  const scenario: Scenario = (title, run, limits = NO_LIMITS) => {
    Deno.test(`${name}: ${title}`, async () => {
      const here = place();
      const store = here.open(limits);
      await start(store);
      await run(here, store);
      await store.close();
      await store.close();
    });
  };
  appending(scenario);
  reading(scenario);
  times(scenario);
  evicting(scenario);
  gaps(scenario);
  emptying(scenario);
  channels(scenario);
  if (place().persistent) restarting(scenario);
  if (place().keepsClients) rememberingSubscriptions(scenario);
  if (place().keepsClients) rememberingClients(scenario);
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

function refused(text: string): (error: unknown) => boolean {
  return (error) => error instanceof StoreFailed && error.code === "refused" && error.message === text;
}

function channels(scenario: Scenario): void {
  scenario("[19] channels are limited, unique and can be deleted", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 3);
    await store.createChannel("foo.bar");
    await assert.rejects(async () => await store.createChannel("baz"), refused("too many channels"));
    await assert.rejects(async () => await store.createChannel("foo"), refused("already exists"));
    await assert.rejects(async () => await store.deleteChannel("baz"), refused("not found"));
    await store.deleteChannel("foo.bar");
    assert.equal((await store.createChannel("baz")).name, "baz");
    assert.equal(messages.count, 3);
  }, limitsWith({}, 2));

  scenario("[55] a deleted channel comes back empty", async (_place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 3);
    await messages.flush();
    putMany(messages, "foo", 4, 5);
    await store.deleteChannel("foo");
    const again = (await store.createChannel("foo")).messages;
    assert.deepEqual([again.first, again.last, again.count], [0, 0, 0]);
    putMany(again, "foo", 1, 2);
    await again.flush();
    assert.deepEqual(await sequencesOf(again), [1, 2]);
  });

  scenario("limits are those of the closest pattern", async (_place, store) => {
    assert.equal(store.limitsOf("foo").maxMessages, 100);
    assert.equal(store.limitsOf("a.b").maxMessages, 2);
    const { messages } = await store.createChannel("a.b");
    putMany(messages, "a.b", 1, 5);
    assert.deepEqual(await sequencesOf(messages), [4, 5]);
  }, limitsWith({ maxMessages: 100 }, 0, new Map([["a.*", { maxMessages: 2 }]])));

  scenario("the lock is held until it is closed", async (_place, store) => {
    assert.equal(await store.tryLock(), true);
    assert.equal(await store.tryLock(), true);
  });
}

function restarting(scenario: Scenario): void {
  scenario("messages outlive the store", async (place, store) => {
    const foo = (await store.createChannel("foo")).messages;
    await store.createChannel("empty");
    putMany(foo, "foo", 1, 500);
    await foo.flush();
    putMany(foo, "foo", 501, 600);
    await store.close();
    const again = place.open(NO_LIMITS);
    const state = await start(again);
    assert.deepEqual(state.info, identity);
    assert.deepEqual([...state.channels.keys()].sort(), ["empty", "foo"]);
    const { messages } = state.channels.get("foo")!.store;
    assert.deepEqual([messages.first, messages.last, messages.count, messages.bytes], [1, 600, 600, foo.bytes]);
    assert.equal(messages.lastTimestamp, START + 600n * SECOND);
    assert.deepEqual(
      (await messagesOf(messages)).map(textOf),
      Array.from({ length: 600 }, (_, i) => `message ${i + 1}`),
    );
    putMany(messages, "foo", 601, 700);
    assert.equal((await sequencesOf(messages, 590)).length, 111);
    await again.close();
  });

  scenario("[6] an expired channel goes on counting after a restart", async (place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 10);
    await messages.flush();
    await store.close();
    const again = place.open(limitsWith({ maxAge: 1n }));
    const found = (await start(again)).channels.get("foo")!.store.messages;
    assert.deepEqual([found.first, found.last, found.count], [11, 10, 0]);
    await again.close();
  });

  scenario("[20, 21] lower limits apply to messages, not to channels", async (place, store) => {
    for (let i = 0; i < 5; i++) {
      const { messages } = await store.createChannel(`c${i}`);
      putMany(messages, `c${i}`, 1, 50);
      await messages.flush();
    }
    await store.close();
    const again = place.open(limitsWith({ maxMessages: 4 }, 1));
    const state = await start(again);
    assert.equal(state.channels.size, 5);
    for (const [name, { store: { messages } }] of state.channels) {
      assert.deepEqual(await sequencesOf(messages), [47, 48, 49, 50]);
      putMany(messages, name, 51, 52);
      assert.deepEqual([messages.first, messages.last], [49, 52]);
    }
    await assert.rejects(async () => await again.createChannel("new"), refused("too many channels"));
    await again.close();
  });

  scenario("a deleted channel does not come back after a restart", async (place, store) => {
    const { messages } = await store.createChannel("foo");
    putMany(messages, "foo", 1, 3);
    await messages.flush();
    await store.deleteChannel("foo");
    await store.close();
    const again = place.open(NO_LIMITS);
    assert.deepEqual([...(await start(again)).channels.keys()], []);
    await again.close();
  });
}

function rememberingSubscriptions(scenario: Scenario): void {
  scenario("[15, 16, 17] subscriptions and what is pending are remembered", async (place, store) => {
    const { subscriptions } = await store.createChannel("foo");
    subscriptions.create(subscriptionOf(1, { durableName: "dur", isDurable: true }));
    subscriptions.create(subscriptionOf(2, { queueGroup: "group" }));
    for (const sequence of [1, 2, 1]) subscriptions.addPending(1, sequence);
    subscriptions.addPending(2, 3);
    subscriptions.acknowledge(1, 1);
    subscriptions.update(subscriptionOf(7, { lastSent: 9 }));
    subscriptions.update(subscriptionOf(1, { durableName: "dur", isDurable: true, isClosed: true, lastSent: 1 }));
    subscriptions.create(subscriptionOf(3));
    subscriptions.addPending(3, 8);
    subscriptions.delete(3);
    for (const id of [3, 99]) {
      subscriptions.addPending(id, 1);
      subscriptions.acknowledge(id, 1);
      subscriptions.delete(id);
    }
    await subscriptions.flush();
    await store.close();
    const again = place.open(NO_LIMITS);
    const found = (await start(again)).channels.get("foo")!;
    assert.equal(found.highestSubscriptionId, 99);
    const sorted = [...found.subscriptions].sort((a, b) => a.state.id - b.state.id);
    assert.deepEqual(sorted, [
      { state: subscriptionOf(1, { durableName: "dur", isDurable: true, isClosed: true, lastSent: 1 }), pending: [2] },
      { state: subscriptionOf(2, { queueGroup: "group", lastSent: 3 }), pending: [3] },
      { state: subscriptionOf(7, { lastSent: 9 }), pending: [] },
    ]);
    await again.close();
  });

  scenario("[18] the id of a deleted subscription is not forgotten", async (place, store) => {
    const { subscriptions } = await store.createChannel("foo");
    subscriptions.create(subscriptionOf(1));
    subscriptions.create(subscriptionOf(2));
    subscriptions.delete(2);
    await store.close();
    const again = place.open(NO_LIMITS);
    assert.equal((await start(again)).channels.get("foo")!.highestSubscriptionId, 2);
    await again.close();
  });
}

function rememberingClients(scenario: Scenario): void {
  scenario("[25] clients are remembered, with all their fields", async (place, store) => {
    await store.deleteClient("early");
    await store.addClient(clientOf("early"));
    await store.addClient(clientOf("a"));
    await store.addClient(clientOf("a", { heartbeatInbox: "other" }));
    await store.addClient(clientOf("b", { connId: new Uint8Array(0), pingInterval: -5 }));
    await store.addClient(clientOf("gone"));
    await store.deleteClient("gone");
    await store.deleteClient("never there");
    await store.close();
    const again = place.open(NO_LIMITS);
    const { clients } = await start(again);
    assert.deepEqual([...clients].sort((x, y) => x.id < y.id ? -1 : 1), [
      clientOf("a", { heartbeatInbox: "other" }),
      clientOf("b", { connId: new Uint8Array(0), pingInterval: -5 }),
      clientOf("early"),
    ]);
    await again.close();
  });
}
