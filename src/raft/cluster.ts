/**
 * One node's part in its cluster: brings the pieces up in order, tells the replica when to lead and when to be silent,
 * and stops for good where going on would not be safe (spec clustering, sections 3 and 5).
 */
import { FileFailed } from "../ports/files.ts";
import { NotAgreed, type Replica, type Role } from "../ports/journal.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import { StoreFailed } from "../ports/store.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { DataKind, MembershipAt, ProposalResult, RoleChange } from "./core/mod.ts";
import { isSameNode, memberOf } from "./core/mod.ts";
import { decideStart, type Presence, waited, Who } from "./members/mod.ts";
import { Notices } from "./notices.ts";
import type { CheckedOptions } from "./options.ts";
import { assemble, firstMembership, type Parts } from "./parts.ts";
import { presenceOf } from "./presence.ts";
import { LOST, type Proposals } from "./proposals.ts";
import { type RaftJournalStatus, statusOf } from "./raft_status.ts";
import type { RaftDirectory } from "./raft_directory.ts";
import type { RaftPorts } from "./raft_ports.ts";
import { repairStore } from "./store_repair.ts";
import { findWayBack, lookerPresence } from "./way_back.ts";
import { SignedBus, Transport } from "./wire/mod.ts";

export interface ClusterEvents {
  /** This node does not lead any more. */
  follow(): void;
  /** This node is dead: it must not go on. */
  failed(): void;
}

/** Below this NATS payload an entry's pieces would be too many. */
const LEAST_PAYLOAD = 8 * 1024;
const HAND_OVER = 2000;
const FORCING = "forcing the membership was interrupted: run it again with the same list";
const UNSIGNED = "it was not signed with this cluster's secret";

export class Cluster {
  readonly #options: CheckedOptions;
  readonly #ports: RaftPorts;
  readonly #directory: RaftDirectory;
  readonly #proposals: Proposals;
  readonly #events: ClusterEvents;
  readonly #boot: string;
  readonly #startedAt: number;
  readonly #notices: Notices;
  readonly #buses: MessageBus[] = [];
  #transport: Transport | undefined;
  #who: Who | undefined;
  #replica: Replica | undefined;
  #running: Parts | undefined;
  #membership: MembershipAt = { index: 0, membership: { members: [] } };
  /** The term in which the replica was told to lead; 0: it was told to follow. */
  #servedTerm = 0;
  #looking = false;
  #stopped = false;
  #roleChanged: (() => void)[] = [];

  constructor(
    options: CheckedOptions,
    ports: RaftPorts,
    directory: RaftDirectory,
    proposals: Proposals,
    events: ClusterEvents,
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#directory = directory;
    this.#proposals = proposals;
    this.#events = events;
    this.#startedAt = ports.clock.now();
    const boot = new Uint8Array(8);
    ports.random.fill(boot);
    this.#boot = Array.from(boot, (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#notices = new Notices({
      log: ports.log,
      clock: ports.clock,
      clusterId: options.clusterId,
      directory,
      self: () => this.#presence(),
      ask: (boot) => this.#who!.answers(boot),
      isMember: (id, incarnation) => this.#isMember(id, incarnation),
      checkLeader: () => this.#running?.watch.check(),
      die: (reason, code) => this.die(reason, code),
    });
  }

  async start(replica: Replica): Promise<void> {
    try {
      await this.#begin(replica);
    } catch (error) {
      this.#directory.report.tell(this.#ports.log, true);
      await this.#tearDown();
      throw error;
    }
  }

  get leads(): boolean {
    return !this.#stopped && this.#running?.node.raft.role === "leader";
  }

  get mayServe(): boolean {
    const running = this.#running;
    return running !== undefined && !this.#stopped && this.#servedTerm === running.node.raft.term &&
      running.node.mayServe;
  }

  get role(): Role {
    if (this.#stopped) return "Shutdown";
    const role = this.#running?.node.raft.role ?? "follower";
    if (role === "leader") return "Leader";
    return role === "follower" ? "Follower" : "Candidate";
  }

  propose(kind: DataKind, payloads: readonly Uint8Array[]): ProposalResult {
    if (this.#stopped || this.#running === undefined) return { kind: "refused", reason: "not leader" };
    return this.#running.node.propose(kind, payloads);
  }

  /** What was proposed so far belongs together: it goes on its way. */
  hurry(): void {
    this.#running?.node.hurry();
  }

  async confirm(): Promise<boolean> {
    const running = this.#running;
    if (running === undefined) return false;
    const index = await running.node.read();
    if (index === undefined) return false;
    await running.applying.reached(index);
    return !this.#stopped;
  }

  status(): Omit<RaftJournalStatus, "role" | "nodeId"> {
    return statusOf(this.#directory, this.#running, this.#membership);
  }

  get clocksAgree(): boolean {
    return this.#running?.clocksAgree() ?? false;
  }

  /** Hands leadership to `target`, or to the best voter, if this node has it; gives up after two seconds. */
  async handOver(target?: string): Promise<void> {
    const running = this.#running;
    if (running === undefined || !this.leads) return;
    if (running.node.poke((raft) => raft.transfer(target)).kind === "refused") return;
    const { clock } = this.#ports;
    await new Promise<void>((resolve) => {
      const cancel = clock.wakeAt(clock.now() + HAND_OVER, resolve);
      this.#roleChanged.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Says goodbye, syncs, and frees everything. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    const running = this.#running;
    running?.node.poke((raft) => raft.leave());
    running?.node.turn();
    this.#stopped = true;
    this.#stepDown(new NotAgreed("unknown", LOST));
    await Promise.race([this.#flushed(), waited(this.#ports.clock, 200)]);
    await Promise.race([running?.applying.hold(), waited(this.#ports.clock, 1000)]);
    try {
      running?.node.stop();
      this.#directory.noteStopped();
    } catch (error) {
      this.#ports.log.error(`cluster log: this stop is not an orderly one: ${(error as Error).message}`);
    }
    await this.#tearDown();
  }

  /** Going on would not be safe: falls silent at once and has the process end. */
  die(reason: string, exitCode = 1): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#events.failed();
    this.#stepDown(new NotAgreed("unknown", LOST));
    this.#running?.node.abandon();
    const end = () => this.#ports.onFatal(reason, exitCode);
    void Promise.race([this.#flushed(), waited(this.#ports.clock, 100)]).then(() => this.#tearDown()).then(end, end);
  }

  async #begin(replica: Replica): Promise<void> {
    this.#replica = replica;
    if (this.#directory.member.forcing) throw new StartFailed(`${this.#directory.path}: ${FORCING}`);
    const control = await this.#open("raft");
    const bulk = await this.#open("raft_snap");
    const { clusterId } = this.#options;
    const { nodeId } = this.#directory.member;
    const transport = new Transport({
      ...{ clusterId, nodeId, boot: this.#boot, control, bulk },
      events: {
        message: (message) => this.#running?.node.receive(message),
        batchEnded: () => this.#running?.node.hurry(),
        sameName: () => {},
        dropped: (reason) => this.#notices.dropped(reason),
      },
    });
    this.#transport = transport;
    const { clock } = this.#ports;
    const who = new Who(control, clock, clusterId, () => this.#presence(), (...what) => this.#heard(...what));
    this.#who = who;
    await transport.ready();
    if (this.#directory.ailment !== undefined) {
      const stopped = () => this.#stopped;
      await findWayBack(this.#directory, { clusterId, boot: this.#boot, who, bus: control, ...this.#ports, stopped });
    } else await this.#chooseFounders(control, who);
    if (this.#stopped) throw new StartFailed("stopped while starting");
    repairStore(this.#directory, replica);
    this.#belongTo(this.#directory.member.identity);
    this.#running = this.#assemble(replica, transport, who, control, bulk);
    await transport.ready();
    this.#running.node.start(this.#running.applying);
    void this.#running.snapshotting.recover();
    this.#running.settling.start();
  }

  /** The store is told, too, whose messages it holds. */
  #belongTo(identity: string): void {
    if (identity === "") return;
    Promise.resolve(this.#replica?.belongTo?.(identity)).catch((error: unknown) => this.#failed(error));
  }

  async #open(role: string): Promise<MessageBus> {
    const bus = await this.#ports.openBus(role);
    this.#buses.push(bus);
    if (bus.maxPayload < LEAST_PAYLOAD) {
      throw new StartFailed(
        `NATS takes messages of ${bus.maxPayload} bytes at most; clustering needs ${LEAST_PAYLOAD}`,
      );
    }
    const { secret, clusterId } = this.#options;
    if (secret === "") return bus;
    return new SignedBus(bus, secret, clusterId, () => this.#notices.dropped(UNSIGNED));
  }

  /** A node without a past decides how it begins, and notes that before anybody hears of it. */
  async #chooseFounders(bus: MessageBus, who: Who): Promise<void> {
    const { member, wal, snapshot } = this.#directory;
    const hasPast = member.identity !== "" || wal.lastIndex > 0 || snapshot !== undefined;
    const mayForm = this.#options.peers.length > 0 || this.#options.bootstrap;
    if (hasPast) return;
    if (mayForm) {
      this.#looking = true;
      // The list of an earlier start may have been corrected.
      this.#directory.updateMember({ founders: [] });
      const parts = { ...this.#ports, nodeId: member.nodeId, boot: this.#boot, who, bus };
      this.#directory.begin(await decideStart({ ...parts, options: this.#options }));
      this.#looking = false;
    }
    this.#directory.tellBeginning();
  }

  #assemble(replica: Replica, transport: Transport, who: Who, control: MessageBus, bulk: MessageBus): Parts {
    const { clock, log, random } = this.#ports;
    const directory = this.#directory;
    const summary = directory.summary();
    this.#membership = summary.memberships[summary.memberships.length - 1] ??
      firstMembership(summary, directory.member.founders);
    this.#notices.membership(this.#membership);
    return assemble({
      ...{ options: this.#options, directory, replica, proposals: this.#proposals, notices: this.#notices },
      // Operators do not sign what they ask for: that is a matter of permissions.
      operators: this.#buses[0]!,
      ...{ transport, who, control, bulk, clock, random, log, boot: this.#boot },
      roleChange: (change) => this.#roleChange(change),
      turned: (leading) => this.#turned(leading),
      membershipChange: (membership) => this.#membershipChange(membership),
      identity: (identity) => {
        directory.updateMember({ identity });
        this.#belongTo(identity);
      },
      leads: () => this.leads,
      isMember: (id, incarnation) => this.#isMember(id, incarnation),
      membership: () => this.#membership,
      stopped: () => this.#stopped,
      failed: (error) => this.#failed(error),
      die: (reason) => this.die(reason),
      diverged: (reason) => this.#diverged(reason),
    }, summary);
  }

  #roleChange(change: RoleChange): void {
    if (this.#options.raftLogging) {
      this.#ports.log.notice(`raft: ${change.role} in term ${change.term}, leader ${JSON.stringify(change.leader)}`);
    }
    if (change.role !== "leader" || change.term !== this.#servedTerm) {
      this.#stepDown(new NotAgreed("unknown", LOST));
    }
    for (const resolve of this.#roleChanged.splice(0)) resolve();
  }

  #turned(leading: boolean): void {
    const { raft } = this.#running!.node;
    if (!leading || this.#servedTerm === raft.term || this.#stopped) return;
    this.#servedTerm = raft.term;
    void this.#lead();
  }

  async #lead(): Promise<void> {
    try {
      this.#running!.joining.serve(true);
      await this.#replica!.lead();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Silent first, then everybody who waits is told that nobody knows. */
  #stepDown(reason: NotAgreed): void {
    if (this.#servedTerm !== 0) {
      this.#servedTerm = 0;
      this.#replica?.follow();
      this.#running?.joining.serve(false);
    }
    this.#events.follow();
    this.#proposals.abandon(reason);
  }

  #membershipChange(membership: MembershipAt): void {
    this.#membership = membership;
    const { nodeId, incarnation, removedAt } = this.#directory.member;
    if (removedAt > 0 && membership.index > removedAt && this.#isMember(nodeId, incarnation)) {
      this.#directory.updateMember({ removedAt: 0 });
    }
    this.#notices.membership(membership);
  }

  #isMember(id: string, incarnation: string): boolean {
    const member = memberOf(this.#membership.membership, id);
    return member !== undefined && isSameNode(member, incarnation);
  }

  /** While this node looks for its way back it is nobody: of others it only has to know whether one is itself. */
  #heard(other: Presence, isAnswer: boolean): void {
    if (this.#directory.ailment !== undefined && other.nodeId !== this.#directory.member.nodeId) return;
    this.#notices.heard(other, isAnswer);
    if (!this.#stopped) this.#running?.heard(other);
  }

  /** The next start of this node sets everything aside and gets it anew (D8). */
  #diverged(reason: string): void {
    if (this.#stopped) return;
    this.#directory.updateMember({ renewal: "due" });
    this.die(
      `${reason}: this node stops. Started again, it sets its cluster log aside and gets everything from the others`,
    );
  }

  #presence(): Presence {
    const age = Math.floor(this.#ports.clock.now() - this.#startedAt);
    if (this.#directory.ailment !== undefined) return lookerPresence(this.#directory, this.#boot, age);
    const { member } = this.#directory;
    return presenceOf(this.#directory, this.#running, this.#membership.membership, {
      boot: this.#boot,
      bootstrapping: this.#looking && this.#options.bootstrap,
      age,
      wall: Number(this.#ports.clock.wall() / 1_000_000n),
      isMember: this.#isMember(member.nodeId, member.incarnation),
    });
  }

  #failed(error: unknown): void {
    if (error instanceof FileFailed || error instanceof StoreFailed || error instanceof StartFailed) {
      return this.die(`cluster log: ${error.message}`);
    }
    this.die(`cluster log: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
  }

  async #flushed(): Promise<void> {
    await Promise.allSettled(this.#buses.map((bus) => bus.flush()));
  }

  async #tearDown(): Promise<void> {
    this.#stopped = true;
    const running = this.#running;
    running?.watch.stop();
    running?.settling.stop();
    running?.joining.close();
    running?.service.close();
    running?.applying.stop();
    running?.node.abandon();
    this.#who?.close();
    this.#transport?.close();
    await Promise.allSettled(this.#buses.map((bus) => bus.close()));
    this.#directory.close();
  }
}
