/** Three whole servers on virtual time, and raw STAN requests to them: for scenarios that say exactly what happens when. */
import type { Inbound } from "../../../src/ports/message_bus.ts";
import {
  Ack,
  CloseRequest,
  ConnectRequest,
  ConnectResponse,
  MsgProto,
  Ping,
  PingResponse,
  PubAck,
  PubMsg,
  SubscriptionRequest,
  SubscriptionResponse,
  UnsubscribeRequest,
} from "../../../src/protocol/client_messages.ts";
import type { Millis, Sequence } from "../../../src/protocol/units.ts";
import type { ServerSettings } from "../../../src/server/mod.ts";
import { type MemoryBus, MemoryNet } from "../../support/memory_bus.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";
import { CLUSTER, type NodeOptions, SimulatedNode } from "./simulated_node.ts";

const text = new TextEncoder();
const NAMES = ["a", "b", "c"];

export interface Delivered {
  readonly sequence: Sequence;
  readonly payload: string;
  readonly redelivered: boolean;
  readonly count: number;
  /** When it came. */
  readonly at: Millis;
}

/** A subscription as its client holds it. */
export interface HeldSubscription {
  readonly inbox: string;
  readonly ackInbox: string;
  readonly channel: string;
  readonly received: Delivered[];
  /** Acks each message as it comes, while set. */
  auto: boolean;
}

export type SubscribeOptions = Partial<
  Pick<
    SubscriptionRequest,
    "queueGroup" | "durableName" | "maxInFlight" | "ackWaitInSecs" | "startPosition" | "startSequence"
  >
>;

export class Harness {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly random: SeededRandom;
  readonly nodes = new Map<string, SimulatedNode>();
  readonly client: MemoryBus;
  readonly #settingsOf: (name: string) => Partial<ServerSettings>;
  readonly #beating = new Set<string>();
  #count = 0;

  private constructor(
    settingsOf: (name: string) => Partial<ServerSettings>,
    seed: number,
    readonly options: NodeOptions,
    readonly names: readonly string[],
  ) {
    this.random = new SeededRandom(seed);
    this.net.delay = () => 0.2;
    this.client = this.net.connect("client");
    this.#settingsOf = settingsOf;
  }

  /** Three nodes with a leader that serves; with the same settings, or each with its own. */
  static async start(
    settings: Partial<ServerSettings> | ((name: string) => Partial<ServerSettings>) = {},
    seed = 1,
    options: NodeOptions = {},
    names = NAMES,
  ): Promise<Harness> {
    const settingsOf = typeof settings === "function" ? settings : () => settings;
    const harness = new Harness(settingsOf, seed, options, names);
    for (const name of names) harness.begin(name, new MemoryFiles());
    await harness.leader();
    return harness;
  }

  note(): void {}

  begin(name: string, files: MemoryFiles, peers = this.names): SimulatedNode {
    const node = new SimulatedNode(this, name, files, peers, this.#settingsOf(name), undefined, this.options);
    this.nodes.set(name, node);
    return node;
  }

  get followers(): SimulatedNode[] {
    return [...this.nodes.values()].filter((node) => node.alive && !node.serving);
  }

  /** The node that serves clients, once there is one. */
  async leader(): Promise<SimulatedNode> {
    const serving = () => [...this.nodes.values()].find((node) => node.serving && isReady(node));
    await this.clock.until(() => serving() !== undefined, 20_000, "a leader");
    return serving()!;
  }

  /** Kills the leader and waits for the next one. */
  async failOver(): Promise<SimulatedNode> {
    const old = await this.leader();
    old.kill();
    const next = await this.leader();
    if (next === old) throw new Error("the dead node leads");
    return next;
  }

  restart(node: SimulatedNode): SimulatedNode {
    const files = node.files.afterKill();
    if (node.alive) node.kill();
    return this.begin(node.name, files);
  }

  /** Restarts every node at once. */
  async restartAll(): Promise<void> {
    const left = [...this.nodes.values()].map((node) => [node.name, node.files.afterKill()] as const);
    for (const node of this.nodes.values()) node.kill();
    for (const [name, files] of left) this.begin(name, files);
    await this.leader();
  }

  async pass(time: Millis): Promise<void> {
    await this.clock.advance(time);
  }

  /** What every living node says, once all say the same. */
  async agreed<T>(of: (node: SimulatedNode) => T): Promise<T> {
    const alive = () => [...this.nodes.values()].filter((node) => node.alive);
    const same = () => new Set(alive().map((node) => JSON.stringify(of(node)))).size === 1;
    await this.clock.until(same, 20_000, "agreement of all nodes");
    return of(alive()[0]!);
  }

  /** Sends a request and waits for its answer in virtual time; `undefined` when none comes within `limit`. */
  async request(subject: string, payload: Uint8Array, limit = 2_000): Promise<Uint8Array | undefined> {
    let isOver = false;
    const answered = this.client.request(subject, payload, limit).finally(() => isOver = true);
    await this.clock.until(() => isOver, limit + 1_000, `an answer on ${subject}`);
    const answer = await answered;
    return answer.kind === "reply" ? answer.payload : undefined;
  }

  /** Connects; the client answers heartbeats until {@link silence}. Gives the error text. */
  async connect(clientId: string, connId = clientId): Promise<string> {
    const heartbeatInbox = `_INBOX.hb.${clientId}.${connId}`;
    this.#beating.add(heartbeatInbox);
    this.client.subscribe(heartbeatInbox, (message: Inbound) => {
      if (!this.#beating.has(heartbeatInbox) || message.replyEnd === message.replyStart) return;
      this.client.publish(message.buffer.slice(message.replyStart, message.replyEnd), new Uint8Array(0));
    });
    const answer = await this.request(
      `_STAN.discover.${CLUSTER}`,
      ConnectRequest.encode({ clientId, heartbeatInbox, protocol: 1, connId: text.encode(connId) }),
    );
    return answer === undefined ? "no answer" : ConnectResponse.decode(answer).error;
  }

  /** The client answers no heartbeats any more. */
  silence(clientId: string, connId = clientId): void {
    this.#beating.delete(`_INBOX.hb.${clientId}.${connId}`);
  }

  async close(clientId: string): Promise<string> {
    const answer = await this.request(`_STAN.close.${CLUSTER}`, CloseRequest.encode({ clientId }));
    return answer === undefined ? "no answer" : SubscriptionResponse.decode(answer).error;
  }

  async ping(connId: string): Promise<string> {
    const answer = await this.request(`_STAN.discover.${CLUSTER}.pings`, Ping.encode({ connId: text.encode(connId) }));
    return answer === undefined ? "no answer" : PingResponse.decode(answer).error;
  }

  /** Publishes and waits for the acknowledgement: empty when stored. */
  async publish(clientId: string, channel: string, payload: string): Promise<string> {
    const message = PubMsg.encode({
      clientId,
      guid: `guid-${++this.#count}`,
      subject: channel,
      data: text.encode(payload),
    });
    const answer = await this.request(`_STAN.pub.${CLUSTER}.${channel}`, message);
    return answer === undefined ? "no answer" : PubAck.decode(answer).error;
  }

  /** Throws with the server's text when the subscription is refused. */
  async subscribe(clientId: string, channel: string, options: SubscribeOptions = {}): Promise<HeldSubscription> {
    const inbox = `_INBOX.${clientId}.${++this.#count}`;
    const held = { inbox, ackInbox: "", channel, received: [] as Delivered[], auto: true };
    this.client.subscribe(inbox, (message: Inbound) => {
      const { sequence, data, redelivered, redeliveryCount: count } = MsgProto.decode(
        message.buffer,
        message.payloadStart,
        message.payloadEnd,
      );
      const payload = new TextDecoder().decode(data);
      held.received.push({ sequence, payload, redelivered, count, at: this.clock.now() });
      if (held.auto && held.ackInbox !== "") this.ack(held, sequence);
    });
    const answer = await this.request(
      `_STAN.sub.${CLUSTER}`,
      SubscriptionRequest.encode({
        clientId,
        subject: channel,
        inbox,
        maxInFlight: 100,
        ackWaitInSecs: 1,
        startPosition: 4,
        ...options,
      }),
    );
    const response = answer === undefined ? { error: "no answer", ackInbox: "" } : SubscriptionResponse.decode(answer);
    if (response.error !== "") throw new Error(response.error);
    held.ackInbox = response.ackInbox;
    // Messages may have overtaken this step, though not the response itself.
    for (const { sequence } of held.received) this.ack(held, sequence);
    return held;
  }

  ack(held: HeldSubscription, sequence: Sequence): void {
    this.client.publish(text.encode(held.ackInbox), Ack.encode({ subject: held.channel, sequence }));
  }

  /** `how`: `unsub` forgets a durable, `subclose` keeps it. Gives the error text. */
  async end(how: "unsub" | "subclose", clientId: string, held: HeldSubscription): Promise<string> {
    held.auto = false;
    const request = UnsubscribeRequest.encode({ clientId, subject: held.channel, inbox: held.ackInbox });
    const answer = await this.request(`_STAN.${how}.${CLUSTER}`, request);
    return answer === undefined ? "no answer" : SubscriptionResponse.decode(answer).error;
  }

  /** Waits until the subscription has received so many messages. */
  async received(held: HeldSubscription, count: number): Promise<readonly Delivered[]> {
    await this.clock.until(
      () => held.received.length >= count,
      20_000,
      `${count} messages (${held.received.length} came)`,
    );
    return held.received;
  }

  stop(): void {
    for (const node of this.nodes.values()) if (node.alive) node.kill();
  }
}

/** The doors are open: the last step of a promotion has been logged. */
function isReady(node: SimulatedNode): boolean {
  const lines = node.log.lines;
  return lines.lastIndexOf("INF Streaming Server is ready") >
    lines.findLastIndex((line) => line.includes("performing leader stepdown actions"));
}

/** A test in a world of three servers, where the client "me" is connected. */
export function connectedTest(name: string, run: (world: Harness) => Promise<void>): void {
  Deno.test(name, async () => {
    const world = await Harness.start();
    try {
      const refusal = await world.connect("me");
      if (refusal !== "") throw new Error(refusal);
      await run(world);
    } finally {
      world.stop();
    }
  });
}

/** Everything a node's store holds of a channel: sequence and message. */
export function stored(node: SimulatedNode, channel = "foo"): string[] {
  const texts: string[] = [];
  const messages = node.server?.recorder.channels.get(channel)?.messages;
  messages?.read(1, messages.last, 10_000_000, (sequence, buffer, start, end) => {
    texts.push(`${sequence} ${new TextDecoder("latin1").decode(buffer.subarray(start, end))}`);
    return true;
  });
  return texts;
}
