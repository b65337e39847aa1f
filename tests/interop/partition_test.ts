/**
 * Three hosts whose network breaks in every way, again and again under publishers: afterwards every acknowledged message
 * is there once, in sequence and alike on all hosts, a leader that was cut off has acknowledged nothing, and whoever
 * could reach the other two hosts got each message acknowledged. Prints how long publishers waited. PARTITION_ROUNDS changes how often each fault is made (1).
 *
 * Needs Linux, root and iproute2; says so and skips otherwise. Alone:
 * `PARTITION_ROUNDS=3 deno test -A tests/interop/partition_test.ts`
 */
import assert from "node:assert/strict";
import { silentLog } from "../../src/ports/log.ts";
import { openFileStore } from "../../src/store/mod.ts";
import { systemClock, systemFiles, systemRandom } from "../../src/system/mod.ts";
import { ClusterNode } from "../support/cluster.ts";
import { eventually } from "../support/deadline.ts";
import { Hosts, networkScenario } from "../support/hosts.ts";
import { natsServerPath } from "../support/nats_server.ts";
import { CHANNEL, checkAll, type Failed, PublishingLoad, readAll } from "../support/publishing_load.ts";
import type { Scenario } from "../support/scenario.ts";
import { serverCommand, type ServerProcess } from "../support/server_process.ts";
import type { StanClient } from "../support/stan_client.ts";
import { limitsWith, messagesOf, start, textOf } from "../support/store_messages.ts";

const ROUNDS = Number(Deno.env.get("PARTITION_ROUNDS") ?? "1");
const NAMES = ["a", "b", "c"];
/** How long each fault lasts, milliseconds: several elections. */
const FAULT = 6_000;
/** An acknowledgement sent before the change of leader may be noticed so much later, milliseconds. */
const NOTICED_LATE = 1_000;
const SYNCHRONOUS = 4;

interface Fault {
  readonly what: string;
  /** Whether another host must lead meanwhile. */
  readonly deposes: boolean;
  /** Breaks the network around the leader, or mends it. */
  change(hosts: Hosts, leader: string, others: readonly string[], broken: boolean): Promise<void>;
}

/** Makes messages from one host to another get lost, or arrive again. */
function loss(hosts: Hosts, from: string, to: string, lost: boolean): Promise<void> {
  return lost ? hosts.lose(from, to) : hosts.restore(from, to);
}

const faults: readonly Fault[] = [
  {
    what: "the leader is unplugged",
    deposes: true,
    change: (hosts, leader, _others, broken) => hosts.plug(leader, !broken),
  },
  {
    what: "nobody hears the leader",
    deposes: true,
    async change(hosts, leader, others, broken) {
      for (const other of others) await loss(hosts, leader, other, broken);
    },
  },
  {
    what: "the leader hears nobody",
    deposes: true,
    async change(hosts, leader, others, broken) {
      for (const other of others) await loss(hosts, other, leader, broken);
    },
  },
  {
    what: "the leader and one follower do not reach each other",
    deposes: false,
    async change(hosts, leader, [follower], broken) {
      await loss(hosts, leader, follower!, broken);
      await loss(hosts, follower!, leader, broken);
    },
  },
  {
    what: "a follower is unplugged",
    deposes: false,
    change: (hosts, _leader, [follower], broken) => hosts.plug(follower!, !broken),
  },
];

/** Three hosts with a server each, and a publisher beside each server. */
class Site {
  readonly nodes = new Map<string, ClusterNode>();
  readonly loners = new Map<string, ServerProcess>();

  constructor(readonly world: Scenario, readonly hosts: Hosts) {}

  static async make(world: Scenario, external: boolean): Promise<Site> {
    const hosts = await Hosts.make(NAMES);
    const site = new Site(world, hosts);
    if (external) await Promise.all(NAMES.map((name) => site.#startNats(name)));
    for (const name of NAMES) site.#startNode(name, external);
    await site.leader();
    for (const name of NAMES) site.#startLoner(name);
    await site.eachHostServes();
    return site;
  }

  #file(name: string, text: string): string {
    const path = `${this.world.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Listening to clients, and to the NATS servers of the other hosts. */
  #natsSettings(name: string): string {
    const routes = NAMES.filter((other) => other !== name).map((other) => `"nats://${this.hosts.address(other)}:6222"`);
    return `port: 4222\ncluster { name: site, listen: "0.0.0.0:6222", routes: [${routes.join(", ")}] }\n`;
  }

  async #startNats(name: string): Promise<void> {
    const file = this.#file(`nats-${name}.conf`, this.#natsSettings(name));
    const command = this.hosts.command(name, [natsServerPath!]);
    await this.world.launch(["-c", file], { command }).line(/Server is ready$/);
  }

  #startNode(name: string, external: boolean): void {
    const peers = NAMES.filter((other) => other !== name).map((other) => `"${other}"`);
    const file = this.#file(
      `${name}.conf`,
      `${external ? "" : this.#natsSettings(name)}http: 8222
streaming {
  id: test-cluster
  store: file
  dir: "store-${name}"
  ${external ? 'nats_server_url: "nats://127.0.0.1:4222"' : ""}
  cluster { node_id: "${name}", peers: [${peers.join(", ")}], log_path: "log-${name}" }
}
`,
    );
    const process = this.world.launch(["-c", file], { command: this.hosts.command(name, serverCommand()) });
    this.nodes.set(name, new ClusterNode(name, process, `http://${this.hosts.address(name)}:8222`, []));
  }

  #startLoner(name: string): void {
    const script = new URL("../support/lone_publisher.ts", import.meta.url).pathname;
    const runScript = [...serverCommand().slice(0, -1), script, "nats://127.0.0.1:4222", `alone-${name}`, CHANNEL];
    this.loners.set(name, this.world.launch([], { command: this.hosts.command(name, runScript) }));
  }

  /** The only one of some hosts that leads and is done with its promotion, once there is one. */
  leader(among: readonly string[] = NAMES): Promise<string> {
    return eventually(async () => {
      const roles = await Promise.all(among.map(async (name) => (await this.nodes.get(name)!.page())?.role));
      const leading = among.filter((name, i) => roles[i] === "Leader" && this.nodes.get(name)!.promoted);
      return leading.length === 1 ? leading[0] : undefined;
    }, `a single leader among ${among}`);
  }

  /** Resolves when a message that is published from now on has been acknowledged on each host. */
  async eachHostServes(): Promise<void> {
    const acks = [...this.loners.values()].map(async (loner) => {
      // The first one may have been published before.
      const { index } = await nextAck(loner, loner.lines.length);
      await nextAck(loner, index + 1);
    });
    await Promise.all(acks);
  }

  /** A client outside of the hosts that prefers one of them and knows all. */
  client(id: string, preferred: number): Promise<StanClient> {
    const servers = NAMES.map((_, i) => `nats://${this.hosts.address(NAMES[(i + preferred) % NAMES.length]!)}:4222`);
    return this.world.client(servers[0]!, id, {
      servers,
      noRandomize: true,
      ackTimeout: 4_000,
      pingInterval: 1_000,
      maxPingOut: 1,
      reconnectTimeWait: 100,
      maxReconnectAttempts: -1,
    });
  }

  /** Texts that the publishers beside the servers got acknowledged between two moments of the wall clock. */
  acksOn(name: string, from = 0, to = Infinity): string[] {
    return this.loners.get(name)!.lines.flatMap((line) => {
      const [, time, text] = /^acked (\d+) (.*)$/.exec(line) ?? [];
      return text !== undefined && Number(time) >= from && Number(time) < to ? [text] : [];
    });
  }
}

async function nextAck(loner: ServerProcess, from: number): Promise<{ index: number }> {
  await loner.line(/^acked /, { from });
  return { index: loner.lines.findIndex((line, i) => i >= from && line.startsWith("acked ")) };
}

/**
 * Whether a publisher could not have got its message acknowledged in time: it was at the host that was cut off then, and its
 * library, which publishes nothing again, goes to another host only when that one answers no pings. After the `end` the
 * route between the hosts comes back when TCP tries again; by then the host was `served`.
 */
function isExplained(failed: Failed, cutOff: string, end: number, served: number): boolean {
  return failed.server === `${cutOff}:4222` && (failed.published < end || failed.ended < served);
}

/** Makes one fault under publishers that are spread over the hosts, and ends it. Tells how they fared. */
async function round(site: Site, fault: Fault, name: string): Promise<PublishingLoad> {
  const leader = await site.leader();
  const others = NAMES.filter((other) => other !== leader);
  const clients = await Promise.all(Array.from({ length: SYNCHRONOUS + 1 }, (_, i) => site.client(`${name}-${i}`, i)));
  const load = new PublishingLoad(clients.slice(1), clients[0]!, { name });
  await load.goesOn();
  const begin = performance.now();
  await fault.change(site.hosts, leader, others, true);
  let deposed = Infinity;
  if (fault.deposes) {
    await site.leader(others);
    deposed = Date.now();
  }
  await new Promise((resolve) => setTimeout(resolve, begin + FAULT - performance.now()));
  const [healed, end] = [Date.now(), performance.now()];
  await fault.change(site.hosts, leader, others, false);
  await Promise.all([site.leader(), site.eachHostServes(), load.goesOn()]);
  const served = performance.now();
  const recovery = Math.round(served - end);
  assert.deepEqual(site.acksOn(leader, deposed + NOTICED_LATE, healed), [], "a leader that was cut off acknowledged");
  if (!fault.deposes) assert.equal(await site.leader(), leader, "a leader with a majority must stay");
  const gap = load.gapSince(begin);
  await load.stop();
  // What travels between NATS servers takes one hop: this host alone has no way to the leader, though others reach both.
  const cutOff = site.hosts.address(fault.deposes ? leader : others[0]!);
  const unexplained = load.failed.filter((failed) => !isExplained(failed, cutOff, end, served));
  console.log(
    `${fault.what}: longest gap in acks ${
      Math.round(gap)
    } ms; every host and publisher was served ${recovery} ms after ` +
      `the end; ${load.acked.size} messages acknowledged, not acknowledged ${
        load.failed.length - unexplained.length
      } ` +
      `of clients of the host that was cut off and ${unexplained.length} others`,
  );
  assert.deepEqual(unexplained.slice(0, 5), [], `begun at ${begin}, ended at ${end}: publishers that reach the leader`);
  for (const client of clients) client.abandon();
  return load;
}

async function breakTheNetwork(world: Scenario, external: boolean): Promise<void> {
  const site = await Site.make(world, external);
  const acked = new Set<string>();
  for (let i = 0; i < ROUNDS; i++) {
    for (const [j, fault] of faults.entries()) {
      for (const text of (await round(site, fault, `round-${i}-${j}`)).acked) acked.add(text);
    }
  }
  for (const [name, loner] of site.loners) {
    await loner.terminate();
    for (const text of site.acksOn(name)) acked.add(text);
  }
  const stored = checkAll(await readAll(await site.client("reader", 0)), acked);
  console.log(`${acked.size} messages acknowledged, ${stored.length} stored, alike on all hosts`);
  await allAgree(site, stored);
}

/** Stops all nodes, and compares what each has on its disk. */
async function allAgree(site: Site, stored: readonly string[]): Promise<void> {
  await eventually(async () => {
    const pages = await Promise.all(
      [...site.nodes.values()].map((node) =>
        node.fetch<{ last_seq: number }>(`/streaming/channelsz?channel=${CHANNEL}`)
      ),
    );
    return pages.every((page) => page?.last_seq === stored.length) || undefined;
  }, "all nodes to have all messages");
  for (const { process } of site.nodes.values()) await process.terminate();
  const ports = { files: systemFiles(), clock: systemClock(), random: systemRandom(), log: silentLog };
  for (const name of NAMES) {
    const store = openFileStore({ limits: limitsWith({}), directory: `${site.world.folder}/store-${name}` }, ports);
    const { messages } = (await start(store)).channels.get(CHANNEL)!.store;
    assert.deepEqual((await messagesOf(messages)).map(textOf), stored, `the messages of ${name}`);
    await store.close();
  }
}

networkScenario(
  import.meta.url,
  "three hosts with a configuration file each go through every fault of their network",
  (world) => breakTheNetwork(world, false),
);

networkScenario(
  import.meta.url,
  "three hosts with a NATS server of another maker each go through every fault of their network",
  (world) => breakTheNetwork(world, true),
  { ignore: natsServerPath === undefined },
);
