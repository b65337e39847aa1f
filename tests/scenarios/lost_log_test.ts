/** Real nodes that lost their cluster log, or find it damaged (TS6, TS95). */
import assert from "node:assert/strict";
import { Cluster, type ClusterNode } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { scenario } from "../support/scenario.ts";

/** Waits until a node holds so many messages. */
async function holds(node: ClusterNode, count: number): Promise<void> {
  await eventually(
    async () => (await node.page())?.total_msgs === count || undefined,
    `${count} messages on ${node.id}`,
  );
}

scenario(
  "TS6, TS95: a node without its log, then one with a damaged one, come back to the living cluster",
  async (world) => {
    const cluster = await Cluster.ofThree(world, "embedded");
    const client = await world.client(cluster.url, "me");
    await client.publishMany("foo", 50);
    const [lost, damaged] = await cluster.followers();
    await Promise.all([...cluster.nodes.values()].map((node) => holds(node, 50)));

    await lost!.process.kill();
    Deno.removeSync(`${world.folder}/log-${lost!.id}`, { recursive: true });
    const back = cluster.start(lost!.id);
    await back.process.line(/done: this node begins anew as incarnation/);
    await back.process.line(/cluster members: a, b, c$/);
    await holds(back, 50);

    await damaged!.process.kill();
    flipBit(`${world.folder}/log-${damaged!.id}/test-cluster/log/00000001.wal`, 400);
    const repaired = cluster.start(damaged!.id);
    await repaired.process.line(/disagreed: cluster log .*00000001\.wal is damaged at offset \d+/);
    await repaired.process.line(/cluster members: a, b, c$/);
    await client.publishMany("foo", 10);
    for (const node of cluster.nodes.values()) await holds(node, 60);

    // Both have votes again, and can be relied upon.
    await (await cluster.leader()).process.kill();
    await cluster.leader();
    await client.publish("foo", "after");
  },
);

scenario(
  "TS6: without its cluster a node that lost its log ends with the reference's text and a remedy",
  async (world) => {
    const cluster = await Cluster.over(world, "embedded");
    const node = cluster.start("a", "-cluster_bootstrap", "-cluster_node_id", "a");
    await cluster.leader();
    await (await world.client(cluster.url, "me")).publish("foo", "1");
    await node.process.kill();
    Deno.removeSync(`${world.folder}/log-a`, { recursive: true });
    const again = cluster.start("a");
    assert.equal(await again.process.exit(), 1);
    const text = again.process.lines.join("\n");
    assert.match(
      text,
      /streaming state was recovered but cluster log path "log-a" is empty; no other node of its cluster answers\. Give the log path/,
    );
  },
);

function flipBit(path: string, at: number): void {
  const file = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  file.seekSync(at, Deno.SeekMode.Start);
  file.readSync(byte);
  byte[0]! ^= 1;
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(byte);
  file.close();
}
