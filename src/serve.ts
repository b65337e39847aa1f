/**
 * Options, plugins and the server put together: the start in the order of spec streaming, section 9.1, and the stop in
 * that of 9.7.
 */
import type { Options } from "./config/mod.ts";
import type { MessageBus } from "./ports/message_bus.ts";
import type { Seal } from "./ports/seal.ts";
import type { Store } from "./ports/store.ts";
import type { Page } from "./protocol/json_page.ts";
import { StartFailed } from "./protocol/errors.ts";
import { Nuid } from "./protocol/nuid.ts";
import type { Awaitable, Nanos } from "./protocol/units.ts";
import { builtIns } from "./plugins.ts";
import type { JournalPlugin, Nats, Registry, System } from "./registry.ts";
import {
  clusterLines,
  detectOther,
  errorPage,
  FaultTolerance,
  limitsTable,
  Partitions,
  streamingPage,
  StreamingServer,
  subjectLines,
} from "./server/mod.ts";
import { emptyState } from "./streaming/mod.ts";
import { limitsPage, machineLimits } from "./serve_limits.ts";

/** The version of the reference that this server stands in for: clients and dashboards read it. */
export const VERSION = "0.25.6";

/** What the process that runs a server provides. */
export interface Host {
  readonly system: System;
  readonly registry?: Registry;
  /** What the pages name where the reference names its Go version, e.g. `deno2.9.6`. */
  readonly runtime: string;
  /** Open file descriptors and their limit; zeros where unknown. */
  readonly openFiles: () => { open: number; max: number };
  /** Opens the monitoring listener, once pages can be answered; `undefined` where none is wanted. */
  readonly monitor: (
    page: (path: string, query: URLSearchParams) => Awaitable<Page | undefined>,
  ) => Promise<{ readonly url: string; close(): Promise<void> } | undefined>;
  /** The server has failed and fallen silent; the process should end with `code`. */
  readonly onFatal: (reason: string, code: number) => void;
}

/** A server that runs. */
export interface RunningServer {
  /** Where NATS clients connect. */
  readonly url: string;
  /** Where the monitoring pages are; empty when they are not served. */
  readonly monitorUrl: string;
  readonly serverId: string;
  /** A monitoring page; `undefined` for a path that is none. Streaming pages wait until the store is read. */
  page(path: string, query: URLSearchParams): Awaitable<Page | undefined>;
  /** Takes over options that can change while running. */
  reload(options: Options): Promise<void>;
  /** Stops in order. Idempotent. */
  stop(): Promise<void>;
}

/** Starts a server. Rejects with StartFailed, StoreFailed or NetworkFailed after undoing what was started. */
export async function serve(options: Options, host: Host): Promise<RunningServer> {
  const serving = new Serving(options, host);
  try {
    await serving.start();
    return serving;
  } catch (error) {
    await serving.stop().catch(() => {});
    throw error;
  }
}

const NOT_FRESH = "this node does not lead the cluster, or cannot reach a majority: ask the leader";
const NO_TRAFFIC = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 };

class Serving implements RunningServer {
  readonly serverId: string;
  readonly #options: Options;
  readonly #host: Host;
  readonly #registry: Registry;
  readonly #journal: JournalPlugin;
  readonly #nuid: Nuid;
  readonly #startTime: Nanos;
  #nats: Nats | undefined;
  #store: Store | undefined;
  #server: StreamingServer | undefined;
  #monitor: Awaited<ReturnType<Host["monitor"]>>;
  #stopped: Promise<void> | undefined;
  /** Resolves once the store is read, or this server stops. */
  readonly #opened = Promise.withResolvers<void>();
  #failed = false;
  /** For what the journal writes, when encryption is on. */
  #seal: Seal | undefined;
  #ft: FaultTolerance | undefined;
  #partitions: Partitions | undefined;

  constructor(options: Options, host: Host) {
    this.#options = options;
    this.#host = host;
    this.#registry = host.registry ?? builtIns();
    this.#nuid = new Nuid(host.system.random);
    this.serverId = this.#nuid.next();
    this.#startTime = host.system.clock.wall();
    this.#journal = this.#registry.get("journal", options.streaming.cluster.clustered ? "raft" : "solo");
  }

  get monitorUrl(): string {
    return this.#monitor?.url ?? "";
  }

  get url(): string {
    return this.#nats?.url ?? "";
  }

  async start(): Promise<void> {
    const { streaming } = this.#options;
    const { system, runtime } = this.#host;
    const { log } = system;
    log.notice(`Starting nats-streaming-server[${streaming.clusterId}] version ${VERSION}`);
    log.notice(`ServerID: ${this.serverId}`);
    log.notice(`Go version: ${runtime}`);
    log.notice("Git commit: [not set]");
    this.#journal.check(this.#options);
    this.#store = await this.#openStore();
    if (streaming.cluster.forceMembers.length > 0) return await this.#force(this.#store);
    this.#nats = await this.#registry.get("bus", streaming.natsServer === "" ? "embedded" : "external")
      .start(this.#options, system);
    this.#monitor = await this.#host.monitor((path, query) => this.page(path, query));
    const bus = await this.#nats.connect("general");
    if (streaming.ftGroup === "") await this.#serve(bus, this.#store, this.#nats);
    else await this.#standBy(bus, this.#store, this.#nats);
  }

  /** The membership is set up anew on this node's disk; nobody is talked to. */
  async #force(store: Store): Promise<void> {
    if (!this.#options.streaming.cluster.clustered) {
      throw new StartFailed("cluster_force_members is for clustered nodes");
    }
    this.#nats = await this.#registry.get("bus", "none").start(this.#options, this.#host.system);
    await this.#serve(await this.#nats.connect("general"), store, this.#nats);
  }

  /** Takes the store for this process alone, reads it and serves. */
  async #serve(bus: MessageBus, store: Store, nats: Nats): Promise<void> {
    if (this.#ft === undefined && !await store.tryLock()) {
      throw new StartFailed(
        `store directory "${this.#options.streaming.dir}" is in use by another process; stop that one or choose another`,
      );
    }
    await this.#checkPartitions(nats);
    this.#server = await this.#openServer(bus, store, nats);
    this.#opened.resolve();
    if (this.#stopped !== undefined) return;
    const { log } = this.#host.system;
    for (const line of subjectLines(this.#server.info)) log.debug(line);
    for (const line of this.#banner(store)) log.notice(line);
    await this.#server.start();
  }

  /** Resolves at once: the start goes on when this server holds the store's lock. */
  async #standBy(bus: MessageBus, store: Store, nats: Nats): Promise<void> {
    const { clusterId, ftGroup: group } = this.#options.streaming;
    const { clock, random, log } = this.#host.system;
    const onConflict = (reason: string) => this.#fail(reason, 1);
    this.#ft = new FaultTolerance({
      clusterId,
      group,
      serverId: this.serverId,
      bus: await nats.connect("ft"),
      store,
      clock,
      random,
      log,
      nuid: this.#nuid,
      onConflict,
    });
    this.#ft.becomeActive().then((active) => active ? this.#serve(bus, store, nats) : undefined)
      .catch((error: unknown) => this.#fail(error instanceof Error ? error.message : String(error), 1));
  }

  async #checkPartitions(nats: Nats): Promise<void> {
    const { partitioning, clusterId, limits } = this.#options.streaming;
    if (!partitioning) return;
    this.#partitions = new Partitions({
      clusterId,
      serverId: this.serverId,
      channels: limits.channels.map(({ name }) => name),
      bus: await nats.connect("pc"),
      clock: this.#host.system.clock,
      nuid: this.#nuid,
      onConflict: (reason) => this.#fail(reason, 1),
    });
    this.#partitions.listen();
    await this.#partitions.check();
    this.#partitions.watch();
  }

  #banner(store: Store): string[] {
    const { dir, limits, cluster } = this.#options.streaming;
    const names = limits.channels.map(({ name }) => name);
    const { nodeId = "", logPath = "" } = this.#server?.journal ?? {};
    return [
      ...(cluster.clustered ? clusterLines({ nodeId, logPath }, cluster.peers) : []),
      `Message store is ${store.name}`,
      ...(dir === "" ? [] : [`Store location: ${dir}`]),
      ...limitsTable({ ...limits, names, resolved: machineLimits(this.#options) }),
    ];
  }

  page(path: string, query: URLSearchParams): Awaitable<Page | undefined> {
    if (path !== "/streaming" && !path.startsWith("/streaming/")) return this.#nats?.page(path, query);
    const confirm = query.get("consistent") === "1" ? this.#server?.journal.confirm?.() : undefined;
    if (confirm !== undefined) {
      return confirm.then((fresh) => fresh ? this.#streamingPage(path, query) : errorPage(503, NOT_FRESH));
    }
    if (this.#server !== undefined || this.#isStandby || this.#failed) return this.#streamingPage(path, query);
    return this.#opened.promise.then(() => this.#streamingPage(path, query));
  }

  #streamingPage(path: string, query: URLSearchParams): Page | undefined {
    const server = this.#server;
    const { streaming } = this.#options;
    const isClustered = streaming.cluster.clustered && server !== undefined;
    return streamingPage(path, query, {
      // A standby has not read the store, so that it does not know whose it is.
      clusterId: server === undefined ? "" : streaming.clusterId,
      serverId: this.serverId,
      version: VERSION,
      runtime: this.#host.runtime,
      state: this.#state(),
      ...(isClustered
        ? { role: server.journal.role, nodeId: server.journal.nodeId, cluster: server.journal.describe?.() ?? {} }
        : {}),
      now: this.#host.system.clock.wall(),
      startTime: this.#startTime,
      storeType: this.#store!.name,
      limits: limitsPage(this.#options, server !== undefined),
      traffic: server?.traffic ?? NO_TRAFFIC,
      files: this.#host.openFiles(),
      streaming: server?.machine.state ?? emptyState(),
      stores: server?.recorder.channels ?? new Map(),
    });
  }

  async reload(options: Options): Promise<void> {
    await this.#nats?.reload(options);
  }

  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  get #isStandby(): boolean {
    return this.#options.streaming.ftGroup !== "" && this.#ft?.active !== true;
  }

  #state(): string {
    if (this.#failed) return "FAILED";
    if (this.#stopped !== undefined) return "SHUTDOWN";
    if (this.#options.streaming.ftGroup !== "") return this.#isStandby ? "FT_STANDBY" : "FT_ACTIVE";
    return this.#options.streaming.cluster.clustered ? "CLUSTERED" : "STANDALONE";
  }

  async #stop(): Promise<void> {
    this.#opened.resolve();
    this.#ft?.stop();
    this.#partitions?.stop();
    if (this.#server !== undefined) await this.#server.stop();
    else await this.#store?.close();
    await this.#monitor?.close();
    await this.#nats?.close();
  }

  async #openStore(): Promise<Store> {
    const { streaming } = this.#options;
    const { system } = this.#host;
    const plugin = this.#registry.get("store", streaming.store.toUpperCase());
    const store = this.#journal.wrap(await plugin.open(this.#options, system));
    if (!streaming.encrypt) return store;
    const encryption = this.#registry.get("encryption", "at rest");
    this.#seal = encryption.logSeal(this.#options, system);
    return encryption.wrap(store, this.#options, system);
  }

  async #openServer(bus: MessageBus, store: Store, nats: Nats): Promise<StreamingServer> {
    const { streaming } = this.#options;
    const { system } = this.#host;
    const server = await StreamingServer.open(
      {
        settings: {
          clusterId: streaming.clusterId,
          discoverPrefix: streaming.discoverPrefix,
          clustered: streaming.cluster.clustered,
          heartbeatInterval: streaming.heartbeatInterval,
          heartbeatTimeout: streaming.heartbeatTimeout,
          heartbeatFailCount: streaming.heartbeatFailCount,
          replaceDurable: streaming.replaceDurable,
          allowShortAckWait: false,
          batchMessages: streaming.ioBatchSize,
          limits: machineLimits(this.#options),
        },
        store,
        bus,
        ...(this.#partitions === undefined ? {} : { partitions: this.#partitions }),
        ...(this.#ft === undefined ? {} : { fence: () => this.#ft!.fence() }),
        clock: system.clock,
        random: system.random,
        log: system.log,
        journal: (recovered, nuid) =>
          this.#journal.open({
            options: this.#options,
            system,
            nats,
            recovered,
            nuid,
            seal: this.#seal,
            onFatal: (reason, code) => this.#fail(reason, code),
          }),
        onFatal: (reason) => this.#fail(reason, 1),
      },
      this.serverId,
      this.#startTime,
    );
    if (!streaming.cluster.clustered && this.#ft === undefined && this.#partitions === undefined) {
      await detectOther(bus, server.info, this.#nuid);
      system.log.debug("Did not detect another server instance");
    }
    return server;
  }

  #fail(reason: string, code: number): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#host.system.log.fatal(reason);
    this.#host.onFatal(reason, code);
  }
}
