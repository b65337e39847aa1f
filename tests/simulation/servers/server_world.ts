/**
 * Whole servers (Raft, file store, streaming) with clients in one world made from one seed: a time of faults, then one of
 * healing after which everything acknowledged has to be there, in order, once, on every node, and delivered.
 */
import type { Sequence } from "../../../src/protocol/units.ts";
import { MsgProto } from "../../../src/protocol/client_messages.ts";
import { MemoryNet } from "../../support/memory_bus.ts";
import { MemoryFiles, randomSurvival } from "../../support/memory_files.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";
import { type Simulation, type SimulationResult, Violation } from "../simulation.ts";
import { SimulatedClient } from "./simulated_client.ts";
import { SimulatedNode } from "./simulated_node.ts";

const NODES = ["a", "b", "c"] as const;
const CHANNELS = ["foo", "bar"] as const;
const TROUBLE_MS = 6_000;
const HEALING_MS = 30_000;
const ACK_PATIENCE_MS = 2_500;
const REPORTED_MS = 6_000;

/** What a subscriber got, by sequence. */
interface Reception {
  readonly name: string;
  readonly channel: string;
  readonly payloads: Map<Sequence, string>;
}

export class ServerWorld {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly random: SeededRandom;
  readonly nodes = new Map<string, SimulatedNode>();
  readonly trace: string[] = [];
  readonly #acked = new Map<string, string>();
  readonly #attempted = new Set<string>();
  readonly #receptions: Reception[] = [];
  readonly #traced: boolean;
  events = 0;
  #digest = 0;
  #troubled = true;
  /** Which side of a cut a node or client is on. */
  #sides = new Map<string, number>();
  #publishing = 0;

  constructor(seed: number, traced: boolean) {
    this.random = new SeededRandom(seed);
    this.#traced = traced;
    const chance = this.random.fork();
    this.net.delay = () => 0.2 + chance.below(20) / 10;
    this.net.reaches = (from, to) => this.#sideOf(from) === this.#sideOf(to);
  }

  async run(): Promise<void> {
    for (const name of NODES) this.#startNode(name, new MemoryFiles());
    for (const [i, channel] of CHANNELS.entries()) {
      this.#publisher(`pub${i}`, channel);
      this.#subscriber(`dur${i}`, channel, "d", "");
    }
    this.#subscriber("q0", "bar", "", "g", this.#subscriber("q1", "bar", "", "g"));
    await this.#trouble();
    await this.#heal();
    await this.#settleDown();
    this.#checkStores();
    this.#checkReceptions();
    this.#checkStates();
  }

  note(text: string): void {
    this.events++;
    const line = `${this.clock.now().toFixed(1)} ${text}`;
    for (let i = 0; i < line.length; i++) this.#digest = Math.imul(this.#digest ^ line.charCodeAt(i), 0x01000193) >>> 0;
    if (this.#traced) this.trace.push(line);
  }

  get digest(): number {
    return this.#digest;
  }

  #startNode(name: string, files: MemoryFiles): void {
    this.nodes.set(name, new SimulatedNode(this, name, files, NODES));
  }

  #publisher(id: string, channel: string): void {
    const client = new SimulatedClient(id, this.net.connect(id), this.clock);
    const chance = this.random.fork();
    const work = async () => {
      await client.connect();
      this.note(`${id} connected`);
      for (let n = 1; this.#troubled; n++) {
        const payload = `${id} ${n}`;
        this.#attempted.add(payload);
        this.#publishing++;
        client.publish(channel, payload, ACK_PATIENCE_MS).then((result) => {
          this.#publishing--;
          if (result === "acked") this.#acked.set(payload, channel);
          else this.note(`${payload}: ${result}`);
        });
        await new Promise<void>((resolve) => void this.clock.wakeAt(this.clock.now() + chance.between(1, 40), resolve));
      }
    };
    void work();
  }

  #subscriber(id: string, channel: string, durable: string, queue: string, shared?: Reception): Reception {
    const client = new SimulatedClient(id, this.net.connect(id), this.clock);
    const chance = this.random.fork();
    const reception = shared ?? { name: queue === "" ? id : `group ${queue}`, channel, payloads: new Map() };
    if (shared === undefined) this.#receptions.push(reception);
    const received = (sequence: Sequence, payload: string) => {
      const before = reception.payloads.get(sequence);
      if (before !== undefined && before !== payload) {
        throw new Violation("I4", `${id} got "${before}" and "${payload}" as ${channel} ${sequence}`);
      }
      reception.payloads.set(sequence, payload);
      if (chance.chance(0.01)) return undefined;
      return chance.chance(0.5) ? 0 : chance.between(1, 30);
    };
    const work = async () => {
      await client.connect();
      await client.subscribe(
        { channel, durable, queue, maxInFlight: chance.pick([1, 5, 100]), ackWaitInSecs: 1 },
        received,
      );
      this.note(`${id} subscribed to ${channel}`);
    };
    void work();
    return reception;
  }

  /** Time with faults. Watches after every instant. */
  async #trouble(): Promise<void> {
    let nextFault = this.random.between(300, 1_500);
    while (this.clock.now() < TROUBLE_MS) {
      if (this.clock.now() >= nextFault) {
        this.#fault();
        nextFault = this.clock.now() + this.random.between(200, 2_000);
      }
      await this.#step(Math.min(nextFault, TROUBLE_MS));
    }
  }

  /** To the next instant at which something happens, at most until `limit`. */
  async #step(limit: number): Promise<void> {
    const at = Math.min(this.clock.nextAt ?? limit, limit);
    await this.clock.advance(Math.max(0, at - this.clock.now()));
    this.events++;
    this.#watch();
  }

  /** I13: two nodes never serve at the same moment. */
  #watch(): void {
    const serving = [...this.nodes.values()].filter((node) => node.serving).map((node) => node.name);
    if (serving.length > 1) throw new Violation("I13", `${serving.join(" and ")} serve at ${this.clock.now()}`);
  }

  #fault(): void {
    const name = this.random.pick(NODES);
    const node = this.nodes.get(name)!;
    const kind = this.random.pick(
      ["kill", "power loss", "freeze", "cut", "cut", "disconnect", "lossy", "heal"] as const,
    );
    this.note(`fault: ${kind} ${name}`);
    if (kind === "kill") this.#restartLater(node, () => node.files.afterKill());
    else if (kind === "power loss") {
      this.#restartLater(node, () => node.files.afterCrash(randomSurvival(this.random)));
    } else if (kind === "freeze" && node.alive && !node.frozen) {
      node.freeze();
      this.#later(this.random.between(50, 3_000), () => node.thaw());
    } else if (kind === "cut") this.#cut(name);
    else if (kind === "disconnect") this.#disconnect(node);
    else if (kind === "lossy") {
      const chance = this.random.fork();
      const share = this.random.pick([0.01, 0.05, 0.2]);
      this.net.loses = (from, to) => from.includes("-raft") && to.includes("-raft") && chance.chance(share);
    } else if (kind === "heal") this.#healNet();
  }

  #restartLater(node: SimulatedNode, files: () => MemoryFiles): void {
    if (!node.alive) return;
    const left = files();
    node.kill();
    this.#later(this.random.between(10, 2_500), () => {
      if (this.nodes.get(node.name) === node) this.#startNode(node.name, left);
    });
  }

  /** One node, or two, on the other side, with some of the clients. */
  #cut(name: string): void {
    this.#sides = new Map([[name, 1]]);
    for (const client of ["pub0", "dur0", "q0"]) if (this.random.chance(0.3)) this.#sides.set(client, 1);
    this.#later(this.random.between(100, 3_000), () => this.#healNet());
  }

  #disconnect(node: SimulatedNode): void {
    for (const bus of node.buses) bus.disconnect();
    this.#later(this.random.between(10, 1_500), () => node.alive && node.buses.forEach((bus) => bus.reconnect()));
  }

  #healNet(): void {
    this.#sides = new Map();
    this.net.loses = () => false;
  }

  #later(after: number, run: () => void): void {
    this.clock.wakeAt(this.clock.now() + after, run);
  }

  #sideOf(bus: string): number {
    return this.#sides.get(bus.split("-")[0]!) ?? 0;
  }

  /** Everything works again from now on. */
  async #heal(): Promise<void> {
    this.#troubled = false;
    this.note("healing");
    // What was put off (restarts, thaws, reconnections) comes within this time.
    const end = this.clock.now() + 3_100;
    while (this.clock.now() < end) await this.#step(end);
    this.#healNet();
    for (const node of this.nodes.values()) {
      if (node.fatal !== undefined) throw new Violation("I19", `${node.name} stopped: ${node.fatal}`);
      if (!node.alive) throw new Violation("I19", `${node.name} was not started again`);
    }
  }

  /** Until every node holds the same and every subscriber has everything (I19). */
  async #settleDown(): Promise<void> {
    const end = this.clock.now() + HEALING_MS;
    while (!this.#isSettled()) {
      if (this.clock.now() >= end) throw new Violation("I19", `not settled after ${HEALING_MS} ms: ${this.#lack()}`);
      await this.#step(end);
    }
    // The last deliveries and acks are redelivered, acknowledged and reported within this time.
    const reported = this.clock.now() + REPORTED_MS;
    while (this.clock.now() < reported) await this.#step(reported);
  }

  #isSettled(): boolean {
    if (this.#publishing > 0) return false;
    const leader = [...this.nodes.values()].find((node) => node.serving);
    if (leader === undefined) return false;
    return CHANNELS.every((channel) => {
      const last = lastOf(leader, channel);
      return [...this.nodes.values()].every((node) => lastOf(node, channel) === last) &&
        this.#receptions.every((each) => each.channel !== channel || each.payloads.size >= last);
    });
  }

  #lack(): string {
    const nodes = [...this.nodes.values()].map((node) =>
      `${node.name} ${node.journal?.role} ${node.serving ? "serves" : ""} ${CHANNELS.map((each) => lastOf(node, each))}`
    );
    const receptions = this.#receptions.map((each) => `${each.name} on ${each.channel} got ${each.payloads.size}`);
    return [...nodes, ...receptions, `${this.#publishing} publishes wait`].join("; ");
  }

  /** I9, I10: what was acked is there once; sequences have no gap; all nodes hold the same; nothing was invented. */
  #checkStores(): void {
    let reference: string | undefined;
    for (const node of this.nodes.values()) {
      const found = new Map<string, string>();
      let contents = "";
      for (const channel of CHANNELS) {
        let previous = 0;
        let time = 0n;
        for (const { sequence, payload, timestamp } of messagesOf(node, channel)) {
          if (sequence !== previous + 1) {
            throw new Violation("I10", `${node.name} ${channel}: ${sequence} after ${previous}`);
          }
          if (timestamp < time) throw new Violation("I10", `${node.name} ${channel} ${sequence}: time goes back`);
          if (!this.#attempted.has(payload)) throw new Violation("I9", `${node.name}: invented "${payload}"`);
          if (found.has(payload)) throw new Violation("I9", `${node.name}: "${payload}" is stored twice`);
          found.set(payload, channel);
          contents += `${channel} ${sequence} ${payload} ${timestamp}\n`;
          previous = sequence;
          time = timestamp;
        }
      }
      for (const [payload, channel] of this.#acked) {
        if (found.get(payload) !== channel) {
          throw new Violation("I9", `${node.name} lacks "${payload}", which was acked`);
        }
      }
      if (reference !== undefined && reference !== contents) throw new Violation("I4", `${node.name} differs from a`);
      reference = contents;
    }
    this.note(`${this.#acked.size} acked of ${this.#attempted.size}`);
  }

  /** I4: once everything is reported, all nodes know the same of clients, subscriptions and what is pending. */
  #checkStates(): void {
    const [first, ...others] = [...this.nodes.values()];
    const wanted = first!.server!.machine.snapshot();
    for (const other of others) {
      const state = other.server!.machine.snapshot();
      if (state.length !== wanted.length || state.some((byte, i) => byte !== wanted[i])) {
        throw new Violation("I4", `${other.name} knows other things of clients and subscriptions than ${first!.name}`);
      }
    }
  }

  #checkReceptions(): void {
    const node = this.nodes.get("a")!;
    for (const { name, channel, payloads } of this.#receptions) {
      for (const { sequence, payload } of messagesOf(node, channel)) {
        const got = payloads.get(sequence);
        if (got !== payload) {
          throw new Violation("I17", `${name} got "${got}" as ${channel} ${sequence}, not "${payload}"`);
        }
      }
    }
  }
}

function lastOf(node: SimulatedNode, channel: string): Sequence {
  return node.server?.recorder.channels.get(channel)?.messages.last ?? 0;
}

function messagesOf(
  node: SimulatedNode,
  channel: string,
): { sequence: Sequence; payload: string; timestamp: bigint }[] {
  const messages = node.server?.recorder.channels.get(channel)?.messages;
  const all: { sequence: Sequence; payload: string; timestamp: bigint }[] = [];
  messages?.read(1, messages.last, Infinity, (sequence, buffer, start, end) => {
    const { data, timestamp } = MsgProto.decode(buffer, start, end);
    all.push({ sequence, payload: new TextDecoder().decode(data), timestamp });
    return true;
  });
  return all;
}

export const serverSimulation: Simulation = {
  name: "servers",
  async run(seed, { trace }): Promise<SimulationResult> {
    const world = new ServerWorld(seed, trace);
    let failure: Error | undefined;
    try {
      await world.run();
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    for (const node of world.nodes.values()) if (node.alive) node.kill();
    if (trace) {
      for (const node of world.nodes.values()) {
        world.trace.push(...node.log.lines.map((line) => `${node.name}: ${line}`));
      }
    }
    return { seed, events: world.events, digest: world.digest, failure, trace: world.trace };
  },
};
