/** A whole clustered server of the production code on simulated time, network and disk; it can be killed, cut off and frozen. */
import type { MessageBus } from "../../../src/ports/message_bus.ts";
import { openRaftJournal, type RaftJournal } from "../../../src/raft/mod.ts";
import { type ServerSettings, StreamingServer } from "../../../src/server/mod.ts";
import { agreedLimits, messagesOnly, openFileStore, type OpenFileStoreOptions } from "../../../src/store/mod.ts";
import { DEFAULT_LIMITS } from "../../../src/streaming/mod.ts";
import type { MemoryBus, MemoryNet } from "../../support/memory_bus.ts";
import type { MemoryFiles } from "../../support/memory_files.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { ProcessClock, type VirtualClock } from "../../support/virtual_clock.ts";

export const CLUSTER = "sim";

/** The production code that a node runs; a test of the simulator puts a changed copy in its place. */
export interface ServerCode {
  readonly openRaftJournal: typeof openRaftJournal;
  readonly StreamingServer: typeof StreamingServer;
  readonly messagesOnly: typeof messagesOnly;
  readonly openFileStore: typeof openFileStore;
}

const PRODUCTION: ServerCode = { openRaftJournal, StreamingServer, messagesOnly, openFileStore };

/** What sets a node apart from its usual self. */
export interface NodeOptions {
  readonly code?: ServerCode;
  /** In the names of its connections; its own name by default. */
  readonly label?: string;
  readonly clusterId?: string;
  readonly raft?: Partial<Parameters<typeof openRaftJournal>[0]>;
  readonly store?: Partial<OpenFileStoreOptions>;
}

/** What a node stands on. */
export interface NodeWorld {
  readonly clock: VirtualClock;
  readonly net: MemoryNet;
  readonly random: SeededRandom;
  note(text: string): void;
}

export class SimulatedNode {
  readonly clock: ProcessClock;
  readonly log = new RecordingLog();
  readonly buses: MemoryBus[] = [];
  journal: RaftJournal | undefined;
  server: StreamingServer | undefined;
  alive = true;
  frozen = false;
  /** Why it stopped by itself; `undefined` while it did not. */
  fatal: string | undefined;
  /** Rejects never; says when the start has come to an end. */
  readonly started: Promise<void>;

  constructor(
    readonly world: NodeWorld,
    readonly name: string,
    readonly files: MemoryFiles,
    peers: readonly string[],
    settings: Partial<ServerSettings> = {},
    clock: ProcessClock = new ProcessClock(world.clock),
    readonly options: NodeOptions = {},
  ) {
    this.clock = clock;
    this.started = this.#start(peers, settings).catch((error: Error) => {
      if (this.alive) this.#fail(error.message);
    });
  }

  /** Whether this node would answer clients now. */
  get serving(): boolean {
    return this.alive && !this.frozen && this.server !== undefined && this.journal?.mayServe === true;
  }

  /** As SIGKILL. */
  kill(): void {
    this.alive = false;
    this.clock.kill();
    this.files.switchOff();
    for (const bus of this.buses) void bus.close();
  }

  freeze(): void {
    this.frozen = true;
    this.clock.freeze();
  }

  thaw(): void {
    this.frozen = false;
    this.clock.thaw();
  }

  async #start(peers: readonly string[], settings: Partial<ServerSettings>): Promise<void> {
    const { clock, files, log } = this;
    const random = this.world.random.fork();
    const ports = { files, clock, random, log };
    const sizes = { bufferSize: 4096, readBufferSize: 4096, flushLag: 50 };
    const code = this.options.code ?? PRODUCTION;
    const place = { directory: "/store", limits: agreedLimits, replicated: true, ...sizes, ...this.options.store };
    const store = code.messagesOnly(code.openFileStore(place, ports));
    if (!await store.tryLock()) throw new Error("the store is in use");
    this.server = await code.StreamingServer.open(
      {
        settings: {
          clusterId: this.options.clusterId ?? CLUSTER,
          discoverPrefix: "_STAN.discover",
          clustered: true,
          replaceDurable: false,
          allowShortAckWait: false,
          batchMessages: 64,
          limits: DEFAULT_LIMITS,
          heartbeatInterval: 5_000,
          heartbeatTimeout: 1_000,
          heartbeatFailCount: 3,
          ...settings,
        },
        store,
        bus: this.#connect("general"),
        ...ports,
        journal: (recovered) =>
          this.journal = code.openRaftJournal({
            clusterId: this.options.clusterId ?? CLUSTER,
            nodeId: this.name,
            peers,
            logPath: "/raft",
            store: {
              recovered: recovered !== undefined,
              nodeId: recovered?.info?.nodeId ?? "",
              identity: recovered?.info?.clusterIdentity ?? "",
              unknown: recovered !== undefined && recovered.info === undefined,
            },
            snapshotEntries: 40,
            trailingLogs: 20,
            reserveBytes: 0,
            ...this.options.raft,
          }, { openBus: (role) => this.#connect(role), ...ports, onFatal: (reason) => this.#fail(reason) }),
        onFatal: (reason) => this.#fail(reason),
      },
      `server-${this.name}`,
      clock.wall(),
    );
    await this.server.start();
  }

  #connect(role: string): MessageBus {
    const bus = this.world.net.connect(`${this.options.label ?? this.name}-${role}`, this.clock);
    this.buses.push(bus);
    return bus;
  }

  #fail(reason: string): void {
    if (!this.alive) return;
    this.fatal = reason;
    this.world.note(`${this.name} stops: ${reason}`);
    this.kill();
  }
}
