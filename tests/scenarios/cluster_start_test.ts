/** What a node says when it cannot be part of a cluster as it is, and what its pages say when it is. */
import assert from "node:assert/strict";
import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { scenario } from "../support/scenario.ts";

/** All files below a folder, with their contents. */
function contents(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) Object.assign(found, contents(`${folder}/${name}`));
    else found[`${folder}/${name}`] = Deno.readFileSync(`${folder}/${name}`).toString();
  }
  return found;
}

scenario("TS1, TS3: what cannot be clustered is refused with the text alone, and exit code 1", async (world) => {
  const cases = [
    [["-clustered"], "stan: clustering mode not supported with MEMORY store type\n"],
    [
      ["-clustered", "-store", "file", "-dir", "d", "-ft_group", "g"],
      "stan: fault tolerance in clustering mode is not supported\n",
    ],
  ] as const;
  for (const [args, text] of cases) {
    const process = world.launch(["-p", "-1", ...args]);
    assert.equal(await process.exit(), 1);
    assert.equal(await process.output, text);
  }
  assert.deepEqual([...Deno.readDirSync(world.folder)], []);
});

scenario("TS4: the store of a server alone is not started clustered, and stays as it is", async (world) => {
  const alone = await world.server(["-store", "file", "-dir", "store"]);
  const client = await world.client(alone.url, "me");
  await client.publishMany("foo", 3);
  await client.close();
  await alone.server.terminate("SIGTERM");
  const before = contents(`${world.folder}/store`);
  const process = world.launch(["-a", "127.0.0.1", "-p", "-1", "-store", "file", "-dir", "store", "-clustered"]);
  assert.equal(await process.exit(), 1);
  assert.match(
    process.lines.at(-1)!,
    /Failed to start: stan: cannot restart server in clustered mode if it was not previously clustered$/,
  );
  assert.deepEqual(contents(`${world.folder}/store`), before);
  const again = await world.server(["-store", "file", "-dir", "store"]);
  const reader = await world.client(again.url, "me");
  assert.equal((await (await reader.subscribe("foo", { start: "first" })).take(3)).length, 3);
});

scenario(
  "a store of a cluster that was started alone in between goes back to its cluster, with all messages",
  async (world) => {
    const store = ["-store", "file", "-dir", "store"];
    const clustered = [...store, "-clustered", "-cluster_node_id", "a", "-cluster_bootstrap"];
    for (const [args, count] of [[clustered, 3], [store, 2], [clustered, 1]] as const) {
      const { url, server } = await world.server(args);
      const client = await world.client(url, "me");
      await client.publishMany("foo", count);
      await client.close();
      await server.terminate("SIGTERM");
    }
    const { url, server } = await world.server(clustered);
    assert.ok(server.lines.some((line) => line.endsWith("STREAM: Cluster Node ID : a")));
    const client = await world.client(url, "me");
    const messages = await (await client.subscribe("foo", { start: "first" })).take(6);
    assert.deepEqual(messages.map(({ sequence }) => sequence), [1, 2, 3, 4, 5, 6]);
  },
);

scenario("TS9: a peer with a comma is warned of", async (world) => {
  const cluster = await Cluster.over(world, "embedded");
  Deno.writeTextFileSync(
    `${world.folder}/file.conf`,
    `streaming { store: file, dir: store, cluster { node_id: d, peers: ["a,b,c"], log_path: log } }`,
  );
  const process = world.launch(["-c", "file.conf", "-nats_server", cluster.url]);
  await process.line(
    /\[WRN\] STREAM: Peer name contains ',' make sure you provided an array of peer names, not a string with commas$/,
  );
});

interface ClusterPage {
  readonly node_id: string;
  readonly role: string;
  readonly leader: string;
  readonly members: readonly { readonly id: string; readonly voter: boolean }[];
  readonly alarms: readonly string[];
}

scenario(
  "Q1: pages that must be consistent come from the leader alone; the cluster has a page of its own",
  async (world) => {
    const cluster = await Cluster.ofThree(world, "embedded");
    const leader = await cluster.leader();
    for (const node of cluster.nodes.values()) {
      const page = await eventually(async () => {
        const page = await node.fetch<ClusterPage>("/streaming/clusterz");
        return page?.leader === leader.id && page.alarms.length === 0 ? page : undefined;
      }, `the page of ${node.id}`);
      assert.equal(page.node_id, node.id);
      assert.equal(page.role, node === leader ? "Leader" : "Follower");
      assert.deepEqual(page.members.map(({ id, voter }) => [id, voter]), [["a", true], ["b", true], ["c", true]]);
      const answer = await fetch(`${node.monitorUrl}/streaming/channelsz?consistent=1`);
      const body = await answer.text();
      assert.equal(answer.status, node === leader ? 200 : 503, body);
    }
  },
);
