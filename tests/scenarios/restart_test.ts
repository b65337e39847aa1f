/** Ends of every kind, and what is there after the next start. */
import assert from "node:assert/strict";
import { scenario } from "../support/scenario.ts";

const file = ["-store", "file", "-dir", "data"];

scenario("after kill -9 every acknowledged message, durable and pending delivery is there", async (world) => {
  const first = await world.server(file);
  const client = await world.client(first.url, "me");
  await client.publishMany("foo", 5);
  const durable = await client.subscribe("foo", { durable: "d", start: "first", manualAcks: true, maxInFlight: 4 });
  const messages = await durable.take(4);
  messages[0]!.ack();
  messages[2]!.ack();
  // Acks are not answered; the delivery that the freed room allows shows that they arrived.
  assert.equal((await durable.next()).sequence, 5);
  await first.server.kill();
  client.abandon();

  const second = await world.server(file);
  const next = await world.client(second.url, "me");
  await next.publish("foo", "6");
  const resumed = await next.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
  const rest: number[] = [];
  for (let last = 0; last !== 6; rest.push(last)) last = (await resumed.next()).sequence;
  // What was acknowledged just before the kill may come again, as at-least-once permits; what was not must come.
  assert.deepEqual(rest.filter((sequence) => sequence !== 1 && sequence !== 3), [2, 4, 5, 6]);
  assert.ok(resumed.received.every(({ sequence, redelivered }) => redelivered || sequence >= 5));
  const all = await (await next.subscribe("foo", { start: "first" })).take(6);
  assert.deepEqual(all.map(({ text }) => text), ["1", "2", "3", "4", "5", "6"]);
});

scenario("kill -9 under publishing loses nothing acknowledged and leaves no gap", async (world) => {
  const acked: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const { server, url } = await world.server(file);
    const client = await world.client(url, `publisher-${round}`);
    const enough = new Promise<void>((resolve) => {
      const pump = async (writer: number) => {
        for (let i = 0;; i++) {
          const number = round * 1_000_000 + writer * 10_000 + i;
          await client.publish("foo", String(number));
          acked.push(number);
          if (i === 50) resolve();
        }
      };
      // Each goes on until its publish fails, which the kill brings about.
      for (let writer = 0; writer < 20; writer++) pump(writer).catch(() => {});
    });
    await enough;
    await server.kill();
    client.abandon();
  }
  const { url } = await world.server(file);
  const client = await world.client(url, "reader");
  const subscription = await client.subscribe("foo", { start: "first", maxInFlight: 5000 });
  await client.publish("foo", "end");
  const texts = new Set<string>();
  for (let expected = 1;; expected++) {
    const message = await subscription.next();
    assert.equal(message.sequence, expected);
    if (message.text === "end") break;
    assert.ok(!texts.has(message.text), `${message.text} is stored twice`);
    texts.add(message.text);
  }
  assert.deepEqual(acked.filter((number) => !texts.has(String(number))), []);
});

scenario("a client that was connected before a kill goes on by itself after the restart", async (world) => {
  const first = await world.server(file);
  const port = new URL(first.url).port;
  const client = await world.client(first.url, "me", { reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  const subscription = await client.subscribe("foo");
  await client.publish("foo", "before");
  assert.equal((await subscription.next()).text, "before");
  await first.server.kill();
  const second = await world.launch(["-a", "127.0.0.1", "-p", port, ...file]).ready();
  await client.publish("foo", "after");
  const after = await subscription.next();
  assert.deepEqual([after.text, after.sequence], ["after", 2]);
  await second.kill();
});

const ends: readonly [signal: Deno.Signal, code: number][] = [["SIGINT", 0], ["SIGTERM", 143]];
for (const [signal, code] of ends) {
  scenario(`${signal} ends the server in order, with exit code ${code}`, async (world) => {
    const { server, url } = await world.server(file);
    const client = await world.client(url, "me");
    await client.publishMany("foo", 3);
    assert.equal(await server.terminate(signal), code);
    assert.ok(server.lines.some((line) => line.endsWith("STREAM: Shutting down.")));
    const again = await world.server(file);
    const reader = await world.client(again.url, "reader");
    assert.equal((await (await reader.subscribe("foo", { start: "last" })).next()).sequence, 3);
  });
}
