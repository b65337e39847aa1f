/** What the roles have in common, and how one turns into another. */
import type { NodeId } from "./membership.ts";
import type { Message } from "./messages.ts";
import type { CoreRole } from "./ready.ts";

/** How a role behaves. */
export interface Role {
  readonly name: CoreRole;
  /** Time has passed. */
  tick(): void;
  /** A message of the present term that is neither a vote nor a pre-vote. */
  step(message: Message): void;
  /** More of the log, or the hard state, is durable. */
  stored(): void;
  /** The caller is about to take a `Ready`: what was gathered is put into messages. */
  gather(): void;
}

/** A pre-vote first; or, asked by the leader itself, the election at once (E9). */
export type CampaignKind = "pre-vote" | "vote" | "transfer";

/** Who granted a vote, and what each said about leases that may still run (E7). */
export interface Grant {
  readonly from: NodeId;
  /** The tick until which that lease may run, on this node's clock. */
  readonly guardUntil: number;
  readonly guardLeader: NodeId;
}

/** The changes of role. */
export interface Transitions {
  /** `leader` may be empty. A higher `term` is saved. Campaigns after `patience` ticks, by default drawn anew (E4). */
  follow(term: number, leader: NodeId, patience?: number): void;
  campaign(kind: CampaignKind): void;
  /** Campaigns soon, if it does not yet or waits with its pre-votes: there is no leader to wait for. */
  hasten(): void;
  lead(grants: readonly Grant[]): void;
}

/** The tick until which a leader elected by `grants` has to wait before it serves: a voter's own vote ends its own lease. */
export function quietUntil(grants: readonly Grant[]): number {
  let until = 0;
  for (const grant of grants) {
    const ended = grants.some((other) => other.from === grant.guardLeader);
    if (!ended) until = Math.max(until, grant.guardUntil);
  }
  return until;
}
