/** Faults of NATS and of the way to it (spec clustering, section 11.11). */
import type { MemoryBus } from "../../support/memory_bus.ts";
import type { ServerWorld } from "./server_world.ts";
import { type ServerFault, victim } from "./victim.ts";

/** NATS takes no less (spec clustering, section 11.9). */
const SMALL_PAYLOAD = 9_000;
const USUAL_PAYLOAD = 1_048_576;

function names(world: ServerWorld): string[] {
  const clients = world.population.clients.filter(() => world.random.chance(0.2)).map(({ id }) => id);
  return [...world.hosts.keys(), ...clients];
}

/** Everybody on one side or the other. */
const split: ServerFault = (world) => {
  const all = names(world);
  const left = all.filter(() => world.random.chance(0.5));
  world.trouble.split(left, all.filter((name) => !left.includes(name)), world.random.chance(0.3));
};

/** Two nodes cannot talk to one another, while both reach all others. */
const cutOneLink: ServerFault = (world) => {
  const all = [...world.hosts.keys()];
  world.trouble.split([world.random.pick(all)], [world.random.pick(all)], world.random.chance(0.5));
};

const isolateLeader: ServerFault = (world) => {
  const leader = world.leader();
  if (leader === undefined) return false;
  const others = [...world.hosts.keys()].filter((name) => name !== leader.name);
  world.trouble.split([leader.name], others, world.random.chance(0.3));
};

/** A link that comes and goes. */
const flap: ServerFault = (world) => {
  const all = [...world.hosts.keys()];
  const one = world.random.pick(all);
  const flips = world.random.between(2, 8);
  const pause = world.random.pick([5, 30, 120]);
  for (let i = 0; i < flips; i++) {
    world.later(i * pause, () => {
      if (!world.troubled) return;
      if (i % 2 === 0) world.trouble.split([one], all.filter((name) => name !== one), false);
      else world.trouble.cut.clear();
    });
  }
};

const healNetwork: ServerFault = (world) => {
  world.trouble.heal();
};

/** Loss, repetition and disorder of every kind, in a mixture. */
const badNetwork: ServerFault = (world) => {
  const { random } = world;
  Object.assign(world.trouble.odds, {
    drop: random.pick([0, 0.01, 0.1]),
    duplicate: random.pick([0, 0.05, 0.3]),
    reorder: random.pick([0, 0.05, 0.3]),
    late: random.pick([0, 0.01, 0.05]),
  });
};

const spoil: ServerFault = (world) => {
  const { random } = world;
  Object.assign(world.trouble.odds, { corrupt: random.pick([0, 0.01, 0.05]), truncate: random.pick([0, 0.01, 0.05]) });
};

const repeatOld: ServerFault = (world) => {
  world.trouble.repeatOld();
};

const lieAboutResponders: ServerFault = (world) => {
  const { random } = world;
  world.trouble.falseNoResponders = random.pick([0, 0.1, 0.5]);
  world.trouble.missingNoResponders = random.pick([0, 0.3, 1]);
};

function reconnectLater(world: ServerWorld, buses: readonly MemoryBus[], after: number): void {
  for (const bus of buses) bus.disconnect();
  world.later(after, () => {
    for (const bus of buses) bus.reconnect();
  });
}

/** All connections break; afterwards NATS may take less at a time than before. */
const restartBroker: ServerFault = (world) => {
  const { random } = world;
  reconnectLater(world, world.buses(), random.pick([1, 20, 200, 600]));
  world.net.maxPayload = random.pick([SMALL_PAYLOAD, USUAL_PAYLOAD]);
};

/** NATS cuts one connection that takes too little off, and it comes back at once. */
const cutSlowConsumer: ServerFault = (world) => {
  const buses = world.buses();
  if (buses.length === 0) return false;
  reconnectLater(world, [world.random.pick(buses)], world.random.pick([1, 5, 30]));
};

const disconnectNode: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  reconnectLater(world, host.node!.buses, world.random.pick([5, 100, 500]));
};

export const NETWORK_FAULTS = {
  split,
  cutOneLink,
  isolateLeader,
  flap,
  healNetwork,
  badNetwork,
  spoil,
  repeatOld,
  lieAboutResponders,
  restartBroker,
  cutSlowConsumer,
  disconnectNode,
};
