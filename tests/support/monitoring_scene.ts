/**
 * The actions behind the reference's monitoring captures, with client names, limits and sizes of messages as they were,
 * so that even byte counts come out the same.
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { eventually } from "./deadline.ts";
import { bytesOf, RawStan, type RawSubscription } from "./raw_stan_client.ts";

/** Guids and connection ids are that long. */
const ID_LENGTH = 22;

class Actor {
  readonly stan: RawStan;
  #nats: NatsConnection;
  #published = 0;

  private constructor(readonly name: string, nats: NatsConnection, clusterId: string) {
    this.#nats = nats;
    this.stan = new RawStan(nats, clusterId);
  }

  static async enter(name: string, url: string, clusterId: string): Promise<Actor> {
    const actor = new Actor(name, await connect({ servers: url, name, reconnect: false }), clusterId);
    // In a mesh it takes a moment until the leader is known everywhere.
    await eventually(
      () => actor.stan.connect(name, { connId: actor.#connId() }).catch(() => undefined),
      `the connection of ${name}`,
    );
    return actor;
  }

  async publish(channel: string, ...sizes: number[]): Promise<void> {
    for (const size of sizes) {
      const guid = `${this.name}.${++this.#published}.`.padEnd(ID_LENGTH, "g");
      const error = await this.stan.publish(this.name, channel, "x".repeat(size), { guid, connId: this.#connId() });
      if (error !== "") throw new Error(`publishing to ${channel}: ${error}`);
    }
  }

  /** Closes the STAN connection, then the one to NATS. */
  async leave(): Promise<void> {
    await this.stan.close(this.name);
    await this.#nats.close();
  }

  /** Cuts the connection to NATS and says nothing. */
  async vanish(): Promise<void> {
    await this.#nats.close();
  }

  #connId(): Uint8Array {
    return bytesOf(this.name.padEnd(ID_LENGTH, "c"));
  }
}

/** The scene after its last action; {@link end} lets the clients vanish. */
export interface Scene {
  end(): Promise<void>;
}

/** Plays the scene: eight subscriptions of three clients, nineteen messages, one client gone. */
export async function playScene(url: string, clusterId: string): Promise<Scene> {
  const carol = await Actor.enter("carol", url, clusterId);
  const carols = [
    await carol.stan.sub("carol", "foo", { durableName: "carol-dur", maxInFlight: 3 }),
    await carol.stan.sub("carol", "bar", { queueGroup: "shadow", durableName: "dq" }),
  ] as const;
  const alice = await Actor.enter("alice", url, clusterId);
  const plain = await alice.stan.sub("alice", "foo", { maxInFlight: 5, ackWaitInSecs: 60 });
  const durable = await alice.stan.sub("alice", "foo", { durableName: "alice-dur" });
  const workers = [await alice.stan.sub("alice", "bar", { queueGroup: "workers", maxInFlight: 10 })];
  const bob = await Actor.enter("bob", url, clusterId);
  workers.push(await bob.stan.sub("bob", "bar", { queueGroup: "workers", maxInFlight: 10 }));
  const shared = await bob.stan.sub("bob", "bar", { queueGroup: "dworkers", durableName: "dq" });
  await bob.stan.sub("bob", "empty.chan");
  await alice.publish("foo", 13, 13, 13, 13, 13, 13, 13, 13, 13, 14);
  await bob.publish("bar", 11, 11, 11, 11, 11, 11);
  await bob.publish("foo.bar.baz", 1);
  await plain.atLeast(5);
  await carols[0].atLeast(3);
  await ackAll(carols[1], 6);
  await carol.leave();
  await alice.publish("foo", 13, 14);
  await ackAll(durable, 12);
  for (const worker of workers) await ackAll(worker, 3);
  await ackAll(shared, 6);
  return {
    async end() {
      await alice.vanish();
      await bob.vanish();
    },
  };
}

async function ackAll(subscription: RawSubscription, count: number): Promise<void> {
  await subscription.atLeast(count);
  subscription.ack(...subscription.messages.map(({ sequence }) => sequence));
  // A round trip: the server has taken in what went before.
  await subscription.stan.close("nobody");
}
