/** Three nodes by the documented command lines, against one NATS server. */
import assert from "node:assert/strict";
import { carriers, Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { StanClient } from "../support/stan_client.ts";

for (const carrier of carriers) {
  scenario(`TS13: three nodes over the ${carrier} NATS server serve clients as one server does`, async (world) => {
    const cluster = await Cluster.ofThree(world, carrier);
    const client = await world.client(cluster.url, "me");
    const durable = await client.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
    await client.publishMany("foo", 10);
    const messages = await durable.takeDistinct(10);
    assert.deepEqual(messages.map(({ sequence }) => sequence), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const message of messages) message.ack();
    for (const node of cluster.nodes.values()) {
      const page = await eventually(async () => {
        const page = await node.page();
        return page?.total_msgs === 10 ? page : undefined;
      }, `the ten messages on ${node.id}`);
      assert.deepEqual([page.state, page.node_id], ["CLUSTERED", node.id]);
    }
    await client.close();
  });

  scenario(
    `kill -9 of the leader over the ${carrier} NATS server loses nothing that was acknowledged`,
    async (world) => {
      const cluster = await Cluster.ofThree(world, carrier);
      const publisher = await world.client(cluster.url, "publisher", { ackTimeout: 2_000 });
      const live = await (await world.client(cluster.url, "subscriber")).subscribe("foo");
      const acked = new Set<string>();
      const stop = publish(publisher, acked);
      await eventually(() => acked.size >= 100 || undefined, "the first hundred messages");
      const former = await cluster.leader();
      await former.process.kill();
      const successor = await cluster.leader();
      assert.notEqual(successor.id, former.id);
      const before = acked.size;
      await eventually(() => acked.size >= before + 100 || undefined, "a hundred messages after the kill");
      await stop();
      await everythingIsThere(world, cluster.url, acked);
      await eventually(() => {
        const texts = new Set(live.received.map(({ text }) => text));
        return [...acked].every((text) => texts.has(text)) || undefined;
      }, "the delivery of every message to the subscriber that was there all the time");

      cluster.start(former.id);
      const last = await sequenceOf(publisher);
      for (const node of cluster.nodes.values()) {
        await eventually(
          async () => (await node.page())?.total_msgs === last || undefined,
          `all messages on ${node.id}`,
        );
      }
    },
  );
}

scenario("a node without a name joins, is given one, and keeps it", async (world) => {
  const cluster = await Cluster.over(world, "embedded");
  cluster.start("a", "-cluster_bootstrap", "-cluster_node_id", "a");
  await cluster.leader();
  const client = await world.client(cluster.url, "me");
  await client.publishMany("foo", 10);
  for (const id of ["b", "c", "d"]) {
    cluster.start(id);
    const page = await eventually(async () => {
      const page = await cluster.nodes.get(id)!.page();
      return page?.total_msgs === 10 ? page : undefined;
    }, `the messages on ${id}`);
    assert.equal(page.role, "Follower");
    assert.match(page.node_id, /^[A-Za-z0-9]{22}$/);
  }
  const { node_id } = (await cluster.nodes.get("d")!.page())!;
  await cluster.nodes.get("d")!.process.kill();
  await client.publish("foo", "11");
  cluster.start("d");
  const again = await eventually(async () => {
    const page = await cluster.nodes.get("d")!.page();
    return page?.total_msgs === 11 ? page : undefined;
  }, "the messages on d after its restart");
  assert.equal(again.node_id, node_id);
  const ids = await Promise.all([...cluster.nodes.values()].map(async (node) => (await node.page())!.node_id));
  assert.equal(new Set(ids).size, 4);
});

scenario("all nodes killed at once come back with everything", async (world) => {
  const cluster = await Cluster.ofThree(world, "embedded");
  const client = await world.client(cluster.url, "me");
  const durable = await client.subscribe("foo", { durable: "d", start: "first", manualAcks: true, maxInFlight: 3 });
  await client.publishMany("foo", 5);
  const messages = await durable.takeDistinct(3);
  messages[1]!.ack();
  while ((await durable.next()).sequence !== 4);
  client.abandon();
  await Promise.all([...cluster.nodes.values()].map(({ process }) => process.kill()));
  for (const id of ["a", "b", "c"]) cluster.start(id);
  await cluster.leader();
  const next = await world.client(cluster.url, "me");
  const resumed = await next.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
  const seen = new Set<number>();
  while (!seen.has(5)) seen.add((await resumed.next()).sequence);
  for (const pending of [1, 3, 4]) assert.ok(seen.has(pending), `${pending} was not delivered again`);
});

scenario("a durable that is resumed right after a fail-over gets what is pending first, at once", async (world) => {
  const cluster = await Cluster.ofThree(world, "embedded");
  const client = await world.client(cluster.url, "me");
  const durable = await client.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
  await client.publishMany("foo", 20);
  for (const message of (await durable.takeDistinct(20)).slice(0, 15)) message.ack();
  for (const node of cluster.nodes.values()) {
    await eventually(async () => {
      const page = await node.fetch<ChannelPage>("/streaming/channelsz?channel=foo&subs=1");
      const [known] = page?.subscriptions ?? [];
      return (known?.last_sent === 20 && known.pending_count === 5) || undefined;
    }, `${node.id} to know what is pending`);
  }
  client.abandon();
  await (await cluster.leader()).process.kill();
  await cluster.leader();
  const again = await world.client(cluster.url, "me");
  const resumed = await again.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
  await again.publish("foo", "21");
  const messages = await resumed.takeDistinct(6);
  assert.deepEqual(messages.map(({ sequence }) => sequence), [16, 17, 18, 19, 20, 21]);
  assert.ok(messages.slice(0, 5).every(({ redelivered }) => redelivered));
});

interface ChannelPage {
  readonly subscriptions: readonly { readonly last_sent: number; readonly pending_count: number }[];
}

/** Publishes one message after the other, again when the outcome is unknown, until told to stop. */
function publish(client: StanClient, acked: Set<string>): () => Promise<void> {
  let stopped = false;
  const running = (async () => {
    for (let i = 1; !stopped; i++) {
      const text = String(i);
      while (!acked.has(text) && !stopped) {
        await client.publish("foo", text).then(() => acked.add(text), () => {});
      }
    }
  })();
  return () => {
    stopped = true;
    return running;
  };
}

/** Reads the channel from its beginning: no gap in the sequences, and every acknowledged text. */
async function everythingIsThere(world: Scenario, url: string, acked: ReadonlySet<string>): Promise<void> {
  const reader = await world.client(url, "reader");
  const subscription = await reader.subscribe("foo", { start: "first", maxInFlight: 10_000 });
  const last = await sequenceOf(reader);
  const messages = await subscription.takeDistinct(last);
  assert.deepEqual(messages.map(({ sequence }) => sequence), Array.from({ length: last }, (_, i) => i + 1));
  const stored = new Set(messages.map(({ text }) => text));
  assert.deepEqual([...acked].filter((text) => !stored.has(text)), []);
}

/** The channel's last sequence. */
async function sequenceOf(client: StanClient): Promise<number> {
  const last = await client.subscribe("foo", { start: "last" });
  const { sequence } = await last.next();
  await last.unsubscribe();
  return sequence;
}
