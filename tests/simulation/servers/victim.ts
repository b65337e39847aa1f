/** Whom a fault befalls. */
import type { Host } from "./host.ts";
import type { ServerWorld } from "./server_world.ts";

/** Does something to the world; answers `false` when it cannot happen now. */
export type ServerFault = (world: ServerWorld) => boolean | void;

/** A host whose server runs; often the leader, which is the most interesting one. */
export function victim(world: ServerWorld): Host | undefined {
  const { random } = world;
  const leader = random.chance(0.4) ? world.leader() : undefined;
  const running = [...world.hosts.values()].filter((host) => host.running);
  return leader ?? (running.length === 0 ? undefined : random.pick(running));
}
