/**
 * A cluster of three real processes loses its leader again and again under publishers; afterwards every acknowledged
 * message must be there once, in sequence. Prints how long publishers waited. FAILOVER_ROUNDS changes how often: by
 * default a few of each kind.
 */
import assert from "node:assert/strict";
import { carriers, Cluster, type ClusterNode } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { StanClient } from "../support/stan_client.ts";

const ROUNDS = Number(Deno.env.get("FAILOVER_ROUNDS") ?? "2");
const ACK_TIMEOUT = 4_000;
const SYNCHRONOUS = 4;
/** Messages a second of the publisher that does not wait. */
const STEADY_RATE = 300;
const PAUSE_BETWEEN_ROUNDS = 1_500;

/** Publishers at work, and what became of their messages. */
class Load {
  readonly acked = new Set<string>();
  readonly failed: string[] = [];
  /** When each acknowledgement came, milliseconds. */
  readonly #times: number[] = [];
  #stopped = false;
  #outstanding = 0;
  readonly #workers: Promise<void>[] = [];

  constructor(clients: readonly StanClient[], steady: StanClient) {
    clients.forEach((client, i) => this.#workers.push(this.#oneByOne(client, `s${i}`)));
    this.#workers.push(this.#steadily(steady));
  }

  /** The longest time without any acknowledgement since `from`. */
  gapSince(from: number): number {
    const times = [from, ...this.#times.filter((time) => time > from), performance.now()];
    return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
    await eventually(() => this.#outstanding === 0 || undefined, "the last acknowledgements");
  }

  async #oneByOne(client: StanClient, name: string): Promise<void> {
    for (let i = 0; !this.#stopped; i++) await this.#publish(client, `${name} ${i}`);
  }

  async #steadily(client: StanClient): Promise<void> {
    const start = performance.now();
    for (let i = 0; !this.#stopped; i++) {
      void this.#publish(client, `steady ${i}`);
      const due = start + i * 1_000 / STEADY_RATE;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    }
  }

  async #publish(client: StanClient, text: string): Promise<void> {
    this.#outstanding++;
    try {
      await client.publish("foo", text);
      this.acked.add(text);
      this.#times.push(performance.now());
    } catch (error) {
      this.failed.push(`${text}: ${error instanceof Error ? error.message : error}`);
    }
    this.#outstanding--;
  }
}

/** Does `harm` to the leader `rounds` times under load, and checks everything afterwards. */
async function endure(
  world: Scenario,
  what: string,
  rounds: number,
  harm: (cluster: Cluster, leader: ClusterNode) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.ofThree(world, carriers[carriers.length - 1]!);
  const options = { ackTimeout: ACK_TIMEOUT };
  const clients = await Promise.all(
    Array.from({ length: SYNCHRONOUS }, (_, i) => world.client(cluster.url, `sync${i}`, options)),
  );
  const load = new Load(clients, await world.client(cluster.url, "steady", options));
  const gaps: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const leader = await cluster.leader();
    const start = performance.now();
    await harm(cluster, leader);
    await cluster.leader();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_BETWEEN_ROUNDS));
    gaps.push(load.gapSince(start));
  }
  await load.stop();
  await checkEverything(world, cluster, load);
  gaps.sort((a, b) => a - b);
  const shown = gaps.map((gap) => Math.round(gap));
  console.log(
    `${what}: ${rounds} rounds, ${load.acked.size} acked, ${load.failed.length} not; gaps in acks ms: ` +
      `median ${shown[Math.floor(shown.length / 2)]}, maximum ${shown[shown.length - 1]} (${shown.join(" ")})`,
  );
  if (load.failed.length > 0) console.log(load.failed.slice(0, 5).join("\n"));
}

async function checkEverything(world: Scenario, cluster: Cluster, { acked }: Load): Promise<void> {
  const reader = await world.client(cluster.url, "reader");
  const all = await reader.subscribe("foo", { start: "first", maxInFlight: 5_000 });
  const last = await reader.publish("foo", "the end").then(() =>
    eventually(
      () => all.received.find(({ text }) => text === "the end")?.sequence,
      "the last message",
      60_000,
    )
  );
  const bySequence = new Map(all.received.map(({ sequence, text }) => [sequence, text]));
  for (let sequence = 1; sequence <= last; sequence++) {
    assert.ok(bySequence.has(sequence), `sequence ${sequence} is missing`);
  }
  const stored = [...bySequence.values()];
  assert.equal(new Set(stored).size, stored.length, "a message is stored twice");
  const texts = new Set(stored);
  for (const text of acked) assert.ok(texts.has(text), `"${text}" was acknowledged and is not there`);
}

async function restarted(cluster: Cluster, leader: ClusterNode): Promise<void> {
  await cluster.leader();
  cluster.start(leader.id);
}

scenario(`${ROUNDS} times: the leader is killed under load`, async (world) => {
  await endure(world, "SIGKILL of the leader", ROUNDS, async (cluster, leader) => {
    await leader.process.kill();
    await restarted(cluster, leader);
  });
});

scenario(`${ROUNDS} times: the leader is asked to end under load`, async (world) => {
  await endure(world, "SIGTERM of the leader", ROUNDS, async (cluster, leader) => {
    assert.equal(await leader.process.terminate(), 143);
    await restarted(cluster, leader);
  });
});

scenario(`${ROUNDS} times: the leader is stopped for a while under load`, async (world) => {
  await endure(world, "SIGSTOP and SIGCONT of the leader", ROUNDS, async (cluster, leader) => {
    leader.process.signal("SIGSTOP");
    const others = [...cluster.nodes.values()].filter((node) => node !== leader);
    await eventually(async () => {
      const roles = await Promise.all(others.map((node) => node.page()));
      return roles.some((page) => page?.role === "Leader") || undefined;
    }, "another leader");
    leader.process.signal("SIGCONT");
  });
});

scenario("all nodes are killed at once under load", async (world) => {
  await endure(world, "SIGKILL of all nodes", Math.ceil(ROUNDS / 2), async (cluster) => {
    await Promise.all([...cluster.nodes.values()].map(({ process }) => process.kill()));
    for (const id of cluster.nodes.keys()) cluster.start(id);
    await cluster.leader();
  });
});
