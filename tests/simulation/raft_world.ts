/**
 * A world of Raft nodes made from one seed: any number of production cores over a simulated network and simulated disks,
 * troubled by faults, watched by invariants. A phase of faults is followed by one of healing, in which the cluster has to
 * come back to work (I19).
 */
import {
  type Entry,
  type Member,
  type MembershipAt,
  type Message,
  type Notice,
  Raft,
  type RaftOptions,
  type Ready,
  type SnapshotMark,
} from "../../src/raft/core/mod.ts";
import { EventQueue } from "./event_queue.ts";
import type { SnapshotFile } from "./raft_disk.ts";
import type { OpenFiles } from "./raft_disk_files.ts";
import { planFaults } from "./raft_faults.ts";
import { type Invariant, raftInvariants } from "./raft_invariants.ts";
import { RaftNetwork } from "./raft_network.ts";
import { type DriverBugs, RaftNode, TICK_MS, TIMEOUTS } from "./raft_node.ts";
import { SeededRandom } from "./seeded_random.ts";
import { type Simulation, type SimulationResult, Violation } from "./simulation.ts";

export interface RaftWorldOptions {
  readonly seed: number;
  readonly trace?: boolean;
  /** How long faults happen, in ms. */
  readonly troubleMs?: number;
  readonly bugs?: DriverBugs;
  /** Makes cores; a test of the simulator plants bugs here. */
  readonly makeCore?: (options: RaftOptions) => Raft;
  /** Names of faults that happen more often than others; drawn from the seed when absent. */
  readonly favourites?: readonly string[];
  /** How a node opens its disk; a test of the simulator plants bugs here. */
  readonly openFiles?: OpenFiles;
  /** Which invariants watch; all when absent. */
  readonly invariants?: readonly Invariant[];
}

/** How many entries a sound node may lack, while clients go on. */
const MAY_LACK = 30;

/** A node that a wiped or new disk belongs to and that waits to be taken in. */
export interface Joining {
  readonly id: string;
  readonly incarnation: string;
}

export class RaftWorld {
  readonly queue = new EventQueue();
  readonly random: SeededRandom;
  readonly network: RaftNetwork;
  readonly nodes = new Map<string, RaftNode>();
  /** Second processes under the names of nodes. */
  twins: RaftNode[] = [];
  readonly bugs: DriverBugs;
  readonly favourites: readonly string[];
  /** By index: what some node said to be committed, and what everybody else has to agree with. */
  readonly committed: Entry[] = [];
  joining: Joining[] = [];
  readonly trace: string[] = [];
  /** The voter whose disk was taken away last, until it is one again. */
  wiped: Joining | undefined;
  /** Nodes whose disks forgot what they had called durable. */
  readonly lostEnds = new Set<string>();
  /** Its disk went back in time, and it has not got everything again: nothing else may happen meanwhile. */
  restored: RaftNode | undefined;
  /** Until when somebody may stand for election because of a hint. */
  hintedUntil = 0;
  readonly openFiles: OpenFiles | undefined;
  troubled = true;
  /** Disks are slow at the moment. */
  slowDisks = false;
  events = 0;
  #digest = 0;
  #failure: Error | undefined;
  /** The highest index that a client was told about. */
  #acknowledged = 0;
  #proposals = 0;
  readonly #options: RaftWorldOptions;
  readonly #invariants: readonly Invariant[];
  readonly #votes = new Map<string, string>();
  readonly #lostDisks = new Set<string>();
  readonly #reads = new Map<string, number>();

  constructor(options: RaftWorldOptions) {
    this.#options = options;
    this.bugs = options.bugs ?? {};
    this.favourites = options.favourites ?? [];
    this.openFiles = options.openFiles;
    this.random = new SeededRandom(options.seed);
    this.network = new RaftNetwork(this.queue, this.random, (message) => this.#deliver(message));
    this.#invariants = options.invariants ?? raftInvariants();
    const count = this.random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5]);
    const founders = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    for (const id of founders) this.addNode(id, founders);
    for (const node of this.nodes.values()) this.queue.after(this.random.below(100), () => node.start());
  }

  makeCore(options: RaftOptions): Raft {
    return this.#options.makeCore?.(options) ?? new Raft(options);
  }

  addNode(id: string, founders: readonly string[]): RaftNode {
    const incarnation = this.random.next().toString(36);
    const node = new RaftNode(this, id, incarnation, founders);
    this.nodes.set(id, node);
    return node;
  }

  /** Lives through everything and says how it went. */
  run(): SimulationResult {
    const { seed, troubleMs = 2_500 } = this.#options;
    try {
      this.#propose();
      this.#askForMembers();
      planFaults(this);
      this.#runUntil(() => this.queue.now >= troubleMs);
      this.#heal();
      const start = this.queue.now;
      // Ten of the longest election timeouts (I19).
      const bound = start + 10 * 2 * TIMEOUTS.electionTimeout * TICK_MS;
      this.#runUntil(() => this.#unsoundness() === undefined || this.queue.now >= bound);
      const unsound = this.#unsoundness();
      if (unsound !== undefined) throw new Violation("I19 recovery", unsound);
    } catch (error) {
      this.#failure = error as Error;
      this.note(() => `FAILURE ${(error as Error).message}`);
    }
    const { events, trace } = this;
    return { seed, events, digest: this.#digest, failure: this.#failure, trace };
  }

  /** Writes a line into the trace, if there is one. */
  note(line: () => string): void {
    if (this.#options.trace) this.trace.push(`${this.queue.now.toFixed(1).padStart(8)}  ${line()}`);
  }

  leader(): RaftNode | undefined {
    let leader: RaftNode | undefined;
    for (const node of this.nodes.values()) {
      const term = node.raft?.role === "leader" ? node.raft.term : -1;
      if (term > (leader?.raft?.term ?? -1)) leader = node;
    }
    return leader;
  }

  isUp(id: string): boolean {
    return this.nodes.get(id)?.up === true;
  }

  diskDelay(): number {
    const { random } = this;
    return this.slowDisks && random.chance(20) ? random.below(300) : random.below(40) / 10;
  }

  /** The membership that was in effect in the log of `node` before `index`. */
  membershipBefore(node: RaftNode, index: number): MembershipAt | undefined {
    const { written, snapshot } = node.disk;
    for (let i = index - 1; i > written.baseIndex; i--) {
      const entry = written.at(i);
      if (entry?.kind === "membership") return { index: i, membership: entry.membership };
    }
    if (snapshot !== undefined) return snapshot.mark.index < index ? snapshot.mark.membership : undefined;
    const members = node.founders.map((id) => ({ id, incarnation: "", voter: true }));
    return written.baseIndex === 0 && members.length > 0 ? { index: 0, membership: { members } } : undefined;
  }

  /** Notes whom `node` votes for in `term`; returns whom it voted for first. */
  noteVote(node: RaftNode, term: number, candidate: string): string {
    const key = `${term}/${node.id}/${node.disk.incarnation}/${node.disk.epoch}`;
    const earlier = this.#votes.get(key) ?? candidate;
    this.#votes.set(key, earlier);
    return earlier;
  }

  votesOf(term: number, candidate: string): Joining[] {
    const votes: Joining[] = [];
    for (const [key, voted] of this.#votes) {
      const [inTerm, id, incarnation] = key.split("/");
      if (voted === candidate && inTerm === String(term)) votes.push({ id: id!, incarnation: incarnation! });
    }
    const node = this.nodes.get(candidate)!;
    votes.push({ id: candidate, incarnation: node.disk.incarnation });
    return votes;
  }

  isWiped(member: Member): boolean {
    return this.#lostDisks.has(`${member.id}/${member.incarnation}`);
  }

  /** Takes a node's disk away; a new process with an empty one has to be taken in like a stranger. */
  wipe(node: RaftNode): void {
    node.crash();
    this.#takePlaceOf(node);
  }

  #takePlaceOf(node: RaftNode): void {
    this.#lostDisks.add(`${node.id}/${node.disk.incarnation}`);
    const fresh = this.addNode(node.id, []);
    this.wiped = { id: fresh.id, incarnation: fresh.disk.incarnation };
    this.joining.push(this.wiped);
    this.queue.after(this.random.below(200), () => fresh.start());
  }

  /**
   * A process with an empty disk takes the name of `node`, beside the one that has it, perhaps with the founders' list. Or
   * it is the other way round: the cluster takes the new one in, and the old one is there beside it for a while.
   */
  startTwin(node: RaftNode, replaces: boolean): void {
    const { random } = this;
    // One founder alone would form a cluster of its own: that is for whoever starts it to prevent (3.4).
    const founders = node.founders.length > 1 && random.chance(50) ? node.founders : [];
    const twin = replaces ? node : new RaftNode(this, node.id, random.next().toString(36), founders);
    this.twins.push(twin);
    if (replaces) this.#takePlaceOf(node);
    else twin.start();
    this.queue.after(random.pick([50, 300, 900]), () => this.#endTwin(twin));
  }

  #endTwin(twin: RaftNode): void {
    this.twins = this.twins.filter((each) => each !== twin);
    if (twin.up) twin.crash();
  }

  findSnapshot(from: string, mark: SnapshotMark): SnapshotFile | undefined {
    if (!this.isUp(from)) return undefined;
    const files = this.nodes.get(from)!.disk.snapshots;
    return files.find((file) => file.mark.index === mark.index && file.mark.term === mark.term);
  }

  read(node: RaftNode): void {
    const read = node.raft?.read();
    if (read !== undefined) this.#reads.set(`${node.id}/${node.boot}/${read}`, this.#acknowledged);
    node.pump();
  }

  send(node: RaftNode, message: Message): void {
    this.note(() => `${message.from} → ${message.to}  ${describe(message)}`);
    for (const invariant of this.#invariants) invariant.sent?.(this, node, message);
    this.network.send(message);
  }

  observe(node: RaftNode, ready: Ready): void {
    if (ready.roleChange !== undefined) {
      const { role, term, leader } = ready.roleChange;
      this.note(() => `${node.id}  ${role} in term ${term}${leader === "" ? "" : ` under ${leader}`}`);
    }
    for (const entry of ready.entries) this.note(() => `${node.id}  writes ${entry.index}/${entry.term} ${entry.kind}`);
    for (const invariant of this.#invariants) invariant.observe?.(this, node, ready);
    for (let i = node.committed + 1; i <= ready.commit; i++) {
      const entry = node.disk.written.at(i);
      if (entry !== undefined) this.committed[i] ??= entry;
    }
    if (ready.commit > node.committed) this.note(() => `${node.id}  commits ${ready.commit}`);
    node.committed = ready.commit;
    for (const { read, index } of ready.reads) {
      const key = `${node.id}/${node.boot}/${read}`;
      const acknowledged = this.#reads.get(key);
      this.#reads.delete(key);
      if (index === undefined || acknowledged === undefined) continue;
      for (const invariant of this.#invariants) invariant.answered?.(node, index, acknowledged);
    }
  }

  applying(node: RaftNode, entry: Entry): void {
    for (const invariant of this.#invariants) invariant.applying?.(this, node, entry);
    const { raft } = node;
    if (raft?.role === "leader" && raft.term === entry.term) {
      this.#acknowledged = Math.max(this.#acknowledged, entry.index);
    }
  }

  switched(node: RaftNode, file: SnapshotFile): void {
    this.note(() => `${node.id}  switches to the snapshot of ${file.mark.index}`);
  }

  crashed(node: RaftNode): void {
    node.committed = 0;
    this.note(() => `${node.id}  is gone; its disk ends at ${node.disk.log.lastIndex}`);
  }

  noticed(node: RaftNode, notice: Notice): void {
    this.note(() => `${node.id}  notices ${JSON.stringify(notice)}`);
    const forgave = notice.kind === "log lost" && this.lostEnds.has(notice.peer);
    if (notice.kind === "other identity" || (notice.kind === "log lost" && !forgave)) {
      throw new Violation(`notice ${notice.kind}`, JSON.stringify(notice));
    }
    if (notice.kind !== "removed" || this.random.chance(50)) return;
    this.queue.after(1, () => {
      if (this.troubled && node.up) node.crash();
    });
  }

  /** Called after everything that happens to a node. */
  happened(node: RaftNode): void {
    this.events++;
    const mark = node.raft === undefined ? 0 : node.raft.term * 31 + node.committed;
    this.#digest = (Math.imul(this.#digest ^ mark, 0x01000193) + Math.floor(this.queue.now * 10)) >>> 0;
    for (const invariant of this.#invariants) invariant.happened?.(this, node);
  }

  #deliver(message: Message): void {
    const node = this.nodes.get(message.to);
    if (node?.up) node.enter((raft) => raft.step(message));
    for (const twin of this.twins) if (twin.id === message.to && twin.up) twin.enter((raft) => raft.step(message));
  }

  #runUntil(done: () => boolean): void {
    while (!done() && this.queue.step());
  }

  /** Clients: somebody proposes something every now and then, now and then a lot. */
  #propose(): void {
    const { random } = this;
    const node = random.chance(80) ? this.leader() : random.pick([...this.nodes.values()]);
    if (node !== undefined && !node.paused) {
      node.enter((raft) => {
        const count = random.chance(5) ? 10 : random.between(1, 2);
        const payloads = Array.from({ length: count }, () => {
          const payload = new Uint8Array(random.between(1, count < 10 && random.chance(3) ? 600 : 60));
          payload[0] = ++this.#proposals;
          return payload;
        });
        raft.propose(random.chance(80) ? "operations" : "facts", payloads);
      });
    }
    this.queue.after(random.between(1, 30), () => this.#propose());
  }

  /** Strangers ask to be taken in, again and again. */
  #askForMembers(): void {
    const leader = this.leader();
    for (const { id, incarnation } of this.joining) {
      leader?.enter((raft) => raft.changeMembership({ kind: "add", id, incarnation }));
    }
    if (this.restored !== undefined && leader !== undefined && this.#hasEverything(leader, this.restored)) {
      this.note(() => `${this.restored!.id} has everything again`);
      this.restored = undefined;
    }
    if (this.wiped !== undefined && leader !== undefined) {
      const { id, incarnation } = this.wiped;
      const committed = leader.machine.membership.membership.members;
      if (committed.some((each) => each.id === id && each.incarnation === incarnation && each.voter)) {
        this.wiped = undefined;
      }
    }
    this.queue.after(40, () => this.#askForMembers());
  }

  #hasEverything(leader: RaftNode, { id, disk, raft }: RaftNode): boolean {
    const { commit, peers, hardState } = leader.raft!.status();
    const peer = peers.find((each) => each.id === id);
    if (peer === undefined || raft === undefined || raft.distrustsLog || !leader.serves) return false;
    return raft.term === hardState.term && peer.match >= commit && disk.log.lastIndex >= commit;
  }

  #heal(): void {
    this.note(() => "everything heals");
    this.troubled = false;
    for (const twin of this.twins) this.#endTwin(twin);
    this.slowDisks = false;
    this.network.heal();
    for (const node of this.nodes.values()) {
      if (!node.up) node.start();
      else if (node.paused) node.resume();
      node.enter((raft) => {
        raft.setDisk("ok");
        raft.setElectable(true);
      });
    }
  }

  /** What is missing until a leader serves and every member has nearly all that is committed there. */
  #unsoundness(): string | undefined {
    const leader = this.leader();
    if (leader === undefined || !leader.serves) return "nobody serves";
    const { commit, termStart, membership } = leader.raft!.status();
    if (commit < termStart || leader.machine.index < commit - MAY_LACK) return `${leader.id} is behind itself`;
    for (const { id, incarnation } of membership.membership.members) {
      const node = this.nodes.get(id);
      if (node?.disk.incarnation !== incarnation) return `${id} is a member in an incarnation that is gone`;
      if (node.machine.index < commit - MAY_LACK) return `${id} has applied ${node.machine.index} of ${commit}`;
    }
    return undefined;
  }
}

function describe(message: Message): string {
  const { kind, from: _from, to: _to, identity: _identity, founders: _founders, incarnation: _own, ...rest } = message;
  const entries = message.kind === "append"
    ? { entries: message.entries.map((each) => `${each.index}/${each.term}`) }
    : {};
  return `${kind} ${JSON.stringify({ ...rest, ...entries })}`;
}

/** The Raft-level world as one of the simulations that can be run. */
export const raftSimulation: Simulation = {
  name: "raft",
  run: (seed, { trace }) => new RaftWorld({ seed, trace }).run(),
};
