/**
 * How long a cluster of real processes takes to start, and a fourth node to get everything: by the log, and by a snapshot
 * once the log is cut. Against one NATS server: the real one where it is, else this project's. Tells CPU seconds and what
 * each node logged when, for wall time means little on a machine that is busy. Usage: `deno task bench cluster_start`.
 */
import { Cluster, type ClusterNode } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { natsServerPath } from "../support/nats_server.ts";
import { Scenario } from "../support/scenario.ts";

const MESSAGES = 100_000;
const SIZE = 128;
const carrier = natsServerPath === undefined ? "embedded" : "real";
/** Lines that tell what a node was doing. */
const TELLING = /start report|Recovering|leader|fetching|installed|members|ready|Recovered/;

interface Timed {
  readonly node: ClusterNode;
  readonly begun: number;
  readonly events: string[];
}

/** Notes when a node logs something telling. */
function timed(node: ClusterNode, begun: number): Timed {
  const events: string[] = [];
  let seen = 0;
  const timer = setInterval(() => {
    const { lines } = node.process;
    for (; seen < lines.length; seen++) {
      const line = lines[seen]!;
      if (TELLING.test(line)) {
        events.push(`${String(Math.round(performance.now() - begun)).padStart(6)} ms  ${line.slice(34)}`);
      }
    }
    if (!node.process.running) clearInterval(timer);
  }, 2);
  Deno.unrefTimer(timer);
  return { node, begun, events };
}

/** Seconds of processor time that a process has used. */
function cpu(node: ClusterNode): number {
  try {
    const fields = Deno.readTextFileSync(`/proc/${node.process.pid}/stat`).split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return NaN;
  }
}

async function measured(name: string, run: (world: Scenario) => Promise<void>): Promise<void> {
  console.log(`\n${name}`);
  const world = new Scenario();
  try {
    await run(world);
  } finally {
    await world.end(false);
  }
}

async function coldStart(world: Scenario): Promise<void> {
  const cluster = await Cluster.over(world, carrier);
  const begun = performance.now();
  const nodes = ["a", "b", "c"].map((id) => {
    const peers = ["a", "b", "c"].filter((other) => other !== id).join(",");
    return timed(cluster.start(id, "-cluster_node_id", id, "-cluster_peers", peers), begun);
  });
  await Promise.race(nodes.map(({ node }) => node.process.line(/Streaming Server is ready/)));
  const took = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(
    `  ${took.toFixed(0)} ms to a leader that serves; CPU ${
      nodes.map(({ node }) => cpu(node).toFixed(2)).join(" + ")
    } s`,
  );
  for (const { node, events } of nodes) for (const line of events) console.log(`    ${node.id} ${line}`);
}

async function fourthNode(world: Scenario, how: "log" | "snapshot"): Promise<void> {
  const more = how === "log" ? [] : ["-cluster_trailing_logs", "100"];
  const cluster = await Cluster.ofThree(world, carrier, {}, ...more);
  const client = await world.client(cluster.url, "publisher", { ackTimeout: 60_000 });
  const text = "x".repeat(SIZE);
  const many = how === "log" ? MESSAGES : MESSAGES - 14_000;
  for (let sent = 0; sent < many; sent += 2000) {
    await Promise.all(Array.from({ length: 2000 }, () => client.publish("foo", text)));
  }
  if (how === "snapshot") {
    // Entries are what a snapshot is taken for: these are few to an entry.
    for (let sent = many; sent < MESSAGES; sent++) await client.publish("foo", text);
    await eventually(
      async () => Deno.readDirSync(`${world.folder}/log-a/test-cluster/snapshots`).some(() => true) || undefined,
      "a snapshot",
      60_000,
    );
  }
  const begun = performance.now();
  const fourth = timed(cluster.start("d", "-cluster_node_id", "d", ...more), begun);
  await eventually(
    async () => {
      const page = await fourth.node.fetch<{ last_seq: number }>("/streaming/channelsz?channel=foo");
      return page?.last_seq === MESSAGES || undefined;
    },
    "all messages on the fourth node",
    60_000,
  );
  const took = performance.now() - begun;
  const process = cpu(fourth.node);
  await fourth.node.process.line(/cluster members: a, b, c, d$/);
  const voter = performance.now() - begun;
  const bySnapshot = fourth.node.process.lines.some((line) => line.includes("installed snapshot"));
  console.log(
    `  ${took.toFixed(0)} ms to the last of ${MESSAGES} messages of ${SIZE} B (${
      bySnapshot ? "by a snapshot" : "by the log"
    }), ` +
      `${voter.toFixed(0)} ms to a vote; CPU of the node ${process.toFixed(2)} s`,
  );
  for (const line of fourth.events) console.log(`    ${line}`);
}

if (import.meta.main) {
  const [part = ""] = Deno.args;
  if ("cold".includes(part)) {
    for (let run = 1; run <= 3; run++) {
      await measured(`cold start of three nodes, run ${run} (${carrier} NATS server)`, coldStart);
    }
  }
  if ("log".includes(part)) await measured("a fourth node, by the log", (world) => fourthNode(world, "log"));
  if ("snapshot".includes(part)) {
    await measured("a fourth node, by a snapshot", (world) => fourthNode(world, "snapshot"));
  }
}
