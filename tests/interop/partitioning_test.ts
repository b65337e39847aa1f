/** Partitions of one cluster id served by this server and the reference. Skipped where the reference is not installed. */
import assert from "node:assert/strict";
import { findProgram } from "../support/programs.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { ServerProcess } from "../support/server_process.ts";

const reference = findProgram("nats-streaming-server");
const ignore = reference === undefined;

let files = 0;

function partition(world: Scenario, url: string, channels: string[], command?: string[]): ServerProcess {
  const file = `partition-${files++}.conf`;
  const list = channels.map((name) => `"${name}": {}`).join("\n");
  const config = `streaming {\n partitioning: true\n store_limits { channels {\n${list}\n} }\n}\n`;
  Deno.writeTextFileSync(`${world.folder}/${file}`, config);
  return world.launch(["-c", file, "-nats_server", url], command === undefined ? {} : { command });
}

for (
  const [name, theirs, ours] of [["the reference", [reference!], undefined], ["this server", undefined, [
    reference!,
  ]]] as const
) {
  scenario(
    `a partition beside one of ${name}: a conflict is refused, disjoint sets serve one client`,
    async (world) => {
      const { url } = await world.server(["-cid", "carrier"]);
      await partition(world, url, ["foo.*", "bar"], theirs?.slice()).ready();
      const refused = partition(world, url, ["baz", "foo.bar"], ours?.slice());
      assert.equal(await refused.exit(), 1);
      assert.match(refused.tail(), /channel "foo\.bar" causes conflict with channels on server "\w{22}"/);
      await partition(world, url, ["baz", "foo"], ours?.slice()).ready();
      const client = await world.client(url, "me");
      for (const channel of ["foo.x", "bar", "baz", "foo"]) {
        await client.publish(channel, channel);
        const subscription = await client.subscribe(channel, { start: "first" });
        assert.equal((await subscription.next()).text, channel);
      }
    },
    { ignore },
  );
}
