/**
 * Keeps an eye on this node's place in the cluster: joins while it has none, and while it leads asks around for another
 * cluster under the same name (spec clustering, sections 3.3 and 3.4).
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Millis } from "../protocol/units.ts";
import { isUpToDate, type LogEnd, memberOf, quorumOf, votersOf } from "./core/mod.ts";
import { incarnationIn, type Joining, type Presence, type Who } from "./members/mod.ts";
import type { RaftNode } from "./node.ts";
import type { RaftDirectory } from "./raft_directory.ts";

export interface SettlingParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly who: Who;
  readonly joining: Joining;
  readonly node: RaftNode;
  readonly directory: RaftDirectory;
  readonly boot: string;
  isMember(): boolean;
  /** The store's messages need not be doubted any more. */
  endDoubt(): Promise<void>;
  stopped(): boolean;
  die(reason: string): void;
}

const ROUND: Millis = 1000;
const ASK: Millis = 200;
/** A node that waits for something says so this often. */
const SAY: Millis = 10_000;
/** How long members that are not there are waited for, when logs have to be compared. */
const PATIENCE: Millis = 30_000;

export class Settling {
  readonly #parts: SettlingParts;
  #cancel: Cancel = () => {};
  #said: Millis;
  #joining = false;
  readonly #startedAt: Millis;
  /** No shorter log than the longest is to lead: for a while. */
  #longestFirst = false;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
    this.#said = parts.clock.now();
    this.#startedAt = this.#said;
  }

  start(): void {
    void this.#round(true);
  }

  stop(): void {
    this.#cancel();
  }

  async #round(first: boolean): Promise<void> {
    const { clock, stopped, node, directory } = this.#parts;
    if (this.#mustJoin()) void this.#join();
    if (node.raft.distrustsLog) await this.#compareLogs();
    const leaderless = node.raft.leader === "";
    if (first || leaderless || node.raft.role === "leader" || !this.#settled()) await this.#askAround();
    if (stopped()) return;
    if (directory.member.doubtful && this.#hasCaughtUp()) void this.#parts.endDoubt();
    if (!node.isDiskFull) directory.reserve.grow();
    this.#complain();
    this.#endWaiting();
    this.#cancel = clock.wakeAt(clock.now() + ROUND, () => void this.#round(false));
  }

  /**
   * A node whose log is not trusted is brought in step by a leader. Where so many are in that state that there can be
   * none, the members compare their logs once all of them are there, or after a while those that are: the longest may
   * then lead, and what it lacks is lost (spec clustering, P12).
   */
  async #compareLogs(): Promise<void> {
    const { node, who, clock, log, directory, stopped } = this.#parts;
    if (node.raft.leader !== "") return;
    const found = await who.survey(ASK);
    if (stopped() || node.raft.leader !== "" || !node.raft.distrustsLog) return;
    const voters = votersOf(node.raft.status().membership.membership);
    const others = [...found.values()].filter((one) => voters.includes(one.nodeId));
    // Who does not know the cluster cannot vote for one that does.
    const trusted = others.filter((one) => !one.distrusted && one.identity !== "").length;
    const present = others.length + 1;
    const waitedLong = clock.now() - this.#startedAt >= PATIENCE;
    if (trusted >= quorumOf(voters.length) || present < quorumOf(voters.length)) return;
    if (present < voters.length && !waitedLong) return;
    log.error(
      `the machines of most members were restarted while the log was not synced: the longest log of ${present} members goes on, ` +
        `and messages that were acknowledged may be lost`,
    );
    const ends = [directory.wal, ...others].map(endOf);
    const longest = ends.reduce((one, other) => isUpToDate(one, other) ? one : other);
    node.poke((raft) => raft.trustLog(longest));
    this.#longestFirst = true;
  }

  /** It was given a vote, and has applied that: there was nothing more when it was. */
  #hasCaughtUp(): boolean {
    const { node, directory } = this.#parts;
    const { membership, applied } = node.raft.status();
    const self = memberOf(membership.membership, directory.member.nodeId);
    return self?.voter === true && self.incarnation === directory.member.incarnation && applied >= membership.index;
  }

  #settled(): boolean {
    return this.#parts.directory.member.identity !== "" && this.#parts.isMember();
  }

  /** Neither a founder nor a member, and nobody took it out or is about to. */
  #mustJoin(): boolean {
    const { directory, node } = this.#parts;
    return !this.#parts.isMember() && directory.member.removedAt === 0 && !node.raft.isBeingRemoved;
  }

  /** Whoever is of an older cluster under this name is heard by others, too; here only this node's own place is looked at. */
  async #askAround(): Promise<void> {
    const { who, directory, stopped, isMember } = this.#parts;
    const { nodeId, incarnation, identity, removedAt } = directory.member;
    const found = await who.survey(ASK);
    if (stopped() || removedAt > 0) return;
    if (identity !== "" && isMember()) return this.#joinIfReplaced(found.values());
    for (const presence of found.values()) {
      if (presence.identity === "" || (identity !== "" && presence.identity !== identity)) continue;
      const known = incarnationIn(presence, nodeId);
      if (known !== "" && known !== incarnation) return void this.#join();
    }
  }

  /** By its own log this node is a member; by the leader's another incarnation took its place: an old disk came back. */
  #joinIfReplaced(found: Iterable<Presence>): void {
    const { node, directory } = this.#parts;
    const { nodeId, incarnation, identity } = directory.member;
    if (node.raft.leader !== "") return;
    for (const presence of found) {
      const leads = presence.identity === identity && presence.leader === presence.nodeId;
      if (!leads || presence.term < node.raft.term) continue;
      const known = incarnationIn(presence, nodeId);
      if (known !== "" && known !== incarnation) return void this.#join(() => node.raft.leader !== "");
    }
  }

  /** A cluster exists and this node, in this incarnation, is none of its members. */
  async #join(enough = () => this.#settled()): Promise<void> {
    if (this.#joining) return;
    this.#joining = true;
    const { joining, directory, boot, die, stopped } = this.#parts;
    const { incarnation } = directory.member;
    const identity = () => directory.member.identity;
    const refused = await joining.join({ incarnation, boot, identity }, enough);
    this.#joining = false;
    if (refused !== undefined && !stopped()) die(`failed to join Raft group ${directory.member.clusterId}: ${refused}`);
  }

  /** Whose log was the longest may be gone. */
  #endWaiting(): void {
    const { node, clock } = this.#parts;
    if (!this.#longestFirst || clock.now() - this.#startedAt < 2 * PATIENCE) return;
    this.#longestFirst = false;
    if (node.raft.leader === "" && !node.raft.distrustsLog) node.poke((raft) => raft.trustLog());
  }

  /** A node without a leader is not silent about it. */
  #complain(): void {
    const { clock, log, node, directory } = this.#parts;
    const now = clock.now();
    if (node.raft.leader !== "" && this.#settled()) this.#said = now;
    if (now - this.#said < SAY) return;
    this.#said = now;
    if (directory.member.removedAt > 0) {
      log.warn("this node was removed from the cluster and waits to be added again");
    } else if (node.raft.leader === "") {
      const voters = node.raft.status().membership.membership.members.map((member) => member.id).join(", ");
      log.warn(`no leader: waiting for a majority of ${voters === "" ? "the cluster" : voters}`);
    }
  }
}

function endOf({ lastIndex: index, lastTerm: term }: Pick<Presence, "lastIndex" | "lastTerm">): LogEnd {
  return { index, term };
}
