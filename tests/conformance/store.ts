/** What every implementation of the Store port must do; numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { StoreFailed } from "../../src/ports/store.ts";
import { messageLogConformance } from "./message_log.ts";
import { NO_LIMITS, type Scenario, type StorePlace } from "./store_scenario.ts";
import {
  clientOf,
  identity,
  limitsWith,
  messagesOf,
  putMany,
  SECOND,
  sequencesOf,
  START,
  start,
  subscriptionOf,
  textOf,
} from "../support/store_messages.ts";

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
  messageLogConformance(scenario);
  channels(scenario);
  if (place().persistent) restarting(scenario);
  if (place().keepsClients) rememberingSubscriptions(scenario);
  if (place().keepsClients) rememberingClients(scenario);
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
