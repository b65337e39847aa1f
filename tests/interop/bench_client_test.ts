/** The reference's bench client against a cluster whose leader is killed meanwhile. Skipped where it is not installed. */
import assert from "node:assert/strict";
import { carriers, Cluster } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { findProgram } from "../support/programs.ts";
import { scenario } from "../support/scenario.ts";

const bench = findProgram("stan-bench");
const MESSAGES = 30_000;

for (const subscribers of [0, 2]) {
  scenario(
    `the bench client with 4 publishers and ${subscribers} subscribers notices nothing when the leader is killed`,
    async (world) => {
      const cluster = await Cluster.ofThree(world, carriers[carriers.length - 1]!);
      const args = ["-s", cluster.url, "-c", "test-cluster", "-np", "4", "-ns", `${subscribers}`, "-mpa", "250"];
      const client = world.launch([...args, "-n", `${MESSAGES}`, "-ms", "128", "foo"], { command: [bench!] });
      const leader = await cluster.leader();
      await eventually(
        async () => (await leader.page())!.total_msgs > MESSAGES / 20 || undefined,
        "the first messages",
      );
      await leader.process.kill();
      assert.ok(client.running, "the bench client was done before the leader was killed");
      assert.equal(await client.exit(120_000), 0, client.tail());
      const pages = await eventually(async () => {
        const nodes = [...cluster.nodes.values()].filter(({ process }) => process.running);
        const pages = await Promise.all(nodes.map((node) => node.fetch<Page>("/streaming/channelsz?channel=foo")));
        return pages.every((page) => page !== undefined && page.last_seq >= MESSAGES) ? pages : undefined;
      }, "all messages on both nodes");
      for (const page of pages) {
        assert.deepEqual([page!.first_seq, page!.last_seq, page!.msgs], [1, MESSAGES, MESSAGES]);
      }
      console.log((await client.output).trim().split("\n").slice(-12).join("\n"));
    },
    { ignore: bench === undefined },
  );
}

interface Page {
  readonly msgs: number;
  readonly first_seq: number;
  readonly last_seq: number;
}
