/** Nodes with the real Raft journal and a trivial replica, in one process, on a virtual clock, an in-memory net and disks. */
import type { Lack, MessageSource, Replica } from "../../src/ports/journal.ts";
import type { Log } from "../../src/ports/log.ts";
import type { MessageVisitor } from "../../src/ports/store.ts";
import type { DeliveryFact, Operation } from "../../src/protocol/operations.ts";
import type { Outcome } from "../../src/protocol/outcomes.ts";
import type { Awaitable, Sequence } from "../../src/protocol/units.ts";
import { openRaftJournal, type RaftJournal, type RaftOptions } from "../../src/raft/mod.ts";
import { type MemoryBus, MemoryNet } from "./memory_bus.ts";
import { MemoryFiles } from "./memory_files.ts";
import { SeededRandom } from "./seeded_random.ts";
import { ProcessClock, VirtualClock } from "./virtual_clock.ts";

/** Remembers the client ids of the operations it is given. */
export class ListReplica implements Replica {
  applied: string[] = [];
  learned: DeliveryFact[] = [];
  leading = false;
  /** How often it was told to lead. */
  terms = 0;
  /** Messages of the one channel `m`, by sequence from 1: stands in for a store that a snapshot refers to. */
  messages: string[] = [];
  failure: Error | undefined;
  /** Tells what its store lacks; else it looks for that when it is restored. */
  isCareful = false;

  apply(operations: readonly Operation[], index: number): readonly Outcome[] {
    if (this.failure !== undefined) throw this.failure;
    for (const operation of operations) {
      const text = operation.kind === "disconnect" ? operation.clientId : operation.kind;
      this.applied.push(`${index}:${text}`);
      this.messages[this.applied.length - 1] ??= text;
    }
    return operations.map(() => ({ kind: "done" }));
  }

  learn(facts: readonly DeliveryFact[]): void {
    this.learned.push(...facts);
  }

  lead(): void {
    this.leading = true;
    this.terms++;
  }

  follow(): void {
    this.leading = false;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.applied));
  }

  lacks(snapshot: Uint8Array): readonly Lack[] {
    const { length: to } = JSON.parse(new TextDecoder().decode(snapshot)) as string[];
    const { length: held } = this.messages;
    if (!this.isCareful || held >= to) return [];
    return [{ channel: "m", from: held + 1, to }];
  }

  async restore(snapshot: Uint8Array, source: MessageSource): Promise<void> {
    const applied = JSON.parse(new TextDecoder().decode(snapshot)) as string[];
    const from = this.messages.length + 1;
    if (from <= applied.length) {
      const messages = this.messages;
      await source.fetch("m", 1, from, applied.length, {
        take(sequence, buffer, start, end) {
          messages[sequence - 1] = new TextDecoder().decode(buffer.subarray(start, end));
        },
        expired() {},
      });
    }
    this.applied = applied;
  }

  holding(): { first: Sequence; last: Sequence } {
    return { first: this.messages.length === 0 ? 0 : 1, last: this.messages.length };
  }

  readMessages(
    _channel: string,
    from: Sequence,
    to: Sequence,
    _maxBytes: number,
    visit: MessageVisitor,
  ): Awaitable<Sequence> {
    for (let sequence = from; sequence <= to; sequence++) {
      const text = this.messages[sequence - 1];
      if (text === undefined) continue;
      const bytes = new TextEncoder().encode(text);
      if (!visit(sequence, bytes, 0, bytes.length)) return sequence;
    }
    return to + 1;
  }
}

export class TestNode {
  readonly replica = new ListReplica();
  readonly lines: string[] = [];
  readonly buses: MemoryBus[] = [];
  fatal: string | undefined;
  exitCode: number | undefined;
  alive = true;
  journal: RaftJournal;
  readonly clock: ProcessClock;

  constructor(
    readonly cluster: TestCluster,
    readonly name: string,
    readonly files: MemoryFiles,
    options: Partial<RaftOptions>,
  ) {
    this.clock = new ProcessClock(cluster.clock);
    const say = (level: string) => (text: string) => void this.lines.push(`${level} ${text}`);
    const log: Log = {
      fatal: say("FTL"),
      error: say("ERR"),
      warn: say("WRN"),
      notice: say("INF"),
      debug: say("DBG"),
      trace: say("TRC"),
      debugging: true,
      tracing: false,
    };
    this.journal = openRaftJournal(
      {
        clusterId: "test",
        store: { recovered: false, nodeId: "" },
        logPath: "/raft",
        nodeId: name,
        reserveBytes: 0,
        ...options,
      },
      {
        openBus: (role) => {
          const bus = cluster.net.connect(`${name}-${role}`, this.clock);
          this.buses.push(bus);
          return bus;
        },
        files,
        clock: this.clock,
        random: cluster.random.fork(),
        log,
        onFatal: (reason, exitCode) => {
          this.fatal = reason;
          this.exitCode = exitCode;
          this.kill();
        },
      },
    );
  }

  start(): Promise<void> {
    return this.journal.start(this.replica);
  }

  /** As SIGKILL. */
  kill(): void {
    this.alive = false;
    this.clock.kill();
    this.files.switchOff();
    for (const bus of this.buses) void bus.close();
  }

  propose(text: string): Promise<readonly Outcome[]> {
    return this.journal.commit([{ kind: "disconnect", clientId: text }]);
  }
}

export class TestCluster {
  readonly clock = new VirtualClock();
  readonly net: MemoryNet;
  readonly random: SeededRandom;
  readonly nodes = new Map<string, TestNode>();
  /** What became of rejected starts. */
  readonly failed = new Map<string, Error>();

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.net = new MemoryNet(this.clock);
    this.net.delay = () => 0.2;
  }

  /** Starts a node on an empty disk, or on the one given. */
  add(name: string, options: Partial<RaftOptions> = {}, files = new MemoryFiles()): TestNode {
    const node = new TestNode(this, name, files, options);
    this.nodes.set(name, node);
    node.start().catch((error: Error) => this.failed.set(name, error));
    return node;
  }

  /** Three nodes that know each other from the start. */
  trio(options: Partial<RaftOptions> = {}): TestNode[] {
    const peers = ["a", "b", "c"];
    return peers.map((name) => this.add(name, { peers, ...options }));
  }

  /** What a killed node left, after a process kill or a power loss. */
  restart(node: TestNode, options: Partial<RaftOptions> = {}, files = node.files.afterKill()): TestNode {
    return this.add(node.name, options, files);
  }

  get alive(): TestNode[] {
    return [...this.nodes.values()].filter((node) => node.alive);
  }

  get leader(): TestNode | undefined {
    return this.alive.find((node) => node.replica.leading);
  }

  async untilLeader(limit = 5000): Promise<TestNode> {
    await this.clock.until(() => this.leader?.journal.mayServe === true, limit, "a leader");
    return this.leader!;
  }

  /** Lets time pass until `promise` settles; gives what it gives. */
  async done<T>(promise: Promise<T>, limit = 5000): Promise<T> {
    let settled = false;
    promise.then(() => settled = true, () => settled = true);
    await this.clock.until(() => settled, limit, "an answer");
    return promise;
  }

  /** Lets time pass until all living nodes have applied as much as the furthest. */
  async untilEqual(limit = 5000): Promise<void> {
    await this.clock.until(
      () => {
        const states = this.alive.map((node) => node.replica.applied.join());
        return states.every((state) => state === states[0]);
      },
      limit,
      "equal states",
    );
  }
}
