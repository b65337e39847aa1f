/** What raw STAN clients see of one server, and of three nodes, is what they see of the reference. */
import assert from "node:assert/strict";
import { Cluster } from "../support/cluster.ts";
import { expectedOptionPlays, playOptions, stageOptionPlays } from "../support/option_plays.ts";
import { expectedRestartPlays, stageRestartPlays } from "../support/restart_plays.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import { expectedPlays, stagePlays } from "../support/streaming_plays.ts";

const stores = ["memory", "file"];

scenario("one server stages every play as the reference does, with either store", async (world) => {
  await Promise.all(stores.map(async (store) => {
    const { url } = await world.server(["-store", store, "-dir", `data-${store}`]);
    assert.deepEqual(await stagePlays(url), expectedPlays(), store);
  }));
});

scenario("options mean in every play what they mean to the reference, with either store", async (world) => {
  await Promise.all(stores.map(async (store) => {
    const { url } = await world.server(["-store", store, "-dir", `data-${store}`, ...playOptions]);
    assert.deepEqual(await stageOptionPlays(url), expectedOptionPlays(), store);
  }));
});

scenario(
  "a server that is restarted goes on in every play as the reference does, also after kill -9",
  async (world) => {
    await Promise.all((["SIGINT", "SIGKILL"] as const).map(async (signal) => {
      const { url } = await world.server(["-cid", "carrier"]);
      const launch = () => world.launch(["-store", "file", "-dir", `data-${signal}`, "-nats_server", url]).ready();
      let server = await launch();
      const seen = await stageRestartPlays(url, async () => {
        await server.terminate(signal);
        server = await launch();
      });
      assert.deepEqual(seen, expectedRestartPlays(), signal);
    }));
  },
);

/** Three nodes whose leader is given up late: these plays want one that stays, also on a busy machine. */
async function steadyCluster(world: Scenario, ...options: readonly string[]): Promise<Cluster> {
  const cluster = await Cluster.over(world, "embedded");
  const timeouts = ["heartbeat", "election", "lease"].map((each) => `raft_${each}_timeout: "4s"`).join("\n");
  Deno.writeTextFileSync(`${world.folder}/steady.conf`, `streaming { cluster {\n${timeouts}\n} }`);
  for (const id of ["a", "b", "c"]) {
    const peers = ["a", "b", "c"].filter((other) => other !== id).join(",");
    cluster.start(id, "-cluster_node_id", id, "-cluster_peers", peers, "-sc", "steady.conf", ...options);
  }
  await cluster.leader();
  return cluster;
}

scenario("three nodes stage every play as the reference does alone", async (world) => {
  const cluster = await steadyCluster(world);
  assert.deepEqual(await stagePlays(cluster.url), expectedPlays());
});

scenario("options mean to three nodes in every play what they mean to the reference alone", async (world) => {
  const cluster = await steadyCluster(world, ...playOptions);
  assert.deepEqual(await stageOptionPlays(cluster.url), expectedOptionPlays());
});
