/** Disks that lose something (spec clustering, section 11.11): one at a time, and only where the others can bear it. */
import { memberOf } from "../../src/raft/core/mod.ts";
import { rot as rotDisk } from "./raft_disk_files.ts";
import { anyNode, startLater, victim } from "./raft_faults.ts";
import type { RaftNode } from "./raft_node.ts";
import type { RaftWorld } from "./raft_world.ts";

/** A voter loses its disk. One at a time, and only where a majority of voters remains: more no cluster survives. */
export function wipe(world: RaftWorld): void {
  const node = world.random.pick([...world.nodes.values()]);
  if (mayLose(world, node)) loseDisk(world, node);
}

function loseDisk(world: RaftWorld, node: RaftNode): void {
  world.joining = world.joining.filter((each) => each.id !== node.id);
  world.wipe(node);
}

/** A machine without synced writes loses power. Only one at a time is not trusted: of more, entries may really be lost. */
export function loseEnd(world: RaftWorld): void {
  const node = victim(world);
  if (node === undefined || someoneIsWeak(world) || !hasRoom(world)) return;
  world.lostEnds.add(node.id);
  node.loseEnd(world.random.below(20));
  startLater(world, node);
}

/** A bit of a disk turned while nobody looked: the next start goes on without it, or notices and has to begin anew. */
export function rot(world: RaftWorld): void {
  const node = anyNode(world);
  if (node === undefined || !mayLose(world, node) || node.disk.incarnation === "") return;
  node.crash();
  const sound = rotDisk(node.disk, world.random, world.openFiles);
  world.note(() => `${node.id}  has a rotten disk, and ${sound ? "can go on with it" : "notices"}`);
  if (!sound) return loseDisk(world, node);
  node.disk.recover();
  startLater(world, node);
}

/**
 * Somebody puts a backup of a follower's disk back, made earlier in the life of this world. Until it is noticed nothing
 * else may happen: its votes and its acknowledgements of entries are forgotten, and only the leader makes up for that.
 */
export function restoreBackup(world: RaftWorld): void {
  const node = anyNode(world);
  if (node === undefined || node.disk.identity === "" || !hasRoom(world)) return;
  const backup = node.disk.copy();
  let tries = 20;
  const tryIt = () => {
    if (world.nodes.get(node.id) !== node || node.disk.epoch !== backup.epoch) return;
    if (!isRestorable(world, node)) {
      if (--tries > 0) world.queue.after(20, tryIt);
      return;
    }
    world.note(() => `FAULT a backup of ${node.id} comes back: entries up to ${backup.log.lastIndex}`);
    world.network.heal();
    world.restored = node;
    world.lostEnds.add(node.id);
    node.restore(backup);
    world.queue.after(world.random.below(30), () => node.start());
  };
  world.queue.after(world.random.between(20, 600), tryIt);
}

/**
 * Somebody starts a second process under the name of one that runs, with an empty disk. The cluster may even take it in in
 * the place of the other, as if that had lost its disk; which lives on for a while.
 */
export function duplicate(world: RaftWorld): void {
  const node = victim(world);
  // Two with the founders' list could form a cluster of their own, as founders who all lost their disks.
  if (node === undefined || !hasRoom(world) || world.twins.length > 0) return;
  const replaces = world.random.chance(30) && mayLose(world, node);
  if (replaces) world.joining = world.joining.filter((each) => each.id !== node.id);
  world.startTwin(node, replaces);
}

/** Whether the disk of `node` may lose something now. */
function mayLose(world: RaftWorld, node: RaftNode): boolean {
  const leader = world.leader();
  if (leader === undefined || someoneIsWeak(world) || !hasRoom(world)) return false;
  const { membership } = leader.machine.membership;
  const voters = membership.members.filter((member) => member.voter);
  const member = memberOf(membership, node.id);
  return voters.length >= 3 && member !== undefined && member.incarnation === node.disk.incarnation;
}

function someoneIsWeak(world: RaftWorld): boolean {
  return world.wiped !== undefined || [...world.nodes.values()].some((each) => each.disk.distrusted);
}

/** Every membership that some node goes by has at least three voters, all of them bound. */
export function hasRoom(world: RaftWorld): boolean {
  for (const node of world.nodes.values()) {
    const known = world.membershipBefore(node, node.disk.written.lastIndex + 1)?.membership.members ?? [];
    const voters = known.filter((member) => member.voter);
    if (known.length > 0 && (voters.length < 3 || voters.some((voter) => voter.incarnation === ""))) return false;
  }
  return true;
}

/** `node` follows a leader whom all members hear, and nobody is about to stand for election. */
function isRestorable(world: RaftWorld, node: RaftNode): boolean {
  const leader = world.leader();
  if (!world.troubled || world.restored !== undefined || leader === undefined || leader === node) return false;
  if (!leader.serves || someoneIsWeak(world) || !hasRoom(world) || world.queue.now < world.hintedUntil) return false;
  if (world.network.underWay("vote") + world.network.underWay("timeout now") > 0) return false;
  const { peers, membership, commit } = leader.raft!.status();
  if (membership.index > commit || peers.some((peer) => !peer.voter || peer.silentTicks > 5)) return false;
  if (!peers.some((peer) => peer.id === node.id)) return false;
  return [...world.nodes.values()].every((each) =>
    each === leader || (each.up && !each.paused && !each.leaving && each.raft!.role === "follower" &&
      each.raft!.leader === leader.id && each.raft!.term === leader.raft!.term)
  );
}
