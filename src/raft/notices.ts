/**
 * What the core and other nodes say that somebody should know or act on: other clusters under the same name, other
 * processes under this node's name, removals. Decides what is told once and what ends this node (spec clustering,
 * sections 3.4, 3.6 and 11.5).
 */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Millis } from "../protocol/units.ts";
import { type MembershipAt, type Notice, votersOf } from "./core/mod.ts";
import type { RaftDirectory } from "./raft_directory.ts";
import { type Presence, younger } from "./members/mod.ts";

export interface NoticesParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly clusterId: string;
  readonly directory: RaftDirectory;
  self(): Presence;
  /** Asks until the process with this boot id has answered, or it is not there. */
  ask(boot: string): Promise<unknown>;
  isMember(id: string, incarnation: string): boolean;
  checkLeader(): void;
  die(reason: string, exitCode?: number): void;
}

/** How long a node that contacted this one may be added. */
const CONTACT: Millis = 60_000;
const MOST_CONTACTS = 1000;
/** Who asked for this node's removal gets an answer before it ends. */
const LAST_WORDS: Millis = 50;
/** Two processes that started so close together are told apart by their boot ids. */
const SAME_AGE: Millis = 200;

export class Notices {
  readonly #parts: NoticesParts;
  readonly #said = new Set<string>();
  readonly #contacts = new Map<string, { readonly incarnation: string; readonly at: Millis }>();
  #members = "";
  #makingSure = false;

  constructor(parts: NoticesParts) {
    this.#parts = parts;
  }

  /** Something came that was no message for this node. */
  dropped(reason: string): void {
    this.#once(`dropped a message: ${reason}`, (text) => this.#parts.log.warn(text));
  }

  /** Another process says who it is; `isAnswer`: as an answer to what was just asked, so that it lives. */
  heard(other: Presence, isAnswer: boolean): void {
    const self = this.#parts.self();
    if (other.nodeId === self.nodeId) return this.#sameName(other, self, isAnswer);
    if (other.identity !== "" && self.identity !== "" && other.identity !== self.identity) {
      return this.#otherCluster(other.nodeId, other.identity, self.identity);
    }
    if (other.identity === "" && self.identity === "") {
      this.#compareFounders(other.nodeId, other.founders, self.founders);
    }
    if (!this.#parts.isMember(other.nodeId, other.incarnation)) this.#remember(other);
  }

  /** The incarnation of a node that is no member and was heard lately. */
  contacted(nodeId: string): string | undefined {
    const contact = this.#contacts.get(nodeId);
    return contact !== undefined && this.#parts.clock.now() - contact.at < CONTACT ? contact.incarnation : undefined;
  }

  membership({ membership }: MembershipAt): void {
    const voters = votersOf(membership);
    const line = membership.members.map((member) => member.voter ? member.id : `${member.id} (learner)`).join(", ");
    if (line === this.#members || line === "") return;
    this.#members = line;
    this.#parts.log.notice(`cluster members: ${line}`);
    for (const warning of evenVoters(voters.length)) this.#once(warning, (text) => this.#parts.log.warn(text));
  }

  fromCore(notice: Notice): void {
    const { log } = this.#parts;
    switch (notice.kind) {
      case "other identity":
        if (notice.ours !== "") this.#otherCluster(notice.peer, notice.theirs, notice.ours);
        return;
      case "other founders":
        return this.#compareFounders(notice.peer, notice.theirs, notice.ours);
      case "other incarnation":
        return log.warn(`node ${JSON.stringify(notice.peer)} comes with an empty cluster log; it has to join anew`);
      case "removed":
        return this.#removed(notice.index);
      case "check leader":
        return this.#parts.checkLeader();
      case "transfer aborted":
        return log.warn(`leadership could not be handed to node ${JSON.stringify(notice.target)}`);
      case "learner too slow":
        return log.warn(`node ${JSON.stringify(notice.peer)} does not catch up, and stays without a vote for now`);
      case "log lost":
        return this.#logLost(notice.peer, notice.last, notice.acknowledged);
    }
  }

  /** Told once; a node that is started again after that waits to be added. */
  #removed(index: number): void {
    const { directory, clock, die } = this.#parts;
    if (directory.member.removedAt > 0) return;
    directory.updateMember({ removedAt: index });
    clock.wakeAt(clock.now() + LAST_WORDS, () => die("this node was removed from the cluster", 0));
  }

  #logLost(peer: string, last: number, acknowledged: number): void {
    const { log, directory } = this.#parts;
    const what =
      `the log ends at entry ${last} although entry ${acknowledged} had been acknowledged: the disk went back in time`;
    if (peer === directory.member.nodeId) log.error(`${what}; this node does not vote before it has caught up`);
    else log.error(`node ${JSON.stringify(peer)}: ${what}`);
  }

  #sameName(other: Presence, self: Presence, isAnswer: boolean): void {
    const difference = self.age - other.age;
    const weAreYounger = Math.abs(difference) > SAME_AGE ? difference < 0 : self.boot > other.boot;
    const text = `node ID ${JSON.stringify(self.nodeId)} is in use by another process of this cluster`;
    if (weAreYounger) return isAnswer ? this.#parts.die(text) : void this.#makeSure(other.boot);
    this.#once(text, (line) => this.#parts.log.error(`${line}; it has to stop`));
  }

  /** What an earlier process of this very node said may come late: only one that answers is another. */
  async #makeSure(boot: string): Promise<void> {
    if (this.#makingSure) return;
    this.#makingSure = true;
    await this.#parts.ask(boot);
    this.#makingSure = false;
  }

  #otherCluster(peer: string, theirs: string, ours: string): void {
    const { clusterId, log, die } = this.#parts;
    const text = `node ${JSON.stringify(peer)} belongs to another cluster with the ID ${JSON.stringify(clusterId)} ` +
      `(identity ${theirs}, ours is ${ours})`;
    if (younger(ours, theirs)) return die(`${text}, which is older: this node stops. Its data is untouched`);
    this.#once(text, (line) => log.error(`${line}, which is younger: it has to stop`));
  }

  #compareFounders(peer: string, theirs: string, ours: string): void {
    if (theirs === "" || ours === "" || theirs === ours) return;
    this.#parts.die(
      `the cluster peers of node ${JSON.stringify(peer)} are ${theirs}, those of this node are ${ours}: ` +
        `give the same list to all nodes`,
    );
  }

  #remember(other: Presence): void {
    if (this.#contacts.size >= MOST_CONTACTS) this.#contacts.delete(this.#contacts.keys().next().value!);
    this.#contacts.set(other.nodeId, { incarnation: other.incarnation, at: this.#parts.clock.now() });
  }

  #once(text: string, say: (text: string) => void): void {
    if (this.#said.has(text) || this.#said.size > 1000) return;
    this.#said.add(text);
    say(text);
  }
}

/** The warning about a number of voters that helps nobody (M10). */
export function evenVoters(voters: number): string[] {
  if (voters === 0 || voters % 2 !== 0) return [];
  return [`The cluster has ${voters} voters: an odd number survives as many failures with one node less`];
}
