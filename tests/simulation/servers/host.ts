/** One machine of the world of servers: its disk stays when its server is killed, loses power, or is started again. */
import type { RaftJournalStatus } from "../../../src/raft/raft_status.ts";
import { readMember } from "../../../src/raft/members/mod.ts";
import type { ServerSettings } from "../../../src/server/mod.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { ProcessClock } from "../../support/virtual_clock.ts";
import { LogWatch } from "./log_watch.ts";
import type { ServerWorld } from "./server_world.ts";
import { CLUSTER, SimulatedNode } from "./simulated_node.ts";

/** What was seen of a process when it was last looked at. */
export interface Seen {
  readonly role: RaftJournalStatus["role"];
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly snapshotIndex: number;
}

const NOTHING_SEEN: Seen = { role: "Follower", term: 0, commit: 0, applied: 0, snapshotIndex: 0 };
const MEMBER = "/raft/sim/member";

export class Host {
  files = new MemoryFiles();
  node: SimulatedNode | undefined;
  log: LogWatch;
  /** What its own log held, while another directory is in the place of its own. */
  logAside: LogWatch | undefined;
  /** Counts the starts of the server. */
  boot = 0;
  seen: Seen = NOTHING_SEEN;
  /** The server did something since it was last looked at. */
  touched = false;
  /** Why the server may end by itself: a fault that it is right to die of. */
  excuse: RegExp | undefined;
  /** A bit of its disk went over. */
  isRotten = false;
  /** Drawn with its directory; tells a node from one that had its name before. */
  incarnation = "";
  /** Grows when the disk goes back in time: what it promised since may be broken then, as a lost disk's promises. */
  epoch = 0;
  /** Of each channel the newest sequence that was compared with what all nodes have to hold. */
  readonly compared = new Map<string, number>();
  startedAt = 0;
  /** Until when its disk may lack what its server took in, because it was full. */
  lagsUntil = 0;
  /** What its server is started with besides the world's usual. */
  settings: Partial<ServerSettings> = {};
  /** Which nodes it is told to form a cluster with, where somebody told it another list than the others. */
  peers: readonly string[] | undefined;
  /** The founders by the list that this start was given; empty where that names nobody else: it goes by an earlier one. */
  founders = "";
  /** There was something in its log when it was started: it goes by the founders that it began with. */
  hadLog = false;
  /** Which cluster it is told to be of. */
  clusterId = CLUSTER;
  /** Counts the boots of the machine: it lost power in between. */
  machineBoot = 1;
  /** Where nothing is synced: what its log held whenever power was lost, as long as its server does not trust the rest. */
  readonly logsBefore: LogWatch[] = [];
  /** How fast its clock goes. */
  speed = 1;
  readonly #world: ServerWorld;

  constructor(world: ServerWorld, readonly name: string) {
    this.#world = world;
    this.log = this.#watch();
    this.speed = world.random.pick([1, 1, 1, 0.9, 0.95, 1.05, 1.1]);
  }

  /** The log on its own disk, whatever directory it runs on at this moment. */
  get ownLog(): LogWatch {
    return this.logAside ?? this.log;
  }

  /** Its own log holds this entry, durably where logs are synced; or it did, and lost it when power failed without syncing. */
  vouchesFor(index: number, term: number, synced: boolean): boolean {
    if (this.ownLog.isDurable(index, term)) return true;
    return !synced && [this.ownLog, ...this.logsBefore].some((log) => log.termAt(index) === term);
  }

  get up(): boolean {
    return this.node?.alive === true;
  }

  get running(): boolean {
    return this.up && this.node!.frozen === false && this.node!.journal !== undefined;
  }

  get lagging(): boolean {
    return this.#world.clock.now() < this.lagsUntil;
  }

  /** Its server would answer clients at this moment. */
  get serving(): boolean {
    return this.node?.serving === true;
  }

  /** Starts the server on what the disk holds, unless it runs. */
  start(): void {
    if (this.up) return;
    const world = this.#world;
    this.boot++;
    this.seen = NOTHING_SEEN;
    this.compared.clear();
    this.log = this.#watch();
    this.files.watcher = this.log;
    const clock = new ProcessClock(world.clock);
    clock.pace(this.speed, world.random.below(1_000_000));
    clock.onRun = () => this.touched = true;
    this.touched = true;
    this.startedAt = world.clock.now();
    world.note(`${this.name} starts (boot ${this.boot})`);
    const { settings, raft, peers, clusterId, code } = world.startOptions(this);
    const founders = [...new Set([this.name, ...peers])];
    this.founders = founders.length > 1 ? founders.sort().join() : "";
    this.hadLog = this.log.lastIndex > 0;
    this.node = new SimulatedNode(world, this.name, this.files, peers, { ...settings, ...this.settings }, clock, {
      ...{ raft, clusterId, store: { sync: world.synced } },
      ...(code === undefined ? {} : { code }),
    });
  }

  /** As SIGKILL: the system still has everything. */
  kill(): void {
    this.#end(() => this.files.afterKill());
  }

  /** Power fails: of what was not synced, a part is lost. */
  losePower(): void {
    this.#end(() => this.files.afterCrash(this.#world.survival()));
    this.machineBoot++;
    if (this.#world.synced) return;
    this.logsBefore.push(this.ownLog);
    this.log = this.#watch();
  }

  /** Power fails, and the disk has lied about what it has: what is left of it. */
  loseLies(): MemoryFiles {
    const left = this.files.afterCrash(this.#world.survival());
    this.files.settle();
    return left;
  }

  /** The disk is exchanged while the server is down. */
  exchangeDisk(files: MemoryFiles): void {
    this.#end(() => files);
    this.isRotten = false;
    this.log = this.#watch();
    this.epoch++;
  }

  /** As {@link exchangeDisk}, where nothing was lost. */
  putBack(files: MemoryFiles): void {
    this.#end(() => files);
    this.log = this.#watch();
  }

  /** Which node the disk belongs to; empty while it belongs to none. */
  readIncarnation(): string {
    const { files } = this;
    const { failsRead } = files;
    files.failsRead = undefined;
    try {
      return this.incarnation = readMember(files, MEMBER)?.incarnation ?? "";
    } catch {
      return this.incarnation;
    } finally {
      files.failsRead = failsRead;
    }
  }

  /** Whether its disk tells which cluster it is of. */
  get knowsCluster(): boolean {
    try {
      return (readMember(this.files, MEMBER)?.identity ?? "") !== "";
    } catch {
      return false;
    }
  }

  #end(left: () => MemoryFiles): void {
    // What a lie has to do with is {@link loseLies}'s affair alone.
    if (this.files.lies) this.files.settle();
    const files = left();
    if (this.up) {
      this.#world.note(`${this.name} is gone`);
      this.node!.kill();
    }
    this.files = files;
  }

  #watch(): LogWatch {
    return new LogWatch(this.files, {
      appended: (entry, previousTerm, payload) => this.#world.appended(this, entry, previousTerm, payload),
      cutFrom: (index) => this.#world.cut(this, index),
      dropped: (index, restarts) => this.#world.dropped(this, index, restarts),
    });
  }
}
