/** How a node of any role answers pre-votes and votes (E1, E3, E7, M6, M7). */
import { memberOf } from "./membership.ts";
import type { PreVote, Vote, VoteReason } from "./messages.ts";
import type { NodeState } from "./node_state.ts";

/** Answers a pre-vote; changes neither term nor vote. */
export function answerPreVote(state: NodeState, message: PreVote): void {
  const reason = preVoteReason(state, message);
  if (reason === "leader known" && message.hint && state.leader !== state.id) {
    state.outbox.notice({ kind: "check leader", leader: state.leader });
  }
  state.answer(message.from, {
    kind: "pre-vote reply",
    reason,
    forTerm: message.term + 1,
    guardTicks: state.guardTicks,
    guardLeader: state.guardLeader,
  }, message.incarnation);
  if (reason !== "granted") tellIfRemoved(state, message);
  // Whoever asked cannot win this vote, so that this node may as well ask for it.
  if (reason === "log older") state.transitions.hasten();
}

function preVoteReason(state: NodeState, message: PreVote): VoteReason {
  const stranger = strangerReason(state, message);
  if (stranger !== undefined) return stranger;
  if (state.leaderIsAlive && !(message.hint && state.leaderIsGone)) return "leader known";
  const wanted = message.term + 1;
  const voted = wanted < state.term || (wanted === state.term && state.vote !== "" && state.vote !== message.from);
  if (voted) return "voted";
  return hasWholeLog(state, message) ? "granted" : "log older";
}

/** Answers a vote; a granted one is saved before the answer leaves. */
export function answerVote(state: NodeState, message: Vote): void {
  const reason = voteReason(state, message);
  state.answer(message.from, {
    kind: "vote reply",
    reason,
    forTerm: message.term,
    guardTicks: state.guardTicks,
    guardLeader: state.guardLeader,
  }, message.incarnation);
  if (reason !== "granted") tellIfRemoved(state, message);
}

function voteReason(state: NodeState, message: Vote): VoteReason {
  if (message.term < state.term) return "voted";
  const stranger = strangerReason(state, message);
  if (stranger !== undefined) return stranger;
  const waived = message.transfer || (message.hint && state.leaderIsGone);
  if (state.leaderIsAlive && !waived) return "leader known";
  if (message.term > state.term) state.transitions.follow(message.term, "");
  if (state.vote !== "" && state.vote !== message.from) return "voted";
  if (!hasWholeLog(state, message)) return "log older";
  if (state.vote === "") state.saveTerm(state.term, message.from);
  return "granted";
}

function hasWholeLog(state: NodeState, { lastIndex, lastTerm }: PreVote | Vote): boolean {
  return state.log.isUpToDate(lastIndex, lastTerm) && state.isLongEnough(lastIndex, lastTerm);
}

/**
 * Why a vote is out of the question. A node that knows the cluster's identity votes only for those that have it in their
 * logs. One that was wiped is not even asked: questions are for the incarnation that is the member (M7).
 */
function strangerReason(state: NodeState, message: PreVote | Vote): VoteReason | undefined {
  if (state.distrustLog) return "distrusted";
  if (state.identity !== "" && message.identity !== state.identity) return "not same cluster";
  return isMemberAsked(state, message) ? undefined : "blank";
}

/**
 * Whether this node is surely the member that the question is meant for. Where the candidate does not know which
 * incarnation that is, only the voter's own log can tell; a node that forms the cluster with others trusts them, but
 * not somebody from a cluster that was formed without it. A late founder therefore votes only after a leader's first word.
 */
function isMemberAsked(state: NodeState, message: PreVote | Vote): boolean {
  if (message.expected === state.incarnation || state.log.hasBound(state.id, state.incarnation)) return true;
  const self = memberOf(state.membership, state.id);
  if (state.founders === "" || self === undefined || self.incarnation !== "") return false;
  const established = message.identity !== "" && message.founders === "";
  return !established || message.identity === (state.identity || state.log.identityInLog);
}

/**
 * Tells a node that a committed entry, which it lacks, took it out of the membership (M6). One whose place another
 * incarnation took is not told: its name is wanted, and it may ask to be taken in again.
 */
function tellIfRemoved(state: NodeState, message: PreVote | Vote): void {
  const { index, membership } = state.log.committedMembership;
  if (state.identity === "" || message.identity !== state.identity || message.lastIndex >= index) return;
  if (memberOf(membership, message.from) !== undefined) return;
  state.answer(message.from, { kind: "removed", index }, message.incarnation);
}
