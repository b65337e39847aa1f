/** Messages of another cluster under the same name, or of founders who disagree, go no further (M8, M9). */
import type { Message } from "./messages.ts";
import { isFromLeader } from "./messages.ts";
import type { NodeState } from "./node_state.ts";

/** Whether this message is for the cluster of this node; what is not is told once. An identity is certain when its sender carries no founders with it. */
export function isOfSameCluster({ identity, founders, outbox }: NodeState, message: Message): boolean {
  const { from: peer, identity: theirs } = message;
  if (identity !== "") {
    if (theirs === identity) return true;
    if (theirs !== "" && message.founders === "") {
      outbox.noticeOnce(`identity ${peer} ${theirs}`, { kind: "other identity", peer, theirs, ours: identity });
      return false;
    }
    return !isFromLeader(message);
  }
  if (message.founders !== "" && founders !== "" && message.founders !== founders) {
    const notice = { kind: "other founders", peer, theirs: message.founders, ours: founders } as const;
    outbox.noticeOnce(`founders ${peer} ${message.founders}`, notice);
    return false;
  }
  return true;
}
