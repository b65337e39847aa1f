/** The clients of a world of servers: publishers of several habits, and subscribers of every kind that come and go. */
import type { Millis, Sequence } from "../../../src/protocol/units.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { Violation } from "../simulation.ts";
import { IDLE } from "./idle_channel.ts";
import type { ServerWorld } from "./server_world.ts";
import { Forgotten, type HeldSubscription, SimulatedClient, type Subscribing } from "./simulated_client.ts";

export const CHANNELS = ["foo", "bar"] as const;
/** Negative: milliseconds. */
const ACK_WAIT = -250;

/** So long after everything healed nobody has a reason to take a client for dead. */
const SETTLED: Millis = 1_500;

/** What subscribers that share a position got, by sequence. */
export interface Reception {
  readonly name: string;
  readonly channel: string;
  readonly payloads: Map<Sequence, string>;
  /** The incarnation of a channel that is made again and again. */
  life: number;
  /** Whether everything that the channel holds has to come here in the end. */
  readonly complete: boolean;
}

/** How a publisher goes about it. */
interface Habit {
  /** Publishes under way at a time. */
  readonly window: number;
  /** Sends the same message again, under the same guid, until it is acknowledged. */
  readonly retries: boolean;
  readonly patience: Millis;
  readonly pause: Millis;
}

export class Population {
  readonly receptions: Reception[] = [];
  readonly clients: SimulatedClient[] = [];
  /** Publishes that wait for an answer. */
  publishing = 0;
  /** Subscribers that are where they want to be. */
  #settled = 0;
  #subscribers = 0;
  readonly #world: ServerWorld;
  readonly #random: SeededRandom;

  constructor(world: ServerWorld) {
    this.#world = world;
    this.#random = world.random.fork();
    const random = this.#random;
    const publishers = random.between(2, 3);
    for (let i = 0; i < publishers; i++) {
      this.#publisher(`pub${i}`, CHANNELS[i % 2]!, {
        window: random.pick([1, 3, 10]),
        retries: i === 0 || random.chance(0.3),
        patience: random.pick([150, 400, 900]),
        pause: random.pick([10, 25, 60]),
      });
    }
    if (world.idleAfter > 0) this.#idlers();
    this.#subscriber("dur", { channel: "foo", durable: "d", queue: "" });
    const kinds = random.pick(["plain", "queue", "durable queue", "all"]);
    if (kinds === "plain" || kinds === "all") this.#subscriber("plain", { channel: "bar", durable: "", queue: "" });
    if (kinds === "queue" || kinds === "all") this.#group("bar", "", random.between(1, 3));
    if (kinds === "durable queue" || kinds === "all") this.#group("foo", "dq", 2);
  }

  /** Whoever uses the channel that is deleted when it idles. */
  #idlers(): void {
    const { idle } = this.#world;
    const random = this.#random;
    this.#publisher("pubi", IDLE, {
      window: random.pick([1, 3]),
      retries: false,
      patience: 400,
      pause: random.pick([60, 150]),
    });
    const kind = random.pick(["none", "none", "plain", "durable"]);
    idle.isWanted = kind !== "none";
    if (idle.isWanted) this.#subscriber("idler", { channel: IDLE, durable: kind === "durable" ? "d" : "", queue: "" });
  }

  get isSettled(): boolean {
    return this.publishing === 0 && this.#settled === this.#subscribers;
  }

  get lack(): string {
    const receptions = this.receptions.map((each) => `${each.name} on ${each.channel} got ${each.payloads.size}`);
    return [...receptions, `${this.publishing} publishes wait, ${this.#settled} of ${this.#subscribers} settled`]
      .join("; ");
  }

  /** Power failed everywhere: of each channel in `left` only messages up to that one are left. */
  forget(left: ReadonlyMap<string, Sequence>): void {
    for (const { channel, payloads } of this.receptions) {
      const last = left.get(channel);
      if (last === undefined) continue;
      for (const sequence of payloads.keys()) if (sequence > last) payloads.delete(sequence);
    }
  }

  #client(id: string): SimulatedClient {
    const client = new SimulatedClient(id, this.#world.net, this.#world.clock, (text) => this.#world.note(text));
    this.clients.push(client);
    return client;
  }

  #wait(time: Millis): Promise<void> {
    const { clock } = this.#world;
    return new Promise<void>((resolve) => void clock.wakeAt(clock.now() + time, resolve));
  }

  #publisher(id: string, channel: string, habit: Habit): void {
    const world = this.#world;
    const random = this.#random.fork();
    const client = this.#client(id);
    const work = async () => {
      let { losses } = world;
      await client.connect();
      // Servers may have forgotten who is connected.
      const isForgotten = async () => losses !== world.losses || await this.#isForgotten(client);
      const comeBack = async () => {
        losses = world.losses;
        await this.#connectAnew(client);
      };
      for (let n = 1; world.troubled; n++) {
        if (random.chance(0.01)) await this.#comeBack(client, random);
        if (this.publishing < 40) this.#publish(client, channel, `${id} ${n}${paddingOf(random)}`, habit);
        do {
          await this.#wait(random.between(1, 2 * habit.pause));
          const looks = losses !== world.losses || (world.evicts && random.chance(0.2));
          if (looks && await isForgotten()) await comeBack();
        } while (this.publishing >= habit.window * 3);
      }
      while (world.evicts || losses !== world.losses) {
        await this.#wait(100);
        if (await isForgotten()) await comeBack();
      }
    };
    void work();
  }

  #publish(client: SimulatedClient, channel: string, payload: string, habit: Habit): void {
    const world = this.#world;
    const guid = client.newGuid();
    world.attempted(guid, channel, payload);
    this.publishing++;
    const send = async () => {
      for (;;) {
        const result = await client.publish(channel, payload, guid, habit.patience);
        if (result !== "acked") world.note(`${payload.slice(0, 20)}: ${result}`);
        if (result === "acked" || !habit.retries || !world.retrying) break;
        world.history.repeated.add(payload);
        if (result === "refused") await this.#wait(50);
      }
      this.publishing--;
    };
    void send();
  }

  /** Whether the servers took this client for dead. Once all is well they have no reason to. */
  async #isForgotten(client: SimulatedClient): Promise<boolean> {
    const world = this.#world;
    const { connectedAt } = client;
    if (!world.evicts || !await client.isForgotten()) return false;
    world.note(`${client.id} was evicted`);
    const healedAt = world.healedAt ?? Infinity;
    if (connectedAt > healedAt && world.clock.now() > healedAt + SETTLED) {
      throw new Violation("I19 recovery", `${client.id} was evicted, though it answers`);
    }
    return true;
  }

  async #connectAnew(client: SimulatedClient): Promise<void> {
    client.vanish();
    await client.connect();
  }

  /** Leaves, in one way or the other, and connects again under the same id. */
  async #comeBack(client: SimulatedClient, random: SeededRandom): Promise<void> {
    const leaves = random.chance(0.5);
    this.#world.note(`${client.id} ${leaves ? "closes" : "vanishes"} and comes back`);
    if (leaves) await client.close();
    else client.vanish();
    await this.#wait(random.between(1, 200));
    await client.connect();
  }

  #group(channel: string, durable: string, members: number): void {
    const reception = this.#reception(`group ${durable}:g`, channel);
    for (let i = 0; i < members; i++) {
      this.#subscriber(`${durable === "" ? "q" : "dq"}${i}`, { channel, durable, queue: "g" }, reception);
    }
  }

  #reception(name: string, channel: string): Reception {
    const reception = { name, channel, payloads: new Map(), life: 0, complete: true };
    this.receptions.push(reception);
    return reception;
  }

  #subscriber(
    id: string,
    which: Pick<Subscribing, "channel" | "durable" | "queue">,
    reception = this.#reception(id, which.channel),
  ): void {
    const world = this.#world;
    const random = this.#random.fork();
    const client = this.#client(id);
    const wanted = { ...which, maxInFlight: random.pick([1, 3, 20]), ackWaitInSecs: ACK_WAIT, startPosition: 4 };
    const forgets = wanted.durable === "" && wanted.queue === "";
    this.#subscribers++;
    let { losses } = world;
    const subscribe = async () => {
      if (forgets) reception.payloads.clear();
      const received = (sequence: Sequence, payload: string) => {
        this.#received(reception, sequence, payload);
        if (random.chance(0.02)) return undefined;
        return random.chance(0.5) ? 0 : random.between(1, 30);
      };
      for (;;) {
        losses = world.losses;
        try {
          const held = await client.subscribe(wanted, received, () => losses !== world.losses);
          world.subscribed(held);
          return held;
        } catch (error) {
          if (!(error instanceof Forgotten)) throw error;
          world.note(`${client.id} is not known any more`);
          await this.#connectAnew(client);
        }
      }
    };
    const work = async () => {
      await client.connect();
      let held = await subscribe();
      this.#settled++;
      while (world.troubled || world.evicts || losses !== world.losses) {
        await this.#wait(random.between(50, world.evicts ? 250 : 800));
        if (losses !== world.losses || await this.#isForgotten(client)) {
          this.#settled--;
          await this.#connectAnew(client);
          held = await subscribe();
          this.#settled++;
        }
        if (!world.troubled || random.chance(world.evicts ? 0.7 : 0.4)) continue;
        this.#settled--;
        held = await this.#change(client, held, random, subscribe);
        this.#settled++;
      }
    };
    void work();
  }

  /** A subscriber leaves its subscription, or its connection, and takes it up again. */
  async #change(
    client: SimulatedClient,
    held: HeldSubscription,
    random: SeededRandom,
    subscribe: () => Promise<HeldSubscription>,
  ): Promise<HeldSubscription> {
    const how = random.pick(["unsub", "subclose", "close", "vanish"] as const);
    this.#world.note(`${client.id}: ${how}`);
    if (how === "close" || how === "vanish") {
      await this.#leave(client, how);
      await this.#wait(random.between(1, 200));
      await client.connect();
    } else await client.end(how, held);
    return await subscribe();
  }

  async #leave(client: SimulatedClient, how: "close" | "vanish"): Promise<void> {
    if (how === "vanish") return client.vanish();
    await client.close();
  }

  #received(reception: Reception, sequence: Sequence, payload: string): void {
    const { name, channel, payloads } = reception;
    if (channel === IDLE) return this.#world.idle.received(name, reception, sequence, payload);
    const stored = this.#world.history.at(channel, sequence);
    // It was on its way when power failed.
    if (stored?.payload !== payload && this.#world.history.isLost(channel, sequence, payload)) return;
    // It may have expired everywhere before anybody looked.
    if (stored === undefined && this.#world.history.hasGaps) return void payloads.set(sequence, payload);
    if (stored?.payload !== payload) {
      throw new Violation(
        "I4 state machine safety",
        `${name} got "${payload.slice(0, 30)}" as ${channel} ${sequence}, which is "${stored?.payload.slice(0, 30)}"`,
      );
    }
    payloads.set(sequence, payload);
  }
}

/** Some messages are large, so that entries travel in pieces where NATS takes little. */
function paddingOf(random: SeededRandom): string {
  return random.chance(0.03) ? ` ${"x".repeat(random.between(3_000, 7_000))}` : "";
}
