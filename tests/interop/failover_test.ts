/**
 * A cluster of three real processes loses its leader again and again under publishers; afterwards every acknowledged
 * message must be there once, in sequence. Prints a table of how long publishers waited.
 *
 * Short by default, and then without a word about goals, which a busy machine cannot reach. The whole series, 30 SIGKILL
 * of the leader, 10 SIGTERM, 10 SIGSTOP with SIGCONT and 5 SIGKILL of all nodes, where missing a goal is a failure, takes
 * about six minutes on a quiet machine with two cores:
 * `FAILOVER_SERIES=whole deno test -A tests/interop/failover_test.ts`; `FAILOVER_ONLY=SIGTERM` chooses by name.
 */
import assert from "node:assert/strict";
import { configuration } from "../../scripts/cluster.ts";
import { carriers, Cluster, type ClusterNode } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { CHANNEL, checkAll, medianAndMaximum, PublishingLoad, readAll } from "../support/publishing_load.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import { freePorts, isOwnServer } from "../support/server_process.ts";
import type { StanClient } from "../support/stan_client.ts";

const whole = Deno.env.get("FAILOVER_SERIES") === "whole";
/** Only kinds of harm with this in their name. */
const only = Deno.env.get("FAILOVER_ONLY") ?? "";
const ACK_TIMEOUT = 4_000;
const SYNCHRONOUS = 4;

interface Kind {
  readonly what: string;
  readonly rounds: number;
  harm(cluster: Cluster, leader: ClusterNode): Promise<void>;
  /** The most that gaps in acknowledgements may last, milliseconds, and how many publishes may fail. */
  readonly goal?: { readonly median?: number; readonly maximum?: number; readonly failed: number };
}

const kinds: readonly Kind[] = [
  {
    what: "SIGKILL of the leader",
    rounds: whole ? 30 : 3,
    async harm(cluster, leader) {
      await leader.process.kill();
      await startedAgain(cluster, leader);
    },
    goal: { median: 1_000, maximum: 2_500, failed: 0 },
  },
  {
    what: "SIGTERM of the leader",
    rounds: whole ? 10 : 2,
    async harm(cluster, leader) {
      assert.equal(await leader.process.terminate(), 143);
      await startedAgain(cluster, leader);
    },
    goal: { maximum: 300, failed: 0 },
  },
  {
    what: "SIGSTOP and SIGCONT of the leader",
    rounds: whole ? 10 : 2,
    async harm(cluster, leader) {
      leader.process.signal("SIGSTOP");
      const others = [...cluster.nodes.values()].filter((node) => node !== leader);
      await eventually(async () => {
        const pages = await Promise.all(others.map((node) => node.page()));
        return pages.some((page) => page?.role === "Leader") || undefined;
      }, "another leader");
      leader.process.signal("SIGCONT");
    },
    goal: { failed: 0 },
  },
  {
    what: "SIGKILL of all nodes",
    rounds: whole ? 5 : 1,
    async harm(cluster) {
      await Promise.all([...cluster.nodes.values()].map(({ process }) => process.kill()));
      for (const id of cluster.nodes.keys()) cluster.start(id);
    },
  },
];

async function startedAgain(cluster: Cluster, leader: ClusterNode): Promise<void> {
  await cluster.leader();
  cluster.start(leader.id);
}

/** Resolves when each node has what the leader has now: any of them may be lost next. */
async function allCaughtUp(cluster: Cluster): Promise<void> {
  const last = (node: ClusterNode) => node.fetch<{ last_seq: number }>(`/streaming/channelsz?channel=${CHANNEL}`);
  const wanted = await eventually(async () => (await last(await cluster.leader()))?.last_seq, "the leader's page");
  await eventually(
    async () => {
      const pages = await Promise.all([...cluster.nodes.values()].map(last));
      return pages.every((page) => page !== undefined && page.last_seq >= wanted) || undefined;
    },
    "all nodes to catch up",
    60_000,
  );
}

interface Row {
  readonly kind: string;
  readonly rounds: number;
  readonly acked: number;
  readonly failed: number;
  /** Milliseconds. */
  readonly median: number;
  readonly maximum: number;
}

/** Does one kind of harm again and again. */
async function endure(cluster: Cluster, load: PublishingLoad, kind: Kind): Promise<Row> {
  const [acked, failed] = [load.acked.size, load.failed.length];
  const gaps: number[] = [];
  for (let round = 0; round < kind.rounds; round++) {
    const leader = await cluster.leader();
    const start = performance.now();
    await kind.harm(cluster, leader);
    await load.goesOn();
    await allCaughtUp(cluster);
    gaps.push(load.gapSince(start));
  }
  await load.settled();
  console.log(`${kind.what}: gaps in acks ms ${gaps.map(Math.round).join(" ")}`);
  return {
    kind: kind.what,
    rounds: kind.rounds,
    acked: load.acked.size - acked,
    failed: load.failed.length - failed,
    ...medianAndMaximum(gaps),
  };
}

function misses({ what, goal }: Kind, row: Row): string[] {
  const goals = Object.entries(goal ?? {}) as ["median" | "maximum" | "failed", number][];
  return goals.filter(([name, most]) => row[name] > most).map(([name, most]) =>
    `${what}: ${name} ${row[name]} is above ${most}`
  );
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => [row.kind, row.rounds, row.acked, row.failed, row.median, row.maximum]);
  const all = [["", "rounds", "acked", "failed", "median gap ms", "maximum gap ms"], ...lines];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => String(line[column]).length)));
  return all.map((line) =>
    line.map((cell, column) =>
      column === 0 ? String(cell).padEnd(widths[column]!) : String(cell).padStart(widths[column]!)
    ).join("  ")
  ).join("\n");
}

scenario("leaders are killed, asked to end and paused, and all nodes killed, under load", async (world) => {
  const cluster = await Cluster.ofThree(world, carriers[carriers.length - 1]!);
  // Leaders die here more often than clients ping: by chance several pings in a row go nowhere.
  const options = { ackTimeout: ACK_TIMEOUT, stanMaxPingOut: 60 };
  const clients = await Promise.all(
    Array.from({ length: SYNCHRONOUS }, (_, i) => world.client(cluster.url, `sync${i}`, options)),
  );
  const load = new PublishingLoad(clients, await world.client(cluster.url, "steady", options));
  await load.goesOn();
  const rows: Row[] = [];
  const chosen = kinds.filter(({ what }) => what.includes(only));
  for (const kind of chosen) rows.push(await endure(cluster, load, kind));
  await load.stop();
  const stored = checkAll(await readAll(await world.client(cluster.url, "reader")), load.acked);
  console.log(table(rows));
  console.log(`${stored.length} messages are stored, every acknowledged one of them once and no sequence missing`);
  if (load.failed.length > 0) {
    console.log(load.failed.slice(0, 5).map(({ text, reason }) => `${text}: ${reason}`).join("\n"));
  }
  if (whole) assert.deepEqual(chosen.flatMap((kind, i) => misses(kind, rows[i]!)), []);
});

/** A server that brings its NATS server along. */
interface Host {
  readonly url: string;
  readonly monitor: string;
  readonly file: string;
  process: ReturnType<Scenario["launch"]>;
}

const HOST_ROUNDS = whole ? 3 : 1;
/** Messages a second of the publisher on each host. */
const HOST_RATE = 50;

scenario(
  "each of three hosts with a NATS server inside is killed in turn, and its clients go to the others",
  async (world) => {
    const hosts = await startHosts(world);
    const acked = new Set<string>();
    const outcomes = new Map<string, { gaps: number[]; loads: PublishingLoad[] }>();
    for (let kill = 0; kill < HOST_ROUNDS * hosts.length; kill++) {
      const dead = kill % hosts.length;
      const led = await roleOf(hosts[dead]!) === "Leader" ? "the leader's host" : "a follower's host";
      const { loads, gaps } = await killUnderLoad(world, hosts, dead, `kill ${kill}`);
      for (const [i, load] of loads.entries()) {
        const group = `${led}: ${i === dead ? "its clients" : "clients of others"}`;
        const outcome = outcomes.get(group) ?? { gaps: [], loads: [] };
        outcomes.set(group, outcome);
        outcome.gaps.push(gaps[i]!);
        outcome.loads.push(load);
        for (const text of load.acked) acked.add(text);
      }
    }
    checkAll(await readAll(await clientOf(world, hosts, 0, "reader")), acked);
    const rows = [...outcomes].map(([kind, { gaps, loads }]) => ({
      kind,
      rounds: loads.length,
      acked: loads.reduce((sum, load) => sum + load.acked.size, 0),
      failed: loads.reduce((sum, load) => sum + load.failed.length, 0),
      ...medianAndMaximum(gaps),
    }));
    console.log(table(rows));
  },
  { ignore: !isOwnServer },
);

/** Kills a host and starts it again while each host has a publisher. Answers what each publisher saw. */
async function killUnderLoad(
  world: Scenario,
  hosts: readonly Host[],
  dead: number,
  name: string,
): Promise<{ loads: PublishingLoad[]; gaps: number[] }> {
  const clients = await Promise.all(hosts.map((_, i) => clientOf(world, hosts, i, `${name.replace(" ", "-")}-${i}`)));
  const loads = clients.map((client, i) => new PublishingLoad([], client, { name: `${name} ${i}`, rate: HOST_RATE }));
  await Promise.all(loads.map((load) => load.goesOn()));
  const start = performance.now();
  const host = hosts[dead]!;
  await host.process.kill();
  await Promise.all(loads.map((load) => load.goesOn()));
  host.process = world.launch(["-c", host.file]);
  await eventually(async () => await roleOf(host) === "Follower" || undefined, "the host to be back");
  await Promise.all(loads.map((load) => load.goesOn()));
  const gaps = loads.map((load) => load.gapSince(start));
  await Promise.all(loads.map((load) => load.stop()));
  await Promise.all(clients.map((client) => client.close()));
  return { loads, gaps };
}

async function startHosts(world: Scenario): Promise<Host[]> {
  const free = freePorts(9);
  const ports = [0, 1, 2].map((i) => ({ client: free[i]!, monitor: free[3 + i]!, route: free[6 + i]! }));
  const hosts = ports.map(({ client, monitor }, i) => {
    const file = `${world.folder}/${i}.conf`;
    Deno.writeTextFileSync(file, configuration(i, ports, world.folder));
    const process = world.launch(["-c", file]);
    return { url: `nats://127.0.0.1:${client}`, monitor: `http://127.0.0.1:${monitor}`, file, process };
  });
  await eventually(async () => {
    const roles = await Promise.all(hosts.map(roleOf));
    return roles.every((role) => role === "Leader" || role === "Follower") || undefined;
  }, "all hosts to have a leader");
  return hosts;
}

/**
 * A client that prefers one host and goes to another when that is gone. A connect request may come before the leader, or
 * before the hosts have told each other where it is: then nobody answers, and the next one is.
 */
function clientOf(
  world: Scenario,
  hosts: readonly { url: string }[],
  preferred: number,
  id: string,
): Promise<StanClient> {
  const servers = hosts.map((_, i) => hosts[(i + preferred) % hosts.length]!.url);
  const reconnecting = { noRandomize: true, reconnectTimeWait: 100, maxReconnectAttempts: -1 };
  const options = { servers, connectTimeout: 1_000, ackTimeout: ACK_TIMEOUT, ...reconnecting };
  let tries = 0;
  return eventually(
    () => world.client(servers[0]!, `${id}-${++tries}`, options).catch(() => undefined),
    `a client of ${servers[0]}`,
  );
}

async function roleOf({ monitor }: { readonly monitor: string }): Promise<string | undefined> {
  try {
    const page = await fetch(`${monitor}/streaming/serverz`, { signal: AbortSignal.timeout(2_000) });
    return (await page.json()).role;
  } catch {
    return undefined;
  }
}
