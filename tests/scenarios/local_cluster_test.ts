/** `deno task cluster`: three processes from three configuration files, meshed by routes, and no other NATS server. */
import assert from "node:assert/strict";
import { portsFrom } from "../../scripts/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { isOwnServer, ServerProcess } from "../support/server_process.ts";
import { type Scenario, scenario } from "../support/scenario.ts";

const script = decodeURIComponent(new URL("../../scripts/cluster.ts", import.meta.url).pathname);

scenario(
  "TS14: clients on any of the three nodes see the same messages, and an interrupt ends all three",
  async (world) => {
    const first = freeRange();
    const ports = portsFrom(first);
    const command = [Deno.execPath(), "run", "-A", "--no-check", script];
    const process = new ServerProcess([String(first), `${world.folder}/cluster`], { command });
    world.servers.push(process);
    try {
      await useCluster(world, ports);
    } finally {
      // Killing the script would leave its nodes behind.
      await process.terminate("SIGINT");
    }
    const output = await process.output;
    for (const name of ["a", "b", "c"]) assert.match(output, new RegExp(`^${name} \\| ended with (0|143)$`, "m"));
  },
  { ignore: !isOwnServer },
);

async function useCluster(world: Scenario, ports: ReturnType<typeof portsFrom>): Promise<void> {
  const roles = await eventually(
    async () => {
      const pages = await Promise.all(ports.map(({ monitor }) => page(monitor)));
      return pages.some((one) => one?.role === "Leader") && pages.every((one) => one !== undefined) ? pages : undefined;
    },
    "a leader among three nodes",
    40_000,
  );
  assert.deepEqual(roles.map((one) => one!.node_id), ["a", "b", "c"]);

  const clients = await Promise.all(
    ports.map(({ client }, i) =>
      eventually(
        () =>
          world.client(`nats://127.0.0.1:${client}`, `client-${i}`, { connectTimeout: 1000 }).catch(() => undefined),
        `client ${i} connected`,
      )
    ),
  );
  const subscriptions = await Promise.all(clients.map((client) => client.subscribe("foo", { start: "first" })));
  for (const [i, client] of clients.entries()) await client.publish("foo", `from ${i}`);
  for (const subscription of subscriptions) {
    const messages = await subscription.takeDistinct(3);
    assert.deepEqual(messages.map(({ sequence, text }) => [sequence, text]), [[1, "from 0"], [2, "from 1"], [
      3,
      "from 2",
    ]]);
  }
  for (const client of clients) await client.close();
}

interface Page {
  readonly role: string;
  readonly node_id: string;
}

async function page(port: number): Promise<Page | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/streaming/serverz`, { signal: AbortSignal.timeout(2000) });
    const text = await response.text();
    return response.ok ? JSON.parse(text) as Page : undefined;
  } catch {
    return undefined;
  }
}

/** A first port from which all that the script derives are free. */
function freeRange(): number {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 6_000);
    const wanted = portsFrom(first).flatMap(({ client, monitor, route }) => [client, monitor, route]);
    if (wanted.every(isFree)) return first;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}
