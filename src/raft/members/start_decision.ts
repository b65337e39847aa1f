/** How a node that has never been in a cluster begins: it forms one with its peers, leads one alone, or joins (spec clustering, section 3.1). */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { StartFailed } from "../../protocol/errors.ts";
import type { Millis } from "../../protocol/units.ts";
import type { CheckedOptions } from "../options.ts";
import { bootstrapSubject } from "../wire/mod.ts";
import { incarnationIn, type Presence, type Who } from "./who.ts";
import type { MessageBus } from "../../ports/message_bus.ts";

/** How long a node with peers looks around: an established cluster answers at once. */
const LOOK_AROUND: Millis = 150;
/** How long one that would lead alone does. */
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

/** The founders of a cluster to be formed; empty: join one. Throws StartFailed. */
export async function decideStart(parts: StartParts): Promise<readonly string[]> {
  const { options, who, nodeId } = parts;
  if (options.peers.length > 0) {
    // Where others know this node's name they are not answer enough: whoever lives under it has to be heard, too.
    const found = await who.survey(LOOK_AROUND, (so) => allAreNew(so, options.peers));
    return isWanted(found, nodeId) ? [] : [nodeId, ...options.peers].sort();
  }
  return options.bootstrap ? await bootstrap(parts) : [];
}

/** Whether a cluster exists in which this node has to be taken in. */
function isWanted(found: ReadonlyMap<string, Presence>, nodeId: string): boolean {
  for (const presence of found.values()) {
    if (presence.identity !== "" && incarnationIn(presence, nodeId) !== "") return true;
  }
  return false;
}

/** Whether all of `peers` are there, and none of them knows a cluster: there is nobody else to wait for. */
function allAreNew(found: ReadonlyMap<string, Presence>, peers: readonly string[]): boolean {
  const names = new Set([...found.values()].filter((one) => one.identity === "").map((one) => one.nodeId));
  return names.size === found.size && peers.every((peer) => names.has(peer));
}

async function bootstrap({ options, who, nodeId, boot, log, bus, clock }: StartParts): Promise<readonly string[]> {
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
  announce(bus, clock, options.clusterId, boot);
  return [nodeId];
}

/** Tells servers of the reference, which listen here, that this one bootstraps. */
function announce(bus: MessageBus, _clock: Clock, clusterId: string, boot: string): void {
  bus.publish(new TextEncoder().encode(bootstrapSubject(clusterId)), new TextEncoder().encode(boot));
}
