/** The faults that trouble a world of servers (spec clustering, section 11.11), each a thing that may happen at any time. */
import { DISK_FAULTS } from "./disk_faults.ts";
import { NETWORK_FAULTS } from "./network_faults.ts";
import { OPERATION_FAULTS } from "./operation_faults.ts";
import { PROCESS_FAULTS } from "./process_faults.ts";
import type { ServerWorld } from "./server_world.ts";
import type { ServerFault } from "./victim.ts";

const FAULTS = { ...NETWORK_FAULTS, ...PROCESS_FAULTS, ...DISK_FAULTS, ...OPERATION_FAULTS };

export type FaultName = keyof typeof FAULTS;

const NAMES = Object.keys(FAULTS) as FaultName[];

export class ServerFaults {
  readonly #world: ServerWorld;
  readonly #favourites: readonly FaultName[];
  readonly #chosen: boolean;

  /** Each world has its own favourites, unless some are given. */
  constructor(world: ServerWorld, favourites: readonly FaultName[] | undefined) {
    this.#world = world;
    this.#chosen = favourites !== undefined;
    this.#favourites = favourites ?? Array.from({ length: 4 }, () => world.random.pick(NAMES));
  }

  /** Plans faults, one after another, as long as the world is troubled. */
  plan(): void {
    const world = this.#world;
    const { random } = world;
    const pause = random.pick([25, 60, 120]);
    const next = () => {
      if (!world.troubled) return;
      world.operator.stopExtras();
      if (!world.operator.fragile) {
        const name = random.chance(this.#chosen ? 0.8 : 0.5) ? random.pick(this.#favourites) : random.pick(NAMES);
        const fault: ServerFault = FAULTS[name];
        if (fault(world) !== false) world.note(`FAULT ${name}`);
      }
      world.later(random.between(1, 2 * pause), next);
    };
    world.later(random.between(150, 400), next);
  }
}
