/**
 * Keeps an eye on this node's place in the cluster: joins while it has none, and while it leads asks around for another
 * cluster under the same name (spec clustering, sections 3.3 and 3.4).
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Millis } from "../protocol/units.ts";
import type { Joining } from "./joining.ts";
import type { RaftNode } from "./node.ts";
import type { RaftDirectory } from "./raft_directory.ts";
import { incarnationIn, type Who } from "./who.ts";

export interface SettlingParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly who: Who;
  readonly joining: Joining;
  readonly node: RaftNode;
  readonly directory: RaftDirectory;
  readonly boot: string;
  isMember(): boolean;
  stopped(): boolean;
  die(reason: string): void;
}

const ROUND: Millis = 1000;
const ASK: Millis = 200;
/** A node that waits for something says so this often. */
const SAY: Millis = 10_000;

export class Settling {
  readonly #parts: SettlingParts;
  #cancel: Cancel = () => {};
  #said: Millis;
  #joining = false;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
    this.#said = parts.clock.now();
  }

  start(): void {
    void this.#round(true);
  }

  stop(): void {
    this.#cancel();
  }

  async #round(first: boolean): Promise<void> {
    const { clock, stopped, node } = this.#parts;
    if (this.#mustJoin()) void this.#join();
    if (first || node.raft.role === "leader" || !this.#settled()) await this.#askAround();
    if (stopped()) return;
    this.#complain();
    this.#cancel = clock.wakeAt(clock.now() + ROUND, () => void this.#round(false));
  }

  #settled(): boolean {
    return this.#parts.directory.member.identity !== "" && this.#parts.isMember();
  }

  /** Neither a founder nor a member, and nobody took it out. */
  #mustJoin(): boolean {
    const { member } = this.#parts.directory;
    return !this.#parts.isMember() && member.removedAt === 0;
  }

  /** Whoever is of an older cluster under this name is heard by others, too; here only this node's own place is looked at. */
  async #askAround(): Promise<void> {
    const { who, directory, stopped, isMember } = this.#parts;
    const { nodeId, incarnation, identity, removedAt } = directory.member;
    const found = await who.survey(ASK);
    if (stopped() || (identity !== "" && isMember()) || removedAt > 0) return;
    for (const presence of found.values()) {
      if (presence.identity === "" || (identity !== "" && presence.identity !== identity)) continue;
      const known = incarnationIn(presence, nodeId);
      if (known !== "" && known !== incarnation) return void this.#join();
    }
  }

  /** A cluster exists and this node, in this incarnation, is none of its members. */
  async #join(): Promise<void> {
    if (this.#joining) return;
    this.#joining = true;
    const { joining, directory, boot, die, stopped } = this.#parts;
    const { incarnation } = directory.member;
    const identity = () => directory.member.identity;
    const refused = await joining.join({ incarnation, boot, identity }, () => this.#settled());
    this.#joining = false;
    if (refused !== undefined && !stopped()) die(`failed to join Raft group ${directory.member.clusterId}: ${refused}`);
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
