/** What raw STAN clients see of one server, and of three nodes, is what they see of the reference. */
import assert from "node:assert/strict";
import { Cluster } from "../support/cluster.ts";
import { expectedRestartPlays, stageRestartPlays } from "../support/restart_plays.ts";
import { scenario } from "../support/scenario.ts";
import { expectedPlays, stagePlays } from "../support/streaming_plays.ts";

for (const store of ["memory", "file"]) {
  scenario(`one server with the ${store} store stages every play as the reference does`, async (world) => {
    const { url } = await world.server(["-store", store, "-dir", "data"]);
    assert.deepEqual(await stagePlays(url), expectedPlays());
  });
}

scenario("three nodes stage every play as the reference does alone", async (world) => {
  const cluster = await Cluster.ofThree(world, "embedded");
  await cluster.leader();
  assert.deepEqual(await stagePlays(cluster.url), expectedPlays());
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  scenario(`a server that is restarted after ${signal} goes on in every play as the reference does`, async (world) => {
    const { url } = await world.server(["-cid", "carrier"]);
    const launch = () => world.launch(["-store", "file", "-dir", "data", "-nats_server", url]).ready();
    let server = await launch();
    const seen = await stageRestartPlays(url, async () => {
      await server.terminate(signal);
      server = await launch();
    });
    assert.deepEqual(seen, expectedRestartPlays());
  });
}
