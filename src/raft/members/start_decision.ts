/** How a node that has never been in a cluster begins: it forms one with its peers, leads one alone, or joins (spec clustering, section 3.1). */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { StartFailed } from "../../protocol/errors.ts";
import type { Millis } from "../../protocol/units.ts";
import type { CheckedOptions } from "../options.ts";
import { bootstrapSubject } from "../wire/mod.ts";
import type { Presence, Who } from "./who.ts";
import type { MessageBus } from "../../ports/message_bus.ts";

/** How long one look around of a node with peers takes: an established cluster answers at once. */
const LOOK_AROUND: Millis = 150;
/** How long a node looks that would found a cluster without others: NATS servers may have to find each other first. */
const LOOK_HARD: Millis = 2000;

export interface StartParts {
  readonly options: CheckedOptions;
  readonly nodeId: string;
  readonly boot: string;
  readonly who: Who;
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StartDecision {
  /** Of a cluster to be formed; none: join one. */
  readonly founders: readonly string[];
  /**
   * The term to begin with: of a founder that may have been here before, and has forgotten in which terms it voted or led,
   * one in which it did not (M7).
   */
  readonly term: number;
}

const JOIN: StartDecision = { founders: [], term: 0 };

/** Throws StartFailed. */
export async function decideStart(parts: StartParts): Promise<StartDecision> {
  const { options } = parts;
  if (options.peers.length > 0) return await form(parts);
  return options.bootstrap ? { founders: await bootstrap(parts), term: 0 } : JOIN;
}

/**
 * Where anybody knows a cluster this node has to be taken in: it may have been one of its founders, and have forgotten what
 * it said then. Where nobody does, all founders have to be there, or silent for a while: who knew would have answered.
 */
async function form({ options, who, nodeId, clock }: StartParts): Promise<StartDecision> {
  const end = clock.now() + LOOK_HARD;
  for (;;) {
    // Where others know a cluster they are not answer enough: whoever lives under this node's name has to be heard, too.
    const found = await who.survey(LOOK_AROUND, (so) => allAreNew(so, options.peers));
    const others = [...found.values()];
    if (others.some((one) => one.identity !== "")) return JOIN;
    if (!allAreNew(found, options.peers) && clock.now() < end) continue;
    const last = others.reduce((term, one) => Math.max(term, one.term), 0);
    return { founders: [nodeId, ...options.peers].sort(), term: last === 0 ? 0 : last + 1 };
  }
}

/** Whether all of `peers` are there, and none of them knows a cluster: there is nobody else to wait for. */
function allAreNew(found: ReadonlyMap<string, Presence>, peers: readonly string[]): boolean {
  const names = new Set([...found.values()].filter((one) => one.identity === "").map((one) => one.nodeId));
  return names.size === found.size && peers.every((peer) => names.has(peer));
}

async function bootstrap({ options, who, nodeId, boot, log, bus }: StartParts): Promise<readonly string[]> {
  const alive = (found: ReadonlyMap<string, Presence>) =>
    [...found.values()].find((one) => one.identity !== "" || one.founders !== "");
  const rival = (found: ReadonlyMap<string, Presence>) => [...found.values()].find((one) => one.bootstrapping);
  const found = await who.survey(LOOK_HARD, (so) => alive(so) !== undefined);
  const member = alive(found);
  if (member !== undefined) {
    throw new StartFailed(
      `cluster ${JSON.stringify(options.clusterId)} already exists: node ${JSON.stringify(member.nodeId)} answers. ` +
        `Start without -cluster_bootstrap to join it`,
    );
  }
  const other = rival(found);
  if (other !== undefined) {
    const text = `Server ${other.nodeId} was also started with -cluster_bootstrap`;
    if (other.nodeId < nodeId || (other.nodeId === nodeId && other.boot < boot)) throw new StartFailed(text);
    log.error(text);
  }
  announce(bus, options.clusterId, boot);
  return [nodeId];
}

/** Tells servers of the reference, which listen here, that this one bootstraps. */
function announce(bus: MessageBus, clusterId: string, boot: string): void {
  bus.publish(new TextEncoder().encode(bootstrapSubject(clusterId)), new TextEncoder().encode(boot));
}
