/** A cluster of real processes for scenarios: nodes against one NATS server that is not theirs. */
import { eventually } from "./deadline.ts";
import { natsServerPath, startNatsServer } from "./nats_server.ts";
import type { Scenario } from "./scenario.ts";
import { freePorts, type LaunchOptions, type ServerProcess } from "./server_process.ts";

/** Which NATS server carries the cluster: this project's embedded one run alone, or the real one. */
export type Carrier = "embedded" | "real";

/** The carriers that this machine has. */
export const carriers: readonly Carrier[] = natsServerPath === undefined ? ["embedded"] : ["embedded", "real"];

/** What `/streaming/serverz` says of a node. */
export interface NodePage {
  readonly role: string;
  readonly node_id: string;
  readonly state: string;
  readonly clients: number;
  readonly total_msgs: number;
}

export class Cluster {
  readonly url: string;
  readonly nodes = new Map<string, ClusterNode>();
  readonly #world: Scenario;
  readonly #launch: LaunchOptions;

  private constructor(world: Scenario, url: string, launch: LaunchOptions) {
    this.#world = world;
    this.url = url;
    this.#launch = launch;
  }

  /** Starts the NATS server; nodes come with {@link start}. */
  static async over(world: Scenario, carrier: Carrier, launch: LaunchOptions = {}): Promise<Cluster> {
    if (carrier === "real") {
      const nats = await startNatsServer();
      world.finally(() => nats.stop());
      return new Cluster(world, `nats://127.0.0.1:${nats.port}`, launch);
    }
    // A streaming server of another cluster id brings a NATS server along that any cluster may use.
    const { url } = await world.server(["-cid", "carrier"], launch);
    return new Cluster(world, url, launch);
  }

  /** Starts a node with the documented command line, or starts it again with the same one. */
  start(id: string, ...args: string[]): ClusterNode {
    const [monitorPort] = freePorts(1);
    const before = this.nodes.get(id);
    const own = before?.ownArguments ?? args;
    const process = this.#world.launch([
      ...["-store", "file", "-dir", `store-${id}`, "-clustered", "-nats_server", this.url],
      ...["-cluster_log_path", `log-${id}`, "-a", "127.0.0.1", "-m", String(monitorPort)],
      ...own,
    ], this.#launch);
    const node = new ClusterNode(id, process, `http://127.0.0.1:${monitorPort}`, own);
    this.nodes.set(id, node);
    return node;
  }

  /** Three nodes that know each other by name. */
  static async ofThree(
    world: Scenario,
    carrier: Carrier,
    launch: LaunchOptions = {},
    ...args: string[]
  ): Promise<Cluster> {
    const cluster = await Cluster.over(world, carrier, launch);
    for (const id of ["a", "b", "c"]) {
      const peers = ["a", "b", "c"].filter((other) => other !== id).join(",");
      cluster.start(id, "-cluster_node_id", id, "-cluster_peers", peers, ...args);
    }
    await cluster.leader();
    return cluster;
  }

  /** The node that leads and serves clients, once there is exactly one. */
  leader(limit = 30_000): Promise<ClusterNode> {
    return eventually(
      async () => {
        const roles = await Promise.all(
          [...this.nodes.values()].map(async (node) => ({ node, role: (await node.page())?.role })),
        );
        const leaders = roles.filter(({ role }) => role === "Leader");
        return leaders.length === 1 && leaders[0]!.node.promoted ? leaders[0]!.node : undefined;
      },
      "a single leader",
      limit,
    );
  }

  /** The nodes that run and do not lead. */
  async followers(): Promise<ClusterNode[]> {
    const leader = await this.leader();
    return [...this.nodes.values()].filter((node) => node !== leader && node.process.running);
  }
}

export class ClusterNode {
  readonly id: string;
  readonly process: ServerProcess;
  readonly monitorUrl: string;
  readonly ownArguments: readonly string[];

  constructor(id: string, process: ServerProcess, monitorUrl: string, ownArguments: readonly string[]) {
    this.id = id;
    this.process = process;
    this.monitorUrl = monitorUrl;
    this.ownArguments = ownArguments;
  }

  /** Whether its log says that it has become leader and is done with that. */
  get promoted(): boolean {
    const last = this.process.lines.findLast((line) => /leader (promotion|stepdown) actions$/.test(line));
    return last?.endsWith("finished leader promotion actions") ?? false;
  }

  /** The node's `/streaming/serverz`; `undefined` when it does not answer. */
  page(): Promise<NodePage | undefined> {
    return this.fetch<NodePage>("/streaming/serverz");
  }

  /** Any of the node's pages as JSON; `undefined` when it does not answer with one. */
  async fetch<T>(path: string): Promise<T | undefined> {
    if (!this.process.running) return undefined;
    try {
      const response = await fetch(this.monitorUrl + path, { signal: AbortSignal.timeout(2_000) });
      const text = await response.text();
      return response.ok ? JSON.parse(text) as T : undefined;
    } catch {
      return undefined;
    }
  }
}
