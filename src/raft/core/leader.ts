/** The leader: appends, replicates, commits by counting, and proves that it still leads (E2, E8, L3, L7 to L10). */
import { assert } from "./assert.ts";
import { Lease } from "./lease.ts";
import {
  type ChangeResult,
  isSameNode,
  majorityValue,
  memberOf,
  type Membership,
  type MembershipChange,
  type NodeId,
  quorumOf,
} from "./membership.ts";
import { MembershipChanges } from "./membership_changes.ts";
import { type DataKind, type Entry, entryBytes, type HeartbeatReply, type Message } from "./messages.ts";
import type { NodeState } from "./node_state.ts";
import { Progress } from "./progress.ts";
import type { ProposalResult, TransferResult } from "./status.ts";
import { announce, goBack, replicate, sendEmpty } from "./replication.ts";
import type { Role } from "./role.ts";
import { Transfer } from "./transfer.ts";

export class Leader implements Role {
  readonly name = "leader";
  readonly peers = new Map<NodeId, Progress>();
  readonly lease: Lease;
  /** The first entry of its term: nothing is served before it is committed and applied (E8). */
  readonly termStart: number;
  readonly #state: NodeState;
  readonly #changes: MembershipChanges;
  readonly #transfer: Transfer;
  #uncommittedBytes = 0;
  #established = false;
  #heartbeatAt: number;
  #commitPushAt: number;
  /** A full disk hands over; when that fails, it tries again at this tick (P6). */
  #handOverAt = 0;
  /** Members that the membership in effect leaves out, to be told once that is committed (M6). */
  #leaving: { readonly id: NodeId; readonly incarnation: string }[] = [];

  constructor(state: NodeState, quietUntil: number) {
    this.#state = state;
    this.termStart = state.log.lastIndex + 1;
    this.#heartbeatAt = state.now;
    this.#commitPushAt = state.now;
    this.lease = new Lease(state, this.peers, quietUntil);
    this.#changes = new MembershipChanges(state, this);
    this.#transfer = new Transfer(state, this.peers);
    this.#followMembership();
  }

  /** Appends the first entry of the term; the very first leader's names the cluster (M8). */
  start(): void {
    const { log, term, identity, newIdentity } = this.#state;
    const index = log.lastIndex + 1;
    const unnamed = identity === "" && log.identityInLog === "";
    this.#append(unnamed ? { kind: "identity", index, term, identity: newIdentity } : { kind: "no-op", index, term });
    this.#heartbeats();
  }

  get termCommitted(): boolean {
    return this.#state.log.commit >= this.termStart;
  }

  /**
   * Whether a majority is sure to know which cluster this is, and its members are bound to their incarnations. Before that
   * a founder that is wiped could found another cluster together with one that was never there (M7, M8): nothing may be
   * served.
   */
  get isEstablished(): boolean {
    return this.#established ||= this.#isEstablished();
  }

  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }

  get transferring(): boolean {
    return this.#transfer.active;
  }

  /** See {@link Raft.leaseUntil}. */
  get leaseUntil(): number {
    return this.transferring ? 0 : this.lease.until;
  }

  propose(kind: DataKind, payloads: readonly Uint8Array[]): ProposalResult {
    const { log, limits, disk, term } = this.#state;
    if (this.transferring) return { kind: "refused", reason: "transferring" };
    if (disk === "full") return { kind: "refused", reason: "disk full" };
    let bytes = 0;
    for (const payload of payloads) bytes += payload.length;
    if (this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > limits.uncommittedBytes) {
      return { kind: "refused", reason: "too much uncommitted" };
    }
    const first = log.lastIndex + 1;
    for (const payload of payloads) this.#append({ kind, index: log.lastIndex + 1, term, payload });
    return { kind: "accepted", term, first, last: log.lastIndex };
  }

  transfer(target: NodeId | undefined): TransferResult {
    const result = this.#transfer.start(target);
    if (result.kind === "started") this.lease.break();
    return result;
  }

  requestChange(change: MembershipChange): ChangeResult {
    return this.#changes.request(change);
  }

  changeMembership(membership: Membership): ChangeResult {
    const { log, term, outbox } = this.#state;
    const index = log.lastIndex + 1;
    const before = log.membership.membership;
    this.#append({ kind: "membership", index, term, membership });
    outbox.changeMembership(log.membership);
    for (const member of before.members) {
      const after = memberOf(membership, member.id);
      const same = after !== undefined && isSameNode(member, after.incarnation);
      if (!same) this.#leaving.push({ id: member.id, incarnation: member.incarnation });
    }
    this.#followMembership();
    return { kind: "appended", index, term };
  }

  tick(): void {
    const state = this.#state;
    if (!this.#hasQuorum()) return state.transitions.follow(state.term, "");
    if (this.#transfer.tick()) this.lease.break();
    if (state.disk === "full" && !this.transferring && state.now >= this.#handOverAt) this.handOver();
    if (state.now >= this.#heartbeatAt) this.#heartbeats();
    const push = state.now >= this.#commitPushAt;
    if (push) this.#commitPushAt = state.now + state.timeouts.commitInterval;
    for (const peer of this.peers.values()) this.#tickPeer(peer, push);
    this.#changes.tick();
    this.lease.update();
  }

  /** Looks for somebody whose disk is better. */
  handOver(): void {
    this.#handOverAt = this.#state.now + this.#state.timeouts.electionTimeout;
    this.transfer(undefined);
  }

  /** The process stood still: the lease is lost, and nobody's silence meanwhile means anything (Q4). */
  stalled(): void {
    this.lease.break();
    for (const peer of this.peers.values()) peer.contact = this.#state.now;
    this.#heartbeatAt = this.#state.now;
  }

  /** Tells everybody that this leader's lease is over (E7). */
  goodbye(): void {
    const guardTicks = Math.max(0, this.lease.quietUntil - this.#state.now);
    for (const to of this.#state.peers()) this.#state.tell(to, { kind: "goodbye", guardTicks });
  }

  step(message: Message): void {
    const peer = this.peers.get(message.from);
    if (peer === undefined || !this.#isMember(peer, message.incarnation)) return;
    switch (message.kind) {
      case "append reply":
        this.#heard(peer, message.disk);
        return this.#accepted(peer, message.match);
      case "append refusal":
        this.#heard(peer, message.disk);
        return goBack(this.#state, peer, message);
      case "heartbeat reply":
        this.#heard(peer, message.disk);
        return this.#heartbeatAnswered(peer, message);
      case "snapshot reply":
        this.#heard(peer, peer.disk);
        peer.installFailed = message.failed;
        if (!message.failed) this.#accepted(peer, message.match);
        return;
      case "append":
      case "heartbeat":
      case "snapshot announce":
        assert(false, `${message.from} and ${this.#state.id} both lead in term ${message.term}`);
        break;
      default:
    }
  }

  stored(): void {
    this.#advanceCommit();
  }

  gather(): void {
    if (this.lease.wantsRound && this.termCommitted) this.#heartbeats();
    for (const peer of this.peers.values()) replicate(this.#state, peer);
  }

  /** The lowest index that a live follower which is not far behind still needs from the log (S5). */
  neededFrom(target: number): number {
    const { log, limits, now, timeouts } = this.#state;
    let needed = target;
    for (const peer of this.peers.values()) {
      const has = peer.state === "snapshot" ? peer.announced!.index : peer.match;
      const alive = peer.contact + timeouts.electionTimeout > now;
      if (alive && log.lastIndex - has <= 2 * limits.trailingEntries) needed = Math.min(needed, has);
    }
    return needed;
  }

  #append(entry: Entry): void {
    this.#state.log.append(entry);
    this.#uncommittedBytes += entryBytes(entry);
  }

  /** Sends a round of heartbeats to everybody (L8). */
  #heartbeats(): void {
    const state = this.#state;
    this.#heartbeatAt = state.now + state.timeouts.heartbeatInterval;
    const round = this.lease.startRound(this.termCommitted);
    for (const peer of this.peers.values()) {
      // Who has lost what it acknowledged is told by what it does not have.
      const commit = Math.min(state.log.commit, Math.max(peer.match, peer.lost));
      const commitTerm = state.log.termAt(commit) ?? 0;
      peer.sentRound = round;
      state.tell(peer.id, { kind: "heartbeat", commit, commitTerm, round, sentAt: state.now });
    }
    this.lease.update();
  }

  #tickPeer(peer: Progress, pushCommit: boolean): void {
    const state = this.#state;
    const { now, log, timeouts } = state;
    if (peer.state === "snapshot") {
      if (now >= peer.announcedAt + timeouts.electionTimeout) announce(state, peer);
      return;
    }
    if (peer.state === "replicate" && peer.contact + timeouts.leaseTimeout <= now) {
      // It will be sent something again as soon as it answers a heartbeat (L9).
      peer.probe(peer.match + 1);
      peer.probing = true;
    }
    const idle = peer.state === "replicate" && peer.next > log.lastIndex;
    if (pushCommit && idle && peer.sentCommit < log.commit) sendEmpty(state, peer);
  }

  #isMember(peer: Progress, incarnation: string): boolean {
    if (peer.incarnation === "") {
      if (peer.heardIncarnation === "") peer.heardIncarnation = incarnation;
      return peer.heardIncarnation === incarnation;
    }
    if (peer.incarnation === incarnation) return true;
    const notice = { kind: "other incarnation", peer: peer.id, incarnation } as const;
    this.#state.outbox.noticeOnce(`incarnation ${peer.id} ${incarnation}`, notice);
    return false;
  }

  #heard(peer: Progress, disk: Progress["disk"]): void {
    peer.contact = this.#state.now;
    peer.heard = true;
    peer.disk = disk;
  }

  #accepted(peer: Progress, match: number): void {
    const state = this.#state;
    // Nobody can have what was never sent: no node of this cluster says that.
    if (match > state.log.lastIndex) return;
    const news = peer.accepted(match);
    if (peer.state === "snapshot" && state.log.baseIndex <= peer.match) peer.probe(peer.match + 1);
    if (!news) return;
    if (peer.voter) this.#advanceCommit();
    else this.#changes.caughtUpMore(peer);
    if (state.role === this && this.transferring) this.#transfer.advance();
  }

  #heartbeatAnswered(peer: Progress, message: HeartbeatReply): void {
    const state = this.#state;
    this.#learnCommit(message);
    peer.applied = Math.max(peer.applied, message.applied);
    this.lease.answered(peer, message.round, message.sentAt);
    this.lease.update();
    peer.answered(message.round);
    const stuck = peer.match < state.log.lastIndex && peer.matchAtHeartbeat === peer.match;
    if (peer.state === "replicate" && stuck && !peer.fetching) sendEmpty(state, peer);
    peer.matchAtHeartbeat = peer.match;
    if (!peer.voter) this.#changes.caughtUpMore(peer);
  }

  /** What a follower has applied is durable there, and it notes of which cluster that is. */
  #isEstablished(): boolean {
    const { identity, log, id } = this.#state;
    if (identity === "") return false;
    let voters = 0;
    let knowing = 0;
    let bound = 0;
    for (const member of log.committedMembership.membership.members) {
      if (!member.voter) continue;
      voters++;
      if (member.incarnation !== "") bound++;
      const known = member.id === id ? log.durable : this.peers.get(member.id)?.applied ?? -1;
      if (known >= log.identityIndex) knowing++;
    }
    return Math.min(knowing, bound) >= quorumOf(voters);
  }

  /** Whether a majority of voters was heard within the lease (E2). */
  #hasQuorum(): boolean {
    const { now, timeouts, membership, id } = this.#state;
    let voters = 0;
    let heard = 0;
    for (const member of membership.members) {
      if (!member.voter) continue;
      voters++;
      if (member.id === id || this.peers.get(member.id)!.contact + timeouts.leaseTimeout > now) heard++;
    }
    return heard >= quorumOf(voters);
  }

  /** Commits what a majority holds durably, if the last of it is of this term (L3). Learners do not count. */
  #advanceCommit(): void {
    const state = this.#state;
    const { log } = state;
    const values: number[] = [];
    for (const member of state.membership.members) {
      if (member.voter) values.push(member.id === state.id ? log.durable : this.peers.get(member.id)!.match);
    }
    const index = majorityValue(values);
    if (index === undefined || index <= log.commit || log.termAt(index) !== state.term) return;
    this.#commitThrough(index);
  }

  /**
   * A snapshot holds committed entries only. Who installs one may wait for messages that are here, in entries which no
   * majority can acknowledge again before it is done.
   */
  #learnCommit({ installing, installingTerm }: HeartbeatReply): void {
    const { log } = this.#state;
    if (installing > log.commit && log.termAt(installing) === installingTerm) this.#commitThrough(installing);
  }

  #commitThrough(index: number): void {
    const state = this.#state;
    const { log } = state;
    for (let i = Math.max(log.commit + 1, this.termStart); i <= index; i++) {
      this.#uncommittedBytes -= entryBytes(log.cache.at(i)!);
    }
    const membershipWasPending = this.#changes.pending;
    state.commitThrough(index);
    if (membershipWasPending && !this.#changes.pending) this.#membershipCommitted();
  }

  #membershipCommitted(): void {
    const state = this.#state;
    const { index } = state.log.membership;
    for (const { id, incarnation } of this.#leaving) {
      if (id !== state.id) state.answer(id, { kind: "removed", index }, incarnation);
    }
    this.#leaving = [];
    if (memberOf(state.membership, state.id) !== undefined) return;
    // It led without counting itself; now the others go on (M5).
    for (const peer of this.peers.values()) {
      if (peer.state === "replicate") sendEmpty(state, peer);
    }
    this.goodbye();
    this.#transfer.start(undefined);
    state.outbox.notice({ kind: "removed", index });
    state.transitions.follow(state.term, "");
  }

  /** Brings the list of peers in line with the membership in effect. */
  #followMembership(): void {
    const { membership, id, log, now, limits } = this.#state;
    for (const known of [...this.peers.keys()]) {
      if (memberOf(membership, known) === undefined) this.peers.delete(known);
    }
    for (const member of membership.members) {
      if (member.id === id) continue;
      const known = this.peers.get(member.id);
      const as = known?.incarnation || known?.heardIncarnation;
      if (known === undefined || (as && member.incarnation && as !== member.incarnation)) {
        this.peers.set(member.id, new Progress(member, log.lastIndex + 1, now, limits));
      } else {
        known.incarnation = member.incarnation;
        known.voter = member.voter;
      }
    }
  }
}
