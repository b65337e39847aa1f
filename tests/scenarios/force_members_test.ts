/** A cluster whose majority is lost for ever, set up anew by the command line (spec clustering, section 7). */
import assert from "node:assert/strict";
import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { scenario } from "../support/scenario.ts";

scenario(
  "M10: the last of three nodes goes on alone with everything, others join it anew, lost ones are turned away",
  async (world) => {
    const cluster = await Cluster.ofThree(world, "embedded");
    const client = await world.client(cluster.url, "me");
    const durable = await client.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
    await client.publishMany("foo", 20);
    const messages = await durable.take(20);
    for (const message of messages.slice(0, 15)) message.ack();
    await Promise.all(
      [...cluster.nodes.values()].map((node) =>
        eventually(async () => (await node.page())?.total_msgs === 20 || undefined, `20 messages on ${node.id}`)
      ),
    );
    const left = cluster.nodes.get("a")!;
    const force = ["-cluster_force_members", "a", ...left.process.args];
    const refused = world.launch(force);
    assert.equal(await refused.exit(), 1);
    assert.match(refused.lines.join("\n"), /in use by another process/);

    client.abandon();
    for (const node of cluster.nodes.values()) {
      await node.process.kill();
    }
    const forced = world.launch(force);
    assert.equal(await forced.exit(), 0, forced.tail());
    assert.match(forced.lines.join("\n"), /the cluster's identity is [0-9a-f]{32} from now on: start node a first/);

    cluster.nodes.delete("b");
    const lost = cluster.nodes.get("c")!;
    cluster.nodes.delete("c");
    const alone = cluster.start("a");
    await cluster.leader();
    const again = await world.client(cluster.url, "me");
    const resumed = await again.subscribe("foo", { durable: "d", start: "first", manualAcks: true });
    await again.publish("foo", "21");
    const seen = new Set<number>();
    while (!seen.has(21)) seen.add((await resumed.next()).sequence);
    for (const pending of [16, 17, 18, 19, 20]) assert.ok(seen.has(pending), `${pending} was not delivered again`);

    const wiped = cluster.start("b2", "-cluster_node_id", "b");
    await eventually(async () => (await wiped.page())?.total_msgs === 21 || undefined, "everything on the wiped node");
    const back = world.launch(lost.process.args);
    assert.equal(await back.exit(), 1);
    assert.match(back.lines.join("\n"), /belongs to another cluster with the ID "test-cluster".*Its data is untouched/);
    assert.ok(alone.process.running);
  },
);
