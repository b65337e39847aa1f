/** Whether a world that has healed is well again: every node holds the same, and every subscriber has everything (I19). */
import { Violation } from "../simulation.ts";
import type { Host } from "./host.ts";
import { IDLE } from "./idle_channel.ts";
import { CHANNELS, type Reception } from "./population.ts";
import type { ServerWorld } from "./server_world.ts";

export class Recovery {
  readonly #world: ServerWorld;

  constructor(world: ServerWorld) {
    this.#world = world;
  }

  /** Nothing is left to be done. */
  get isSettled(): boolean {
    if (!this.#world.population.isSettled || !this.#world.operator.isSettled) return false;
    const leader = this.#world.leader();
    if (leader?.serving !== true) return false;
    for (const host of this.#world.hosts.values()) {
      if (!host.running || host.seen.applied !== leader.seen.applied || !this.#holdsAll(host)) return false;
    }
    if (this.#world.idleAfter > 0 && !this.#world.idle.isSettled(leader, this.#world.hosts.values())) return false;
    if (!this.#world.population.receptions.every((each) => this.#isComplete(leader, each))) return false;
    // It would report within a second: not waited for.
    leader.node!.journal!.flushReports();
    return this.#statesAgree();
  }

  #holdsAll(host: Host): boolean {
    return CHANNELS.every((channel) => this.#world.history.heldBy(host, channel) === this.#world.history.last(channel));
  }

  #isComplete(leader: Host, reception: Reception): boolean {
    const { channel, payloads } = reception;
    if (channel === IDLE) return this.#world.idle.isComplete(leader, reception);
    const messages = leader.node!.server!.recorder.channels.get(channel)?.messages;
    if (messages === undefined) return true;
    const first = Math.max(1, messages.first, this.#world.history.firsts.get(channel) ?? 0);
    for (let i = this.#world.history.heldBy(leader, channel); i >= first; i--) if (!payloads.has(i)) return false;
    return true;
  }

  /** I4: once everything is reported, all nodes know the same of clients, subscriptions and what is pending. */
  #statesAgree(): boolean {
    const states = [...this.#world.hosts.values()].map((host) => host.node!.server!.machine.snapshot());
    return states.every((state) =>
      state.length === states[0]!.length && state.every((byte, i) => byte === states[0]![i])
    );
  }

  /** What all hold is compared once more, from the beginning. */
  compare(): void {
    for (const host of this.#world.hosts.values()) {
      if (!this.#holdsAll(host)) throw new Violation("I9 stored once", `${host.name} lacks messages`);
      host.compared.clear();
      this.#world.history.compare(host);
      this.#world.idle.compare(host);
    }
  }

  /** What is left, for whoever reads that it was not done. */
  get lack(): string {
    const hosts = [...this.#world.hosts.values()].map((host) => {
      const { role, term, commit, applied } = host.seen;
      const what = host.up ? `${role} ${term} ${commit}/${applied} ${host.serving ? "serves" : ""}` : "down";
      return `${host.name} ${what} ${[...CHANNELS, IDLE].map((each) => lastOf(host, each))}`;
    });
    const states = this.#world.operator.isSettled && [...this.#world.hosts.values()].every((host) => host.running)
      ? `states ${this.#statesAgree() ? "agree" : "differ"}`
      : "";
    return [...hosts, this.#world.population.lack, this.#world.operator.lack, states].join("; ");
  }
}

function lastOf(host: Host, channel: string): number {
  return host.node?.server?.recorder.channels.get(channel)?.messages.last ?? 0;
}
