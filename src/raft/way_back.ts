/** A start of a node whose state is gone or damaged: back into its cluster as another incarnation, or a precise refusal. */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import type { Random } from "../ports/random.ts";
import { StartFailed } from "../protocol/errors.ts";
import { Nuid } from "../protocol/nuid.ts";
import type { Millis } from "../protocol/units.ts";
import { comeBack, type Presence, type Who } from "./members/mod.ts";
import { NO_MARKS } from "./presence.ts";
import type { RaftDirectory } from "./raft_directory.ts";

export interface WayBack {
  readonly clusterId: string;
  readonly boot: string;
  readonly who: Who;
  readonly bus: MessageBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  stopped(): boolean;
}

/**
 * Has the cluster take this node in anew, then begins anew on the disk: nothing is changed there before the cluster has let
 * the former self go. Throws StartFailed with what is wrong, why nobody helps, and what the operator can do.
 */
export async function findWayBack(directory: RaftDirectory, parts: WayBack): Promise<void> {
  const { text, remedy, identity } = directory.ailment!;
  const { nodeId, removedAt } = directory.member;
  directory.report.disagreed(text);
  if (removedAt > 0) throw new StartFailed(`${text}; this node was removed from the cluster. ${remedy}`);
  parts.log.warn(`${text}: looking for the other nodes of this cluster`);
  const incarnation = new Nuid(parts.random).next();
  const reason = await comeBack({ ...parts, nodeId, incarnation, identity });
  if (reason !== undefined) throw new StartFailed(`${text}; ${reason}. ${remedy}`);
  directory.renew(incarnation, identity);
}

/** What a node says of itself that is looking for its way back: it is of no cluster, for nobody to act on what it was. */
export function lookerPresence({ member }: RaftDirectory, boot: string, age: Millis): Presence {
  return {
    ...{ nodeId: member.nodeId, incarnation: member.incarnation, boot, age },
    ...{ identity: "", leader: "", founders: "", members: "", term: 0, lastIndex: 0, lastTerm: 0 },
    ...{ bootstrapping: false, waiting: true, distrusted: true, ...NO_MARKS, toStop: "", wall: 0 },
  };
}
