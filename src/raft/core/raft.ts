/** One Raft node without I/O: inputs go in, `takeReady` says what the caller owes (spec clustering, section 11.1). */
import { Applying } from "./applying.ts";
import { assert } from "./assert.ts";
import { Candidate } from "./candidate.ts";
import { answerPreVote, answerVote } from "./elections.ts";
import { Follower } from "./follower.ts";
import { Leader } from "./leader.ts";
import type { LogEnd } from "./log_end.ts";
import { type ChangeResult, isSameNode, memberOf, type MembershipChange, type NodeId } from "./membership.ts";
import type { DataKind, DiskState, Entry, Goodbye, Message, Removed, SnapshotMark } from "./messages.ts";
import { isFromLeader } from "./messages.ts";
import { NodeState } from "./node_state.ts";
import type { RaftOptions } from "./options.ts";
import type { CoreRole, Fetch, Outgoing, Ready, Ticket } from "./ready.ts";
import { sendFetched } from "./replication.ts";
import { type CampaignKind, type Grant, quietUntil } from "./role.ts";
import { isOfSameCluster } from "./same_cluster.ts";
import type { ProposalResult, RaftStatus, TransferResult } from "./status.ts";
import { statusOf } from "./status_of.ts";

/** After any inputs, call `takeReady` once and do what it says; inputs do not have to wait for that to be done. */
export class Raft {
  readonly #state: NodeState;
  readonly #applying: Applying;
  #lastRead = 0;

  constructor(options: RaftOptions) {
    const { timeouts: { heartbeatInterval }, random } = options;
    this.#state = new NodeState(options, {
      follow: (term, leader, patience) => this.#follow(term, leader, patience),
      campaign: (kind) => this.#campaign(kind),
      hasten: () => this.#hasten(),
      lead: (grants) => this.#lead(grants),
    });
    this.#applying = new Applying(this.#state);
    // A first pre-vote may come soon: where a leader lives it does no harm, and elsewhere it saves a silence.
    this.#state.role = new Follower(this.#state, Math.ceil(heartbeatInterval / 4) + random.below(heartbeatInterval));
  }

  /**
   * It is tick `now` (never less than before; the same again does nothing). To be called before a message is stepped,
   * too: leases are counted from the tick that is known. A jump of more than half a lease counts as a stall (Q4).
   */
  tick(now: number): void {
    const state = this.#state;
    assert(now >= state.now, `tick ${now} comes after ${state.now}`);
    if (now === state.now) return;
    const stalled = now - state.now > state.timeouts.leaseTimeout / 2;
    state.now = now;
    if (stalled) this.stall();
    this.#applying.tick();
    state.role.tick();
    this.#cutLog();
  }

  /** A message that passed the transport's checks. */
  step(message: Message): void {
    const state = this.#state;
    if (message.to !== state.id || message.from === state.id) return;
    if (!isOfSameCluster(state, message)) return;
    if (message.expected !== "" && message.expected !== state.incarnation) return;
    if (message.kind === "pre-vote") return answerPreVote(state, message);
    if (message.kind === "vote") return answerVote(state, message);
    if (message.kind === "goodbye") return this.#goodbye(message);
    if (message.kind === "removed") return this.#removed(message);
    if (message.term < state.term) {
      if (isFromLeader(message)) return this.#correct(message);
      // A voter that refuses may be in an earlier term; what it says is about the term that was asked for.
      if (message.kind === "vote reply" || message.kind === "pre-vote reply") state.role.step(message);
      return;
    }
    // A stranger's term means nothing here.
    if ("reason" in message && message.reason === "not same cluster") return state.role.step(message);
    if (message.term > state.term) this.#follow(message.term, isFromLeader(message) ? message.from : "");
    state.role.step(message);
  }

  /** Appends one entry for each payload, in order, all or none; entries travel together with others of the same turn. */
  propose(kind: DataKind, payloads: readonly Uint8Array[]): ProposalResult {
    return this.#leader?.propose(kind, payloads) ?? { kind: "refused", reason: "not leader" };
  }

  /** The writes up to `ticket` are durable (C3). */
  stored(ticket: Ticket): void {
    const { outbox, log, role, limits } = this.#state;
    assert(ticket <= outbox.lastTicket, `write ${ticket} was never asked for`);
    outbox.stored(ticket);
    log.stored(ticket, limits.cacheBytes);
    role.stored();
  }

  /** The answer to a {@link Fetch}; empty when nothing could be read. */
  fetched(asked: Fetch, entries: readonly Entry[]): void {
    if (asked.purpose === "") return this.#applying.fetched(entries);
    const peer = this.#leader?.peers.get(asked.purpose);
    if (peer !== undefined) sendFetched(this.#state, peer, entries);
  }

  /** Everything up to `index` is applied. */
  applied(index: number): void {
    this.#applying.applied(index);
  }

  /** Asks for the index from which on the state is fresh (Q1); the answer comes as a `ReadResult` with this number. */
  read(): number {
    const read = ++this.#lastRead;
    const leader = this.#leader;
    if (leader === undefined) this.#state.outbox.answerRead({ read, index: undefined });
    else leader.lease.read(read);
    return read;
  }

  /** Hands leadership to `target`, or to the voter that is best placed (E9). A new target replaces the previous one. */
  transfer(target?: NodeId): TransferResult {
    return this.#leader?.transfer(target) ?? { kind: "refused", reason: "not leader" };
  }

  /** Asks for a change of membership; only at the leader (M1 to M11). */
  changeMembership(change: MembershipChange): ChangeResult {
    return this.#leader?.requestChange(change) ?? { kind: "refused", reason: "not leader" };
  }

  /** Says goodbye to all members and steps down if leading: before this node stops. It does not campaign any more. */
  leave(): void {
    const state = this.#state;
    state.left = true;
    const leader = this.#leader;
    if (leader === undefined) return;
    leader.goodbye();
    this.#follow(state.term, "");
  }

  /** A snapshot of this node is durable and verified; older entries become removable (S5). */
  snapshotTaken(snapshot: SnapshotMark): void {
    const { log } = this.#state;
    assert(
      snapshot.index <= log.applied,
      `a snapshot of ${snapshot.index} is ahead of ${log.applied}, which is applied`,
    );
    if (snapshot.index <= (log.snapshot?.index ?? 0)) return;
    log.snapshot = snapshot;
    this.#cutLog();
  }

  /**
   * The snapshot asked for in `Ready.install` is here, durable and verified: may it take the place of the state now? If
   * so, nothing is handed out to be applied until `snapshotInstalled` or `snapshotFailed`. If not, it is not needed any more.
   */
  mayInstall(snapshot: SnapshotMark): boolean {
    const may = this.#applying.mayInstall(snapshot);
    if (!may) this.#answerAnnounce(false);
    return may;
  }

  /** The state is the snapshot's, durably. What becomes of the log is in the next `Ready` (S4). */
  snapshotInstalled(snapshot: SnapshotMark): void {
    this.#applying.installed(snapshot);
    if (this.#state.role instanceof Follower) this.#state.role.restart();
    this.#answerAnnounce(false);
  }

  /** It could not be had, or is no longer of use. */
  snapshotFailed(): void {
    this.#applying.installFailed();
    this.#answerAnnounce(true);
  }

  /** Twice nobody listened where `leader` should (E7). */
  leaderGone(leader: NodeId): void {
    const state = this.#state;
    if (leader === "" || leader !== state.leader || leader === state.id) return;
    state.suspect(leader);
    this.#hasten();
  }

  /** The process stood still: the lease counts as lost (Q4). */
  stall(): void {
    const { role, timeouts } = this.#state;
    if (role instanceof Leader) role.stalled();
    else if (role instanceof Follower) role.delay(timeouts.heartbeatInterval);
  }

  /** How this node's disk does; a leader with a full disk hands over (P6). */
  setDisk(disk: DiskState): void {
    this.#state.disk = disk;
    if (disk === "full") this.#leader?.handOver();
  }

  /** Whether this node may campaign: not while its stores are behind its log (P8). It may at first. */
  setElectable(electable: boolean): void {
    this.#state.electable = electable;
  }

  /**
   * Ends `distrustLog`: whoever decides has compared the logs of all reachable members, and `longest` is how the longest of
   * them ends. Until a leader commits something this node votes for none that is shorter, and does not campaign if its own
   * is (P12).
   */
  trustLog(longest?: LogEnd): void {
    this.#state.distrustLog = false;
    this.#state.longest = longest;
  }

  /** Whether this node keeps from voting because its log may lack what it had acknowledged (P12). */
  get distrustsLog(): boolean {
    return this.#state.distrustLog;
  }

  /** To be remembered on disk: a start has to distrust the log. */
  get mayLackEntries(): boolean {
    return this.#state.distrustLog || this.#state.longest !== undefined;
  }

  /** Whether `takeReady` has something. */
  get hasReady(): boolean {
    this.#state.role.gather();
    return this.#applying.canHandOut || this.#state.outbox.hasReady(this.#state.log);
  }

  takeReady(): Ready {
    const { role, log, outbox, limits } = this.#state;
    role.gather();
    const committed = this.#applying.handOut();
    const ready = outbox.take(log, committed);
    log.shrinkCache(limits.cacheBytes);
    return ready;
  }

  /** What is to be said already of `Ready` that is not taken yet: the same as its `messages`. */
  takeMessages(): readonly Outgoing[] {
    return this.#state.outbox.takeMessages();
  }

  get role(): CoreRole {
    return this.#state.role.name;
  }

  get term(): number {
    return this.#state.term;
  }

  /** Empty when unknown. */
  get leader(): NodeId {
    return this.#state.leader;
  }

  /** Empty until committed. */
  get identity(): string {
    return this.#state.identity;
  }

  /** A change that takes this node out stands in its log, and whether it is committed is not known here. */
  get isBeingRemoved(): boolean {
    const { log, id, incarnation } = this.#state;
    const member = memberOf(log.committedMembership.membership, id);
    const stays = memberOf(log.membership.membership, id) !== undefined;
    return !stays && member !== undefined && isSameNode(member, incarnation);
  }

  /** This node leads and has applied the first entry of its term (E8), and its cluster is established: it may serve. */
  get leading(): boolean {
    const leader = this.#leader;
    return leader !== undefined && this.#state.log.applied >= leader.termStart && leader.isEstablished;
  }

  /**
   * The tick before which this leader may speak for the cluster (Q2, Q3), provided that `leading`; compare with the
   * clock itself, not with the last tick. 0 when there is no lease.
   */
  get leaseUntil(): number {
    return this.#leader?.leaseUntil ?? 0;
  }

  status(): RaftStatus {
    return statusOf(this.#state, this.#leader, this.#applying.bytes);
  }

  get #leader(): Leader | undefined {
    const { role } = this.#state;
    return role instanceof Leader ? role : undefined;
  }

  #follow(term: number, leader: NodeId, patience?: number): void {
    const state = this.#state;
    const { heartbeatTimeout } = state.timeouts;
    const led = this.#leader;
    if (term > state.term) state.saveTerm(term, "");
    if (led !== undefined) {
      led.lease.end();
      // Its own lease is over with this; one before it may not be.
      state.guardUntil = led.lease.quietUntil;
      state.guardLeader = "";
      state.contact = -Infinity;
    }
    state.leader = leader;
    state.role = new Follower(state, patience ?? heartbeatTimeout + state.random.below(heartbeatTimeout));
    state.reportRole();
  }

  #campaign(kind: CampaignKind): void {
    const state = this.#state;
    state.leader = "";
    const candidate = new Candidate(state, kind);
    state.role = candidate;
    candidate.start();
  }

  #lead(grants: readonly Grant[]): void {
    const state = this.#state;
    state.leader = state.id;
    state.goneLeader = "";
    const leader = new Leader(state, quietUntil(grants));
    state.role = leader;
    state.reportRole();
    leader.start();
  }

  #hasten(): void {
    const { role, timeouts, random } = this.#state;
    const ticks = random.below(timeouts.heartbeatInterval + 1);
    if (role instanceof Follower || role instanceof Candidate) role.hasten(ticks);
  }

  /** A stale leader, or one that this node's higher term keeps out, learns the term and steps down (E6). */
  #correct(message: Message): void {
    this.#state.answer(message.from, this.#state.heartbeatReply(0, -1));
  }

  #goodbye(message: Goodbye): void {
    const state = this.#state;
    if (message.term < state.term || message.from !== state.leader) return;
    state.guardUntil = Math.min(state.guardUntil, state.now + message.guardTicks);
    state.guardLeader = "";
    state.contact = -Infinity;
    state.suspect(message.from);
    this.#hasten();
  }

  #removed(message: Removed): void {
    const state = this.#state;
    if (message.index <= state.log.membership.index) return;
    state.outbox.noticeOnce("removed", { kind: "removed", index: message.index });
  }

  /** Tells the leader how the installation went. */
  #answerAnnounce(failed: boolean): void {
    const { leader, id, log } = this.#state;
    if (leader === "" || leader === id) return;
    this.#state.answer(leader, { kind: "snapshot reply", match: Math.min(log.commit, log.durable), failed });
  }

  /** Cuts away what snapshot and followers can spare (S5). */
  #cutLog(): void {
    const { log, limits, outbox, switching } = this.#state;
    if (log.snapshot === undefined || switching) return;
    const spare = Math.min(log.snapshot.index, log.lastIndex - limits.trailingEntries, log.applied, log.durable);
    if (spare <= log.baseIndex) return;
    const through = this.#leader?.neededFrom(spare) ?? spare;
    if (through <= log.baseIndex) return;
    // Each cut is a sync: where the log grows beyond the snapshot, not one a tick.
    const isWorthIt = through === log.snapshot.index || through - log.baseIndex >= limits.trailingEntries / 8;
    if (!isWorthIt) return;
    log.cutThrough(through);
    outbox.cutLog(through);
  }
}
