/** A server that runs alone, with each store, under the official client. */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { isOwnServer } from "../support/server_process.ts";
import { scenario } from "../support/scenario.ts";

const stores: readonly [name: string, args: readonly string[]][] = [
  ["MEMORY", []],
  ["FILE", ["-store", "file", "-dir", "data"]],
];

for (const [store, args] of stores) {
  scenario(`${store}: what is published is delivered, in order, with sequences from 1`, async (world) => {
    const { url } = await world.server(args);
    const client = await world.client(url, "me");
    const live = await client.subscribe("foo");
    await client.publishMany("foo", 20);
    const late = await client.subscribe("foo", { start: "first" });
    for (const subscription of [live, late]) {
      const messages = await subscription.take(20);
      assert.deepEqual(messages.map(({ sequence }) => sequence), Array.from({ length: 20 }, (_, i) => i + 1));
      assert.deepEqual(messages.map(({ text }) => text), Array.from({ length: 20 }, (_, i) => String(i + 1)));
      assert.ok(messages.every(({ redelivered, subject }) => !redelivered && subject === "foo"));
    }
    await client.close();
  });

  scenario(`${store}: each start position begins where it says`, async (world) => {
    const { url } = await world.server(args);
    const client = await world.client(url, "me");
    await client.publishMany("foo", 3);
    const middle = new Date((await (await client.subscribe("foo", { start: "last" })).next()).timestamp.getTime() + 10);
    // The client turns the time into an age, which the server counts from when it hears of it: leave room for that.
    await eventually(() => Date.now() > middle.getTime() + 400 || undefined, "a pause between the messages");
    await client.publishMany("foo", 3, 4);
    const firstOf = async (start: "first" | "last" | { sequence: number } | { time: Date } | { agoMillis: number }) =>
      (await (await client.subscribe("foo", { start })).next()).sequence;
    assert.equal(await firstOf("first"), 1);
    assert.equal(await firstOf("last"), 6);
    assert.equal(await firstOf({ sequence: 2 }), 2);
    assert.equal(await firstOf({ time: middle }), 4);
    assert.equal(await firstOf({ agoMillis: 3_600_000 }), 1);
    const beyond = await client.subscribe("foo", { start: { sequence: 99 } });
    const live = await client.subscribe("foo");
    await client.publish("foo", "7");
    assert.deepEqual([(await beyond.next()).sequence, (await live.next()).sequence], [7, 7]);
  });

  scenario(`${store}: what is not acknowledged comes again, and max in flight is kept`, async (world) => {
    const { url } = await world.server(args);
    const client = await world.client(url, "me");
    await client.publishMany("foo", 5);
    const subscription = await client.subscribe("foo", {
      start: "first",
      manualAcks: true,
      ackWaitMillis: 1000,
      maxInFlight: 2,
    });
    const first = await subscription.take(2);
    assert.deepEqual(first.map(({ sequence, redelivered }) => [sequence, redelivered]), [[1, false], [2, false]]);
    const again = await subscription.take(2);
    assert.deepEqual(again.map(({ sequence, redelivered }) => [sequence, redelivered]), [[1, true], [2, true]]);
    assert.equal(subscription.received.length, 4);
    for (const message of again) message.ack();
    const next = await subscription.take(2);
    assert.deepEqual(next.map(({ sequence, redelivered }) => [sequence, redelivered]), [[3, false], [4, false]]);
    next[0]!.ack();
    assert.equal((await subscription.next()).sequence, 5);
  });

  scenario(`${store}: a durable goes on where it was closed, and is forgotten when unsubscribed`, async (world) => {
    const { url } = await world.server(args);
    const options = { durable: "d", start: "first", manualAcks: true } as const;
    const client = await world.client(url, "me");
    await client.publishMany("foo", 4);
    const subscription = await client.subscribe("foo", options);
    const messages = await subscription.take(4);
    messages[0]!.ack();
    messages[1]!.ack();
    await assert.rejects(client.subscribe("foo", options), { message: "stan: duplicate durable registration" });
    await client.close();

    const next = await world.client(url, "me");
    await next.publish("foo", "5");
    const resumed = await next.subscribe("foo", options);
    const rest = await resumed.take(3);
    assert.deepEqual(rest.map(({ sequence, redelivered }) => [sequence, redelivered]), [[3, true], [4, true], [
      5,
      false,
    ]]);
    for (const message of rest) message.ack();
    await resumed.unsubscribe();
    const anew = await next.subscribe("foo", options);
    assert.equal((await anew.next()).sequence, 1);
  });

  scenario(`${store}: each message goes to one member of a queue group`, async (world) => {
    const { url } = await world.server(args);
    const client = await world.client(url, "me");
    const members = await Promise.all([1, 2, 3].map(() => client.subscribe("foo", { queue: "workers" })));
    await client.publishMany("foo", 30);
    const seen = await eventually(() => {
      const sequences = members.flatMap(({ received }) => received.map(({ sequence }) => sequence));
      return sequences.length >= 30 ? sequences : undefined;
    }, "the delivery of 30 messages");
    assert.deepEqual(seen.sort((a, b) => a - b), Array.from({ length: 30 }, (_, i) => i + 1));
  });

  scenario(
    `${store}: a client id in use is refused while its holder answers, and free after it closed`,
    async (world) => {
      const { url } = await world.server(args);
      const holder = await world.client(url, "me");
      await assert.rejects(world.client(url, "me"), { message: "stan: clientID already registered" });
      await holder.close();
      await (await world.client(url, "me")).close();
    },
  );
}

scenario("requests that cannot be served get the reference's words", async (world) => {
  const { url } = await world.server();
  await assert.rejects(world.client(url, "not.valid"), /invalid clientID/);
  const client = await world.client(url, "me");
  await assert.rejects(client.publish("foo.>", "x"), { message: "stan: invalid publish request" });
  await assert.rejects(client.subscribe("foo.*"), { message: "stan: invalid subject" });
  await client.publish("foo", "still served");
});

scenario("a client of another cluster gets no answer", async (world) => {
  const { url } = await world.server();
  await assert.rejects(world.client(url, "me", { clusterId: "other", connectTimeout: 300 }), /timeout|timed out/);
}, { ignore: !isOwnServer });
