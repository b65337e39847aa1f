/** Three hosts, each with one configuration file of NATS and streaming settings and no other NATS server, lost one after the other. */
import assert from "node:assert/strict";
import { configuration } from "../../scripts/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { freePorts, isOwnServer, type ServerProcess } from "../support/server_process.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { Received, StanClient, StanSubscription } from "../support/stan_client.ts";

const names = ["a", "b", "c"];

interface Host {
  readonly url: string;
  readonly file: string;
  process: ServerProcess;
}

scenario(
  "each of three hosts is killed in turn: clients of the others go on, and nothing acknowledged is lost",
  async (world) => {
    const hosts = startHosts(world);
    const published: string[] = [];
    for (const [i, host] of hosts.entries()) {
      const other = hosts[(i + 1) % hosts.length]!;
      const client = await connect(world, other, `publisher-${i}`);
      await publish(client, published, 20);
      await host.process.kill();
      await publish(client, published, 20);
      host.process = world.launch(["-c", host.file]);
      const back = await connect(world, host, `back-${i}`);
      await publish(back, published, 10);
      await back.close();
      await client.close();
    }
    for (const [i, host] of hosts.entries()) {
      const client = await connect(world, host, `reader-${i}`);
      const subscription = await client.subscribe("foo", { start: "first" });
      const got = distinct(await readTo(subscription, published.at(-1)!));
      assert.deepEqual(got.map(({ sequence }) => sequence), got.map((_, at) => at + 1));
      // A message sent again may be there twice: its first acknowledgement was lost, not the message.
      assert.deepEqual([...new Set(got.map(({ text }) => text))], published);
      await client.close();
    }
  },
  { ignore: !isOwnServer },
);

async function readTo(subscription: StanSubscription, last: string): Promise<Received[]> {
  const got: Received[] = [];
  while (got.at(-1)?.text !== last) got.push(...await subscription.take(1));
  return got;
}

/** Without repetitions: any message may come again when another node begins to lead. */
function distinct(got: readonly Received[]): Received[] {
  const sequences = new Set<number>();
  return got.filter(({ sequence }) => !sequences.has(sequence) && sequences.add(sequence));
}

function startHosts(world: Scenario): Host[] {
  const free = freePorts(9);
  const ports = names.map((_, i) => ({ client: free[i]!, monitor: free[3 + i]!, route: free[6 + i]! }));
  return names.map((name, i) => {
    const file = `${world.folder}/${name}.conf`;
    Deno.writeTextFileSync(file, configuration(i, ports, world.folder));
    return { url: `nats://127.0.0.1:${ports[i]!.client}`, file, process: world.launch(["-c", file]) };
  });
}

/** A client of one host, once there is a leader that this host reaches. */
function connect(world: Scenario, host: Host, clientId: string): Promise<StanClient> {
  let tries = 0;
  return eventually(
    () =>
      world.client(host.url, `${clientId}-${++tries}`, { connectTimeout: 1_000, ackTimeout: 2_000 }).catch(() =>
        undefined
      ),
    `a client of ${host.url}`,
    40_000,
  );
}

/** Publishes one after the other. While there is no leader a message is not acknowledged, and sent again. */
async function publish(client: StanClient, published: string[], count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const text = String(published.length + 1);
    await eventually(() => client.publish("foo", text).then(() => true, () => undefined), "an acknowledgement", 60_000);
    published.push(text);
  }
}
