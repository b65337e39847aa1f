/** Puts one node's parts together: each knows the others only through what it is given here. */
import type { Clock } from "../ports/clock.ts";
import type { Replica } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import type { Random } from "../ports/random.ts";
import { Applying } from "./applying.ts";
import { Backfill, BulkService, ChannelLives } from "./snapshots/mod.ts";
import { Snapshotting } from "./snapshotting.ts";
import { Clocks } from "./clocks.ts";
import { Comparing } from "./comparing.ts";
import { foundersMembership, type LogSummary, type MembershipAt, type RoleChange, votersOf } from "./core/mod.ts";
import { Digests } from "./digests.ts";
import { drawIdentity, Joining, type Presence, type Who } from "./members/mod.ts";
import { LeaderWatch } from "./leader_watch.ts";
import { RaftNode } from "./node.ts";
import type { Notices } from "./notices.ts";
import type { CheckedOptions } from "./options.ts";
import type { Proposals } from "./proposals.ts";
import type { RaftDirectory } from "./raft_directory.ts";
import { Settling } from "./settling.ts";
import type { Transport } from "./wire/mod.ts";

/** What the parts are made from, and what they tell. */
export interface PartsContext {
  readonly options: CheckedOptions;
  readonly directory: RaftDirectory;
  readonly replica: Replica;
  readonly proposals: Proposals;
  readonly notices: Notices;
  readonly transport: Transport;
  readonly who: Who;
  readonly control: MessageBus;
  /** Where operators ask to add and remove nodes. */
  readonly operators: MessageBus;
  readonly bulk: MessageBus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly boot: string;
  roleChange(change: RoleChange): void;
  turned(leading: boolean): void;
  membershipChange(membership: MembershipAt): void;
  /** The cluster's identity became known. */
  identity(identity: string): void;
  /** Whether this node leads, in the core's sense. */
  leads(): boolean;
  isMember(id: string, incarnation: string): boolean;
  membership(): MembershipAt;
  stopped(): boolean;
  failed(error: unknown): void;
  die(reason: string): void;
  /** This node's state went its own way (D8). */
  diverged(reason: string): void;
}

/** A node that lives, or is about to. */
export interface Parts {
  readonly node: RaftNode;
  readonly transport: Transport;
  readonly applying: Applying;
  readonly snapshotting: Snapshotting;
  readonly service: BulkService;
  readonly joining: Joining;
  readonly watch: LeaderWatch;
  readonly settling: Settling;
  readonly digests: Digests;
  readonly comparing: Comparing;
  /** Another process said who it is. */
  heard(other: Presence): void;
  /** Whether a majority's wall clocks agree with this node's (T4). */
  clocksAgree(): boolean;
  readonly distrusted: boolean;
}

/** The membership with which a log begins. */
export function firstMembership(summary: LogSummary, founders: readonly string[]): MembershipAt {
  return summary.snapshot?.membership ?? { index: 0, membership: foundersMembership(founders) };
}

/** Throws StartFailed when the log cannot be used. Nothing runs yet but the answers to requests. */
export function assemble(context: PartsContext, summary: LogSummary): Parts {
  const { options, directory, clock, random, log, transport, replica, stopped, failed } = context;
  const { member, snapshots } = directory;
  const { clusterId } = options;
  const identity = () => directory.member.identity;
  const node = makeNode(context, summary, (from, mark) => snapshotting.install(from, mark));
  const digests = new Digests(replica.digestScheme ?? 0);
  const applying = new Applying(replica, context.proposals, clock, firstMembership(summary, member.founders), {
    applied(entry, count, bytes) {
      digests.note(entry.index, replica.digest ?? 0);
      node.applied(entry);
      snapshotting.applied(entry, count, bytes);
    },
    deleting: (index) => node.noteCommitted(index),
    full: (full) => node.setDisk("store", full ? "full" : "ok"),
    failed,
  });
  const proceedOnFailure = options.proceedOnRestoreFailure;
  const backfill = new Backfill({
    ...{ transport, replica, snapshots, clock, log, clusterId, nodeId: member.nodeId },
    ...{ identity, stopped, proceedOnFailure },
    membership: () => context.membership(),
    leader: () => node.raft.leader,
    lost: (text) => directory.report.disagreed(text),
  });
  const lives = new ChannelLives(() => directory.wal);
  const service = new BulkService({
    ...{ bus: context.bulk, clusterId, nodeId: member.nodeId, replica, snapshots, clock, identity, lives },
    stateIndex: (): number => snapshotting.usable ? Math.max(snapshotting.lastIndex, applying.applied) : 0,
    work: () => directory.wal.lastIndex,
  });
  const pinned = () => service.pinned;
  const snapshotting = new Snapshotting({
    ...{ options, directory, node, applying, replica, backfill },
    ...{ clock, random, log, pinned, stopped, failed, digests },
    isDeleted: (channel, incarnation) =>
      (lives.deletion(channel, incarnation) ?? Infinity) <= node.raft.status().commit,
  });
  const joining = makeJoining(context, node);
  const watch = makeWatch(context, node);
  const settling = new Settling({
    ...{ clock, log, who: context.who, joining, node, directory, boot: context.boot, stopped },
    isMember: () => context.isMember(member.nodeId, member.incarnation),
    endDoubt: () => snapshotting.endDoubt(),
    die: (reason) => context.die(reason),
  });
  const comparing = makeComparing(context, node, digests);
  const clocks = new Clocks(clock, log);
  return {
    ...{ node, transport, applying, snapshotting, service, joining, watch, settling, digests, comparing },
    heard(other) {
      comparing.heard(other);
      if (context.isMember(other.nodeId, other.incarnation)) clocks.heard(other.nodeId, other.wall);
    },
    clocksAgree: () => clocks.agree(votersOf(node.raft.status().membership.membership), member.nodeId),
    get distrusted() {
      return node.raft.distrustsLog;
    },
  };
}

function makeNode(context: PartsContext, summary: LogSummary, install: Snapshotting["install"]): RaftNode {
  const { options, directory, clock, random, log, transport, failed } = context;
  return new RaftNode({
    ...{ options, directory, summary, transport, clock, random, log },
    founders: directory.member.founders,
    newIdentity: drawIdentity(Number(clock.wall() / 1_000_000n), (bytes) => random.fill(bytes)),
    events: {
      role: (change) => context.roleChange(change),
      turned: (leading) => context.turned(leading),
      membership: (membership) => context.membershipChange(membership),
      identity: (identity) => context.identity(identity),
      install,
      notice: (notice) => context.notices.fromCore(notice),
      failed,
    },
  });
}

function makeWatch(context: PartsContext, node: RaftNode): LeaderWatch {
  const { transport, clock, options } = context;
  return new LeaderWatch({
    transport,
    clock,
    leader: () => context.leads() ? "" : node.raft.leader,
    heard: () => node.heardLeader,
    gone: (leader) => node.poke((raft) => raft.leaderGone(leader)),
  }, Math.max(100, options.heartbeatTimeout * 0.15));
}

function makeComparing(context: PartsContext, node: RaftNode, digests: Digests): Comparing {
  const { directory, clock, log } = context;
  return new Comparing({
    ...{ digests, clock, log },
    member: () => directory.member,
    leader: () => ({ id: node.raft.leader, term: node.raft.term }),
    isMember: (id, incarnation) => context.isMember(id, incarnation),
    voters: () => votersOf(node.raft.status().membership.membership),
    diverged: (reason) => context.diverged(reason),
  });
}

function makeJoining(context: PartsContext, node: RaftNode): Joining {
  const { options, directory, clock, log, stopped } = context;
  return new Joining({
    bus: context.control,
    operators: context.operators,
    ...{ clock, log, stopped },
    clusterId: options.clusterId,
    nodeId: directory.member.nodeId,
    boot: context.boot,
    allowAddRemoveNode: options.allowAddRemoveNode,
    change: (change) => node.poke((raft) => raft.changeMembership(change)),
    status: () => node.raft.status(),
    leads: () => context.leads(),
    contacted: (id) => context.notices.contacted(id),
  });
}
