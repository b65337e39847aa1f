/** The candidate: asks for pre-votes, then for votes, and gives up when it cannot win any more (E1, E4, E10). */
import { memberOf, type NodeId, quorumOf, votersOf } from "./membership.ts";
import type { Message, PreVoteReply, VoteReply } from "./messages.ts";
import type { NodeState } from "./node_state.ts";
import type { Ticket } from "./ready.ts";
import type { CampaignKind, Grant, Role } from "./role.ts";

export class Candidate implements Role {
  readonly name: "pre-candidate" | "candidate";
  readonly #state: NodeState;
  readonly #kind: CampaignKind;
  /** The term it wants to lead. */
  readonly #term: number;
  readonly #grants: Grant[] = [];
  readonly #refusals = new Set<NodeId>();
  /** The write of its own vote, until that is durable and counts. */
  #ownVote: Ticket = 0;
  #deadline: number;

  constructor(state: NodeState, kind: CampaignKind) {
    this.#state = state;
    this.#kind = kind;
    this.name = kind === "pre-vote" ? "pre-candidate" : "candidate";
    this.#term = state.term + 1;
    this.#deadline = state.now + this.#patience();
  }

  /** Asks everybody. May change the role at once: a single voter needs nobody. */
  start(): void {
    const state = this.#state;
    const hint = state.leaderIsGone;
    if (this.name === "candidate") this.#ownVote = state.saveTerm(this.#term, state.id);
    state.reportRole();
    const { lastIndex, lastTerm } = state.log;
    for (const to of votersOf(state.membership)) {
      if (to === state.id) continue;
      const question = { lastIndex, lastTerm, hint };
      if (this.name === "pre-candidate") state.tell(to, { kind: "pre-vote", ...question });
      else state.tell(to, { kind: "vote", ...question, transfer: this.#kind === "transfer" });
    }
    if (this.name === "pre-candidate") this.#grantItself();
    this.#decide();
  }

  tick(): void {
    if (this.#state.now < this.#deadline) return;
    this.#state.campaign("pre-vote");
    // Where it may not campaign any more it stays put until somebody leads.
    if (this.#state.role === this) this.#state.transitions.follow(this.#state.term, "");
  }

  step(message: Message): void {
    switch (message.kind) {
      case "append":
      case "heartbeat":
      case "snapshot announce":
        this.#state.transitions.follow(message.term, message.from);
        return this.#state.role.step(message);
      case "pre-vote reply":
        if (this.name === "pre-candidate") this.#count(message);
        return;
      case "vote reply":
        if (this.name === "candidate") this.#count(message);
        return;
      default:
    }
  }

  stored(): void {
    if (this.#ownVote === 0 || this.#state.outbox.unsavedHardState !== 0) return;
    this.#ownVote = 0;
    this.#grantItself();
    this.#decide();
  }

  gather(): void {}

  /** Tries again as soon as it hears that the leader is gone, which a refusal may have been about. */
  hasten(ticks: number): void {
    if (this.name === "pre-candidate") this.#deadline = Math.min(this.#deadline, this.#state.now + ticks);
  }

  #patience(): number {
    const { timeouts, random } = this.#state;
    const { electionTimeout } = timeouts;
    if (this.name === "candidate") return electionTimeout + random.below(electionTimeout);
    return this.#shortPatience();
  }

  /** Pre-votes cost only messages: they are repeated sooner, soonest when the leader is thought to be gone. */
  #shortPatience(isSoonest = this.#state.leaderIsGone): number {
    const { timeouts, random } = this.#state;
    const { electionTimeout, heartbeatInterval } = timeouts;
    const least = isSoonest ? Math.ceil(heartbeatInterval / 4) : Math.ceil(electionTimeout / 4);
    return least + random.below(least + 1);
  }

  /** How long votes are waited for that may yet come, once there was a refusal. */
  #patienceForVotes(): number {
    const { leaderIsGone, goneAnswers } = this.#state;
    return this.#shortPatience(leaderIsGone && !goneAnswers);
  }

  #grantItself(): void {
    const { id, guardUntil, guardLeader } = this.#state;
    this.#grants.push({ from: id, guardUntil, guardLeader });
  }

  #count(message: PreVoteReply | VoteReply): void {
    const state = this.#state;
    if (message.forTerm !== this.#term) return;
    const member = memberOf(state.membership, message.from);
    if (member === undefined || !member.voter) return;
    if (member.incarnation !== "" && member.incarnation !== message.incarnation) return;
    if (message.from === state.goneLeader) state.goneAnswers = true;
    // What was granted stays so, whatever the answer to a question that came twice.
    if (this.#grants.some((grant) => grant.from === message.from)) return;
    if (message.reason === "granted") {
      const { from, guardTicks, guardLeader } = message;
      this.#grants.push({ from, guardUntil: state.now + guardTicks, guardLeader });
      this.#refusals.delete(from);
    } else {
      this.#refusals.add(message.from);
      // Answers come quickly, so nobody gains by waiting long for one that does not: but a vote is saved first.
      if (this.name === "candidate") this.#deadline = Math.min(this.#deadline, state.now + this.#patienceForVotes());
    }
    this.#decide();
  }

  #decide(): void {
    const state = this.#state;
    const voters = votersOf(state.membership);
    const granted = this.#grants.filter((grant) => voters.includes(grant.from)).length;
    if (granted >= quorumOf(voters.length)) {
      if (this.name === "candidate") return state.transitions.lead(this.#grants);
      return state.transitions.campaign("vote");
    }
    // Once somebody refused, nobody waits for the answer of a leader that is gone and was not started again.
    const refused = this.#refusals.size;
    const { goneLeader, goneAnswers } = state;
    const silent = refused > 0 && voters.includes(goneLeader) && !goneAnswers;
    const possible = voters.length - refused - (silent ? 1 : 0);
    if (this.name === "candidate" && possible < quorumOf(voters.length)) {
      // Votes were split: whoever is quicker now wins.
      state.transitions.follow(state.term, "", state.timeouts.heartbeatInterval + this.#shortPatience());
    }
  }
}
