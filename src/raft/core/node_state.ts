/** What a node is and knows whatever its role: who it is, its term and vote, its log, its leader, the time. */
import type { CampaignKind, Role, Transitions } from "./role.ts";
import { RaftLog } from "./log.ts";
import { isUpToDate, type LogEnd } from "./log_end.ts";
import { isSameNode, memberOf, type Membership, type NodeId } from "./membership.ts";
import type { Body, DiskState, Message, SnapshotMark } from "./messages.ts";
import { type Chance, foundersMembership, type RaftLimits, type RaftOptions, type RaftTimeouts } from "./options.ts";
import { Outbox } from "./outbox.ts";
import type { CoreRole, Ticket } from "./ready.ts";

export class NodeState {
  readonly id: NodeId;
  readonly incarnation: string;
  /** The sorted initial list, joined with commas. */
  readonly founders: string;
  readonly timeouts: RaftTimeouts;
  readonly limits: RaftLimits;
  readonly random: Chance;
  readonly newIdentity: string;
  readonly log: RaftLog;
  readonly outbox: Outbox;
  readonly transitions: Transitions;

  now: number;
  term: number;
  vote: NodeId;
  /** Empty when unknown; itself when it leads. */
  leader: NodeId = "";
  /** Empty until committed. */
  identity: string;
  /** Once the constructor of {@link Raft} is done, always set. */
  role!: Role;

  /** The tick of the last word from a valid leader. */
  contact = -Infinity;
  /** Until this tick the lease of an earlier leader may run (E7)... */
  guardUntil: number;
  /** ...which is this one's, and ends when it votes for somebody; empty when nobody's word ends it. */
  guardLeader: NodeId = "";
  /** A leader of whom this node has reason to think that it is gone (E7). */
  goneLeader: NodeId = "";
  /** Somebody answers under the name of the leader that is thought to be gone: it was started again. */
  goneAnswers = false;

  /** Of the last append sent, to whomever: a member that left and came back must not take an old answer for a new one. */
  lastSequence = 0;
  electable = true;
  /** The log may lack entries that were acknowledged: no votes, no campaigns (P12). */
  distrustLog = false;
  /** How the longest log of all members ends, where most had lost something: nobody with a shorter one is to lead (P12). */
  longest: LogEnd | undefined;
  /** Tells words that leaders say from now on from late ones, while the log is not trusted. */
  ask = 0;
  /** This node said goodbye. */
  left = false;
  disk: DiskState = "ok";
  /** The snapshot that the caller is fetching, or switching to. */
  installing: SnapshotMark | undefined;
  /** Nothing may be handed out to be applied: the state is being replaced. */
  switching = false;
  /** Entries to apply were asked back from disk. */
  fetchingToApply = false;

  constructor(options: RaftOptions, transitions: Transitions) {
    const founders = foundersMembership(options.founders);
    this.id = options.id;
    this.incarnation = options.incarnation;
    this.founders = founders.members.map((member) => member.id).join(",");
    this.timeouts = options.timeouts;
    this.limits = options.limits;
    this.random = options.random;
    this.newIdentity = options.newIdentity;
    this.log = new RaftLog(options.log, { index: 0, membership: founders }, options.applied);
    this.outbox = new Outbox(this.log.commit);
    this.transitions = transitions;
    this.now = options.now;
    this.term = options.hardState.term;
    this.vote = options.hardState.vote;
    this.identity = options.identity;
    if (options.distrustLog) this.distrust();
    // Of a write that was cut short the log may have reached the disk and the term not: no vote was given in it yet.
    if (this.log.lastTerm > this.term) this.saveTerm(this.log.lastTerm, "");
    // Before its restart this node may have promised a leader its lease, and forgotten it.
    this.guardUntil = this.term > 0 ? this.now + this.leaseGuard : -Infinity;
  }

  /** From now on the log is not trusted. */
  distrust(): void {
    this.distrustLog = true;
    this.ask = 1 + this.random.below(2 ** 31);
  }

  get membership(): Membership {
    return this.log.membership.membership;
  }

  /**
   * For how long a leader's lease may run after a contact with it. Clocks may drift by a tenth; and the tick that is
   * known may be almost over twice: when the contact is noted, and when what is left of it is told to a candidate.
   */
  get leaseGuard(): number {
    return Math.ceil(this.timeouts.leaseTimeout * 1.1) + 2;
  }

  /** How long a lease may still run that this node knows of. */
  get guardTicks(): number {
    return Math.max(0, this.guardUntil - this.now);
  }

  /** A live leader was heard within the minimum election timeout (E1). */
  get leaderIsAlive(): boolean {
    return this.role.name === "leader" || this.contact + this.timeouts.heartbeatTimeout > this.now;
  }

  /** It is hinted that the leader this node heard is gone (E7). */
  get leaderIsGone(): boolean {
    return this.goneLeader !== "" && (this.goneLeader === this.leader || this.leader === "");
  }

  /** It is hinted that `leader`, which this node heard, is gone (E7). */
  suspect(leader: NodeId): void {
    this.goneLeader = leader;
    this.goneAnswers = false;
  }

  /** Sets and saves the term and the vote; returns the ticket of that write. */
  saveTerm(term: number, vote: NodeId): Ticket {
    this.term = term;
    this.vote = vote;
    return this.outbox.save({ term, vote });
  }

  /** A word from `leader`, valid in the present term. */
  hearLeader(leader: NodeId): void {
    this.contact = this.now;
    this.goneLeader = "";
    this.guardUntil = this.now + this.leaseGuard;
    this.guardLeader = leader;
    if (this.leader === leader) return;
    this.leader = leader;
    this.reportRole();
  }

  reportRole(): void {
    this.outbox.changeRole({ role: this.role.name as CoreRole, term: this.term, leader: this.leader });
  }

  heartbeatReply(round: number, sentAt: number): Body {
    const { log, disk, installing } = this;
    const { index = 0, term = 0 } = installing ?? {};
    return {
      ...{ kind: "heartbeat reply", round, sentAt, disk },
      ...{ applied: log.applied, installing: index, installingTerm: term },
    };
  }

  /** Tells a member something, of its own accord. */
  tell(to: NodeId, body: Body): void {
    this.#send(to, memberOf(this.membership, to)?.incarnation ?? "", body);
  }

  /** Answers whoever asked, or tells somebody who is no member. */
  answer(to: NodeId, body: Body, expected = ""): void {
    this.#send(to, expected, body);
  }

  #send(to: NodeId, expected: string, body: Body): void {
    const settled = this.identity !== "";
    this.outbox.send({
      ...body,
      from: this.id,
      incarnation: this.incarnation,
      to,
      expected,
      term: this.term,
      identity: settled ? this.identity : this.log.identityInLog,
      founders: settled ? "" : this.founders,
    } as Message);
  }

  /** The other members, learners too. */
  peers(): NodeId[] {
    return this.membership.members.filter((member) => member.id !== this.id).map((member) => member.id);
  }

  /** Whether this node is a voter in the membership in effect. */
  get isVoter(): boolean {
    const self = memberOf(this.membership, this.id);
    return self !== undefined && self.voter && isSameNode(self, this.incarnation);
  }

  /**
   * Whether it may stand for election (E10). A voter whose removal is not committed yet still may: the others may be
   * unable to elect anybody else.
   */
  get canCampaign(): boolean {
    if (!this.electable || this.distrustLog || this.left || this.installing !== undefined) return false;
    if (!this.isLongEnough(this.log.lastIndex, this.log.lastTerm)) return false;
    if (this.isVoter) return true;
    const { log } = this;
    const before = log.membership.index > log.commit ? log.previousMembership : undefined;
    const self = before && memberOf(before.membership, this.id);
    return self !== undefined && self.voter && isSameNode(self, this.incarnation);
  }

  /** Whether somebody whose log ends with this entry may lead as far as this node knows of other logs than its own. */
  isLongEnough(index: number, term: number): boolean {
    return this.longest === undefined || isUpToDate({ index, term }, this.longest);
  }

  /** Raises the commit index, which never sinks, and draws the consequences. */
  commitThrough(index: number): void {
    const { log } = this;
    if (index <= log.commit) return;
    log.commit = index;
    // A leader that commits has been elected: this log goes by that one's from now on.
    if (log.termAt(index) === this.term) this.longest = undefined;
    if (this.identity === "" && log.identityIndex > 0 && log.identityIndex <= index) {
      this.learnIdentity(log.identityInLog);
    }
  }

  learnIdentity(identity: string): void {
    if (identity === "" || this.identity !== "") return;
    this.identity = identity;
    this.outbox.learnIdentity(identity);
  }

  /** Campaigns if it may. */
  campaign(kind: CampaignKind): void {
    if (this.canCampaign) this.transitions.campaign(kind);
  }
}
