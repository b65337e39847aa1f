/**
 * How a node whose log is lost or damaged comes back: as another incarnation, which its cluster takes in as a learner
 * (spec clustering, section 11.5, M7). The cluster decides that by a majority before anything changes on this node's disk:
 * its former self counts for nothing from then on. Where no such cluster is found this node must not start.
 */
import type { Clock } from "../../ports/clock.ts";
import type { MessageBus } from "../../ports/message_bus.ts";
import type { Millis } from "../../protocol/units.ts";
import { askToJoin } from "./join_request.ts";
import { waited } from "./joining.ts";
import { incarnationIn, type Presence, type Who } from "./who.ts";

export interface ComingBack {
  readonly who: Who;
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly boot: string;
  /** Under which it wants to be taken in; new. */
  readonly incarnation: string;
  /** Of the cluster that it was a member of; empty: unknown. */
  readonly identity: string;
  stopped(): boolean;
}

/** How long members are looked for: NATS servers may have to find each other first. */
const LOOK: Millis = 2000;
/** How long a leader is waited for where members are: all nodes may be starting. */
const PATIENCE: Millis = 10_000;
const PAUSE: Millis = 100;

/** Answers `undefined` once the cluster has taken this incarnation in, else why it has not. */
export async function comeBack(parts: ComingBack): Promise<string | undefined> {
  const { who, clock, identity } = parts;
  if (identity === "") return "it is not known of which cluster the state is: no other node can help";
  const end = clock.now() + PATIENCE;
  let found: ReadonlyMap<string, Presence> = await who.survey(LOOK, (so) => leaderIn(so, identity) !== undefined);
  let reason: string | undefined;
  while (!parts.stopped()) {
    const members = [...found.values()].filter((one) => one.identity === identity);
    if (members.length === 0) return nobody(found, parts);
    const leader = leaderIn(found, identity);
    reason = undefined;
    if (leader !== undefined) {
      const answer = await ask(parts, leader);
      if (answer.kind === "taken in") return undefined;
      if (answer.kind === "refused") return answer.reason;
      reason = answer.reason;
    }
    if (clock.now() >= end) return reason ?? noLeader(members);
    await waited(clock, PAUSE);
    found = await who.survey(LOOK / 4, (so) => leaderIn(so, identity) !== undefined);
  }
  return "stopped while starting";
}

/** A node's own word that it leads: hearsay may be older than the leader's death. */
function leaderIn(found: ReadonlyMap<string, Presence>, identity: string): Presence | undefined {
  return [...found.values()].find((one) => one.identity === identity && one.leader === one.nodeId);
}

type Answer =
  | { readonly kind: "taken in" }
  | { readonly kind: "refused" | "retry"; readonly reason: string };

async function ask(parts: ComingBack, leader: Presence): Promise<Answer> {
  const { bus, clusterId, nodeId, boot, incarnation, identity } = parts;
  if (incarnationIn(leader, nodeId) === "") {
    // Whoever comes first would be bound as the founder, a voter at once, though its former self may have voted.
    const reason = `node ${JSON.stringify(leader.nodeId)} leads, but does not know yet which node ${nodeId} was`;
    return { kind: "retry", reason };
  }
  const reply = await askToJoin(bus, clusterId, { nodeId, boot, incarnation, identity });
  if (reply === undefined) {
    const reason = `node ${JSON.stringify(leader.nodeId)} leads, but did not answer the request to join`;
    return { kind: "retry", reason };
  }
  if (reply.error === "") return { kind: "taken in" };
  return { kind: reply.code === "refused" ? "refused" : "retry", reason: reply.error };
}

function nobody(found: ReadonlyMap<string, Presence>, { identity, clusterId }: ComingBack): string {
  const other = [...found.values()].find((one) => one.identity !== "");
  if (other === undefined) return "no other node of its cluster answers";
  return `node ${JSON.stringify(other.nodeId)} answers, but belongs to another cluster with the ID ` +
    `${JSON.stringify(clusterId)} (identity ${other.identity}, this node was of ${identity})`;
}

function noLeader(members: readonly Presence[]): string {
  const names = members.map((one) => one.nodeId).sort().join(", ");
  return `of its cluster ${names} answer${members.length === 1 ? "s" : ""}, but nobody leads: ` +
    `start a majority of the other nodes first`;
}
