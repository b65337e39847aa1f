/** Faults of processes, whole machines and their clocks (spec clustering, section 11.11). */
import { MemoryFiles } from "../../support/memory_files.ts";
import { ProcessClock } from "../../support/virtual_clock.ts";
import type { Host } from "./host.ts";
import type { ServerWorld } from "./server_world.ts";
import { SimulatedNode } from "./simulated_node.ts";
import { type ServerFault, victim } from "./victim.ts";

const DOWN = [1, 20, 150, 700] as const;

function losePowerOf(world: ServerWorld, host: Host): void {
  if (world.synced) host.losePower();
  else if (world.operator.mayForget(host)) world.operator.forget(host);
  else host.kill();
  world.operator.startLater(host, world.random.pick(DOWN));
}

const kill: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  host.kill();
  world.operator.startLater(host, world.random.pick(DOWN));
};

/** Any part of what was not synced is gone: writes, parts of writes, entries of directories. */
const losePower: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  losePowerOf(world, host);
};

const restartAll: ServerFault = (world) => {
  for (const host of world.hosts.values()) if (host.up) losePowerOf(world, host);
};

/** As {@link restartAll}; where nothing is synced, any part of what all of them wrote is gone. */
const losePowerEverywhere: ServerFault = (world) => {
  // What becomes of a channel that is made and deleted all the time is told by the log alone.
  if (world.synced || world.idleAfter > 0 || !world.operator.mayForgetAll) return false;
  world.losePowerEverywhere();
  for (const host of world.hosts.values()) world.operator.startLater(host, world.random.pick(DOWN));
};

/** The machine goes down in the middle of whatever the server does with its disk next. */
const crashInStep: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  let steps = world.random.between(1, 40);
  const { node, files } = host;
  files.onCall = () => {
    if (host.node !== node || !node!.alive || --steps > 0) return undefined;
    losePowerOf(world, host);
    return { code: "other" };
  };
};

const pause: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  freezeFor(world, host, world.random.pick([30, 150, 400, 1_500]));
};

/** Too short to lose leadership, long enough to lose the lease. */
const stall: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  freezeFor(world, host, world.random.between(60, 260));
};

function freezeFor(world: ServerWorld, host: Host, time: number): void {
  const node = host.node!;
  node.freeze();
  world.later(time, () => {
    if (node.alive && node.frozen) node.thaw();
  });
}

/** Somebody starts a second server under the name of one that runs, with an empty disk: it has to notice and go. */
const duplicate: ServerFault = (world) => {
  const host = victim(world);
  // Where they do not hear each other, nobody can tell which of them is the second one.
  if (host === undefined || !world.operator.isSettled || !world.trouble.isCalm) return false;
  // One that is about to end gives way.
  if (host.node!.journal!.status().role === "Shutdown") return false;
  // Of two that start nearly together either may go.
  if (world.clock.now() - host.startedAt < 400) return false;
  const clock = new ProcessClock(world.clock);
  const { settings, raft, peers, code } = world.startOptions(host);
  const twin = new SimulatedNode(world, host.name, new MemoryFiles(), peers, settings, clock, {
    label: `twin`,
    raft,
    ...(code === undefined ? {} : { code }),
  });
  world.operator.alsoStop(() => {
    if (twin.alive) twin.kill();
  });
};

const jumpClock: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  const seconds = world.random.pick([-7_200, -60, -1, 1, 60, 7_200]);
  host.node!.clock.shiftWall(BigInt(seconds) * 1_000_000_000n);
};

const stopClock: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  const { clock } = host.node!;
  clock.stopWall(true);
  world.later(world.random.between(50, 800), () => clock.stopWall(false));
};

export const PROCESS_FAULTS = {
  kill,
  losePower,
  restartAll,
  losePowerEverywhere,
  crashInStep,
  pause,
  stall,
  duplicate,
  jumpClock,
  stopClock,
};
