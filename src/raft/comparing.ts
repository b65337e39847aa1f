/**
 * Compares the states of the members: the leader hears everybody's digest once a second. A member whose state went its
 * own way is told to stop, one at a time and only while a majority agrees with the leader; where a majority agrees
 * otherwise, the leader is the one that stops. A node that stops so gets everything anew when it is started again (spec
 * clustering, section 4.5, D8). Members that tell no digest, because they are of an older release, are left alone.
 */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Millis } from "../protocol/units.ts";
import { type NodeId, quorumOf } from "./core/mod.ts";
import type { Digests } from "./digests.ts";
import type { MemberRecord, Presence } from "./members/mod.ts";

export interface ComparingParts {
  readonly digests: Digests;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's own record. */
  member(): Pick<MemberRecord, "nodeId" | "incarnation" | "identity">;
  /** Whom this node follows, itself when it leads. */
  leader(): { readonly id: NodeId; readonly term: number };
  isMember(id: NodeId, incarnation: string): boolean;
  voters(): readonly NodeId[];
  /** This node's state is wrong: it must not go on, and has to get everything anew. */
  diverged(reason: string): void;
}

/** What a member said counts for so long. */
const FRESH: Millis = 5000;

interface Report {
  readonly result: "equal" | "different";
  readonly incarnation: string;
  /** Where the states were compared, and what the member's hashed to. */
  readonly index: number;
  readonly digest: number;
  readonly at: Millis;
}

/** Members in one word: who is told to stop. */
function memberName(id: NodeId, incarnation: string): string {
  return `${id}=${incarnation}`;
}

export class Comparing {
  readonly #parts: ComparingParts;
  readonly #reports = new Map<NodeId, Report>();
  #said = "";

  constructor(parts: ComparingParts) {
    this.#parts = parts;
  }

  /** Somebody said who it is and what its state hashes to. */
  heard(other: Presence): void {
    const { member, leader, isMember } = this.#parts;
    const { nodeId, incarnation, identity } = member();
    if (identity === "" || other.identity !== identity || !isMember(other.nodeId, other.incarnation)) return;
    if (this.#leads) return this.#compare(other);
    this.#reports.clear();
    const { id, term } = leader();
    const isLeader = other.nodeId === id && other.leader === id && other.term === term;
    if (!isLeader || other.toStop !== memberName(nodeId, incarnation)) return;
    this.#parts.diverged(`the state of this node differs from that of the leader, node ${JSON.stringify(id)}`);
  }

  #compare({ nodeId, incarnation, ...marks }: Presence): void {
    const { digests, clock } = this.#parts;
    const { result, index } = digests.compare(marks);
    if (result === "unknown") return;
    const digest = index === marks.index ? marks.digest : marks.roundDigest;
    this.#reports.set(nodeId, { result, incarnation, index, digest, at: clock.now() });
    this.#judge();
  }

  get #leads(): boolean {
    return this.#parts.leader().id === this.#parts.member().nodeId;
  }

  /** The members whose states differ from this leader's; for monitoring. */
  get different(): readonly NodeId[] {
    return this.#leads ? this.#fresh().filter(([, { result }]) => result === "different").map(([id]) => id) : [];
  }

  /** The member that this leader tells to stop, as {@link memberName}; empty when none. */
  get order(): string {
    const { voters, member } = this.#parts;
    if (!this.#leads) return "";
    const { nodeId } = member();
    const fresh = this.#fresh();
    const equal = voters().filter((id) =>
      id === nodeId || fresh.some(([peer, report]) => peer === id && report.result === "equal")
    );
    if (equal.length < quorumOf(voters().length)) return "";
    const [first] = fresh.filter(([, { result }]) => result === "different");
    return first === undefined ? "" : memberName(first[0], first[1].incarnation);
  }

  #judge(): void {
    const { log, voters } = this.#parts;
    const different = this.#fresh().filter(([, { result }]) => result === "different");
    const line = different.map(([id]) => JSON.stringify(id)).join(", ");
    if (line !== this.#said && line !== "") {
      const index = different[0]![1].index;
      log.error(`the state of node ${line} differs from this leader's as of entry ${index}`);
    }
    this.#said = line;
    const majority = quorumOf(voters().length);
    for (const [, { index, digest }] of different) {
      const agreed = different.filter(([id, other]) =>
        other.index === index && other.digest === digest && voters().includes(id)
      );
      if (agreed.length < majority) continue;
      return this.#parts.diverged("the state of this leader differs from that of a majority");
    }
  }

  #fresh(): [NodeId, Report][] {
    const now = this.#parts.clock.now();
    return [...this.#reports].filter(([, report]) => now - report.at < FRESH);
  }
}
