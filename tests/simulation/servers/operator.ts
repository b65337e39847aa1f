/**
 * Who looks after the servers of a world: starts again what stopped, does what an error text asks for, adds nodes that
 * were removed; and keeps count of disks that lost something, for no cluster survives more than one of those at a time.
 */
import type { Millis } from "../../../src/protocol/units.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { Violation } from "../simulation.ts";
import type { Host } from "./host.ts";
import type { ServerWorld } from "./server_world.ts";

/** A start that says so cannot go on with what is on its disk; its text tells to take it away. */
export const BEYOND_REPAIR =
  /unable to recover|damaged|Move this directory|cannot be read|is empty|edited|checksum|corrupt/i;
/** A server ends that finds no NATS when it starts, or is told to stop meanwhile. */
const NO_START = /connection to NATS is down|stopped while starting/;
/** The disk failed: there is no other reason for that here. */
const INJECTED = /injected failure|no space left/;
/** Both sides say so, and end. */
const OTHER_PEERS = /give the same list to all nodes/;
const REMOVED = /^this node was removed from the cluster$/;
/** A node says so of itself. */
const LOSS = /the disk went back in time; this node does not vote|this node does not vote before a leader/;
const DISTRUST = /does not vote: its log may lack/;
const ROUND: Millis = 60;

export class Operator {
  /** Its disk lost something, and it is not a full member again. */
  weak: Host | undefined;
  /** The weak host's disk went back in time: while nobody has noticed, nothing else may happen. */
  fragile = false;
  /** The incarnation of the weak host when its disk went back; and what it had acknowledged then to the leader of a term. */
  #turnedBack = "";
  #unnoticed: { readonly counted: number; readonly term: number } | undefined;
  /** Where nothing is synced: they lost power, and do not trust their logs again yet. */
  readonly #forgetful = new Set<Host>();
  /** Until when starts are planned. */
  busyUntil: Millis = 0;
  readonly #world: ServerWorld;
  readonly #planned = new Set<Host>();
  readonly #removed = new Set<Host>();
  /** Whose removal was asked for without an answer: it may still take effect. */
  readonly #leaving = new Set<Host>();
  readonly #wiped = new Set<Host>();
  readonly #rotten = new Set<Host>();
  /** A founder was given another list of peers than the others. */
  #mistaken = false;
  /** A second process under the name of a host. */
  #stopExtras: (() => void)[] = [];

  constructor(world: ServerWorld) {
    this.#world = world;
  }

  get isSettled(): boolean {
    return this.#planned.size === 0 && this.weak === undefined && this.#forgetful.size === 0 && this.#everybodyVotes();
  }

  get lack(): string {
    const planned = [...this.#planned].map((host) => host.name);
    const names = (hosts: ReadonlySet<Host>) => [...hosts].map(({ name }) => name);
    const { weak } = this;
    return `planned ${planned}, weak ${weak?.name}, removed ${names(this.#removed)}, forgetful ${
      names(this.#forgetful)
    }`;
  }

  /** Starts `host` again later. */
  startLater(host: Host, after: Millis): void {
    if (this.#planned.has(host)) return;
    this.#planned.add(host);
    this.busyUntil = Math.max(this.busyUntil, this.#world.clock.now() + after);
    this.#world.later(after, () => {
      this.#planned.delete(host);
      host.start();
    });
  }

  /** Whether the disk of `host` may lose something now: no other did, and the rest of the cluster can bear it. */
  mayLose(host: Host): boolean {
    const leader = this.#world.leader();
    if (leader?.serving !== true || this.weak !== undefined || !this.#world.troubled) return false;
    if (this.#removed.size > 0 || this.#forgetful.size > 0) return false;
    if (!this.#everybodyVotes() || this.#world.hosts.size < 3) return false;
    const { members } = leader.node!.journal!.status();
    // A founder that was away since the cluster was formed knows no more of it than one that lost its disk.
    // One that is about to end acknowledges nothing any more.
    const knows = ({ node }: Host) => {
      const status = node?.journal?.status();
      return status !== undefined && status.identity !== "" && status.role !== "Shutdown";
    };
    const isBound = (member: { readonly id: string; readonly incarnation?: string }) =>
      (member.incarnation ?? "") !== "";
    if (![...this.#world.hosts.values()].every(knows)) return false;
    return members.length >= 3 && members.every(isBound) && host.readIncarnation() !== "";
  }

  /** Whether `host` may lose what was not synced: only a minority did, and the others are there to tell it what it lacks. */
  mayForget(host: Host): boolean {
    if (this.weak !== undefined || this.#removed.size > 0 || host.logAside !== undefined) return false;
    return new Set([...this.#forgetful, host]).size <= (this.#world.hosts.size - 1) / 2;
  }

  /** Whether power may fail everywhere at once: all know their cluster, and nobody is about to come or go. */
  get mayForgetAll(): boolean {
    if (this.weak !== undefined || this.#removed.size > 0 || this.#wiped.size > 0) return false;
    return [...this.#world.hosts.values()].every((host) => host.knowsCluster && host.logAside === undefined);
  }

  /** Power fails where nothing is synced. */
  forget(host: Host): void {
    this.#forgetful.add(host);
    host.losePower();
    this.#world.note(
      `${host.name} lost power without syncing: its log is (${host.log.baseIndex}, ${host.log.lastIndex}]`,
    );
  }

  /** A node that comes back as another incarnation has set aside what was there: only what is rotten or lost may be. */
  begun(host: Host): void {
    const before = host.incarnation;
    const now = host.readIncarnation();
    if (before === "" || before === now || this.#wiped.delete(host)) return;
    this.#world.note(`${host.name} comes back as another incarnation`);
    if (!this.#rotten.delete(host)) {
      throw new Violation("I15 committed entries stay", `${host.name} sets its log aside, which nothing happened to`);
    }
    this.#world.book.lost.add(`${host.name}/${before}`);
  }

  /** Takes the disk of `host` away. */
  wipe(host: Host): void {
    this.loseDisk(host, new MemoryFiles());
  }

  loseDisk(host: Host, left: MemoryFiles): void {
    this.#world.book.lost.add(`${host.name}/${host.readIncarnation()}`);
    this.#world.trouble.forgetOld();
    this.weak = host;
    this.#rotten.delete(host);
    this.#wiped.add(host);
    host.exchangeDisk(left);
  }

  /** The disk of `host` goes back in time: what `left` lacks, though a leader counts on it, has to be noticed. */
  turnBack(host: Host, left: MemoryFiles): void {
    const leader = this.#world.leader()!;
    const { peers, commit, term } = leader.node!.journal!.status();
    const counted = Math.min(commit, peers.find(({ id }) => id === host.name)?.match ?? 0);
    this.fragile = true;
    this.loseDisk(host, left);
    this.#turnedBack = host.readIncarnation();
    this.#unnoticed = host.log.lastIndex < counted ? { counted, term } : undefined;
  }

  /** What the weak host has lost its leader tells it of, as long as there is no other. */
  #notice(weak: Host, term: number): void {
    if (this.#unnoticed === undefined || this.#unnoticed.term !== term) return;
    const { counted } = this.#unnoticed;
    if (weak.node!.log.lines.some((line) => LOSS.test(line))) return;
    throw new Violation(
      "I8 acknowledged is durable",
      `${weak.name} has lost entries up to ${counted}, which it had acknowledged, and goes on as if it had not`,
    );
  }

  /** Something on this disk is rotten: a start that finds it may refuse, and in the end the disk is exchanged. */
  suspect(host: Host): void {
    this.#world.book.lost.add(`${host.name}/${host.readIncarnation()}`);
    this.weak = host;
    host.excuse = BEYOND_REPAIR;
    host.isRotten = true;
    this.#rotten.add(host);
  }

  remove(host: Host, force: boolean): void {
    this.#removed.add(host);
    this.#leaving.add(host);
    void this.#ask("remove", `${host.name}${force ? " force" : ""}`).then((answered) => {
      if (answered) this.#leaving.delete(host);
    });
  }

  /** A process that ends with the next fault. */
  alsoStop(stop: () => void): void {
    this.#stopExtras.push(stop);
  }

  stopExtras(): void {
    for (const stop of this.#stopExtras.splice(0)) stop();
  }

  /** What ended by itself is started again, if it was right to end. */
  supervise(host: Host): void {
    const { node } = host;
    if (node === undefined || node.alive || node.fatal === undefined || this.#planned.has(host)) return;
    const reason = node.fatal;
    node.fatal = undefined;
    const excuses = [host.excuse, NO_START, INJECTED, this.#rotten.has(host) ? BEYOND_REPAIR : undefined];
    host.excuse = undefined;
    if (OTHER_PEERS.test(reason) && this.#correctPeers()) {
      host.files = host.files.afterKill();
      return this.startLater(host, this.#world.random.pick([10, 100, 600]));
    }
    if (REMOVED.test(reason)) this.#removed.add(host);
    else if (!excuses.some((excuse) => excuse?.test(reason))) {
      throw new Violation("I19 recovery", `${host.name} stopped: ${reason}`);
    }
    host.files = host.files.afterKill();
    if (!REMOVED.test(reason) && BEYOND_REPAIR.test(reason)) this.wipe(host);
    this.startLater(host, this.#world.random.pick([10, 100, 600]));
  }

  /** Gives everybody the same list of peers. Answers whether somebody had, or was told of, another one. */
  #correctPeers(): boolean {
    for (const host of this.#world.hosts.values()) {
      if (host.peers === undefined) continue;
      this.#mistaken = true;
      host.peers = undefined;
    }
    return this.#mistaken;
  }

  /** Does its rounds from now on. */
  watch(): void {
    const world = this.#world;
    const round = () => {
      this.#strengthen();
      this.#trust();
      if (!world.troubled || world.random.chance(0.2)) this.#addRemoved();
      world.later(ROUND, round);
    };
    world.later(ROUND, round);
  }

  /** Ends every fault of every host. */
  heal(): void {
    this.stopExtras();
    this.#correctPeers();
    for (const host of this.#world.hosts.values()) {
      if (host.node?.frozen) host.node.thaw();
      this.healDisk(host);
      host.node?.clock.stopWall(false);
      if (this.#rotten.has(host)) this.wipe(host);
      if (!host.up) this.startLater(host, 1);
      else for (const bus of host.node!.buses) bus.reconnect();
    }
    for (const client of this.#world.population.clients) client.bus.reconnect();
  }

  healDisk({ files }: Host): void {
    if (files.lies) files.settle();
    files.onCall = undefined;
    files.failsRead = undefined;
    files.capacity = Infinity;
    files.onSync = (done) => done();
  }

  /** The weak host is one no longer when it is a voter that has everything. */
  #strengthen(): void {
    const { weak } = this;
    const leader = this.#world.leader();
    if (weak === undefined || this.#rotten.has(weak) || leader?.serving !== true || !weak.running) return;
    const { members, peers, commit, term } = leader.node!.journal!.status();
    const member = members.find(({ id }) => id === weak.name) as { voter: boolean; incarnation?: string } | undefined;
    if (member?.voter !== true || member.incarnation !== weak.readIncarnation()) return;
    const peer = peers.find(({ id }) => id === weak.name);
    // What the leader counts on may be from before.
    const held = this.#world.synced ? weak.log.durableIndex : weak.log.lastIndex;
    if (weak !== leader && (peer === undefined || Math.min(peer.match, held) < commit)) return;
    if (member.incarnation === this.#turnedBack) this.#notice(weak, term);
    this.#unnoticed = undefined;
    this.weak = undefined;
    this.fragile = false;
    this.#world.note(`${weak.name} is whole again`);
  }

  /** Who trusts its log again has been brought in step. */
  #trust(): void {
    for (const host of this.#forgetful) {
      const status = host.running ? host.node!.journal!.status() : undefined;
      if (status === undefined || status.term === 0 || status.alarms.some((alarm) => DISTRUST.test(alarm))) continue;
      this.#forgetful.delete(host);
      host.logsBefore.length = 0;
      this.#world.note(`${host.name} trusts its log again`);
    }
  }

  #addRemoved(): void {
    const leader = this.#world.leader();
    const members = leader?.serving === true ? leader.node!.journal!.status().members : undefined;
    for (const host of this.#world.hosts.values()) {
      // A removal that nobody had an answer to took effect after all.
      if (members?.some(({ id }) => id === host.name) === false) this.#removed.add(host);
    }
    for (const host of this.#removed) {
      if (!host.up) this.startLater(host, 20);
      else if (!this.#isVoter(host)) void this.#ask("add", host.name);
      else if (!this.#leaving.has(host)) this.#removed.delete(host);
    }
  }

  #isVoter(host: Host): boolean {
    const leader = this.#world.leader();
    const members = leader?.serving === true ? leader.node!.journal!.status().members : [];
    return members.some(({ id, voter }) => id === host.name && voter);
  }

  #everybodyVotes(): boolean {
    return [...this.#world.hosts.values()].every((host) => this.#isVoter(host));
  }

  /** Whether there was an answer. */
  async #ask(what: "add" | "remove", payload: string): Promise<boolean> {
    const bus = this.#world.net.connect("operator");
    const answer = await bus.request(`_STAN.raft.sim.node.${what}`, new TextEncoder().encode(payload), 3_000);
    const answered = answer.kind === "reply";
    this.#world.note(`${what} ${payload}: ${answered ? new TextDecoder().decode(answer.payload) : answer.kind}`);
    void bus.close();
    return answered;
  }
}
