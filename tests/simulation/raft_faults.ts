/** The faults that trouble a world of Raft nodes (spec clustering, section 11.11), each a thing that may happen at any time. */
import { duplicate, loseEnd, restoreBackup, rot, wipe } from "./raft_disk_faults.ts";
import type { RaftNode } from "./raft_node.ts";
import type { RaftWorld } from "./raft_world.ts";

type Fault = (world: RaftWorld) => void;

/** Plans faults, one after another, as long as the world is troubled; each world has its own favourites. */
export function planFaults(world: RaftWorld): void {
  const { random, queue } = world;
  const named = FAULTS.filter((fault) => world.favourites.includes(fault.name));
  const favourites = named.length > 0 ? named : Array.from({ length: 4 }, () => random.pick(FAULTS));
  const pause = random.pick([20, 40, 80, 160]);
  const next = () => {
    if (!world.troubled) return;
    const fault = random.chance(named.length > 0 ? 80 : 50) ? random.pick(favourites) : random.pick(FAULTS);
    if (world.restored === undefined) {
      world.note(() => `FAULT ${fault.name}`);
      fault(world);
    }
    queue.after(random.between(1, 2 * pause), next);
  };
  queue.after(random.between(1, 4 * pause), next);
}

function upNodes(world: RaftWorld): RaftNode[] {
  return [...world.nodes.values()].filter((node) => node.up);
}

export function anyNode(world: RaftWorld): RaftNode | undefined {
  const up = upNodes(world);
  return up.length === 0 ? undefined : world.random.pick(up);
}

/** Often the leader: it is the most interesting one. */
export function victim(world: RaftWorld): RaftNode | undefined {
  return world.random.chance(40) ? world.leader() ?? anyNode(world) : anyNode(world);
}

export function startLater(world: RaftWorld, node: RaftNode): void {
  const { random, queue } = world;
  const { boot } = node;
  const delay = random.pick([0, 5, 50, 300, 1_000]);
  queue.after(delay, () => {
    if (!node.up && node.boot === boot && world.nodes.get(node.id) === node) node.start();
  });
}

function crash(world: RaftWorld): void {
  const node = victim(world);
  if (node === undefined) return;
  node.crash();
  startLater(world, node);
  hintToSome(world, node);
}

function crashAll(world: RaftWorld): void {
  for (const node of upNodes(world)) {
    node.crash();
    startLater(world, node);
  }
}

/** Some followers see that nobody listens at the leader's subject any more. */
function hintToSome(world: RaftWorld, gone: RaftNode): void {
  world.hintedUntil = world.queue.now + 50;
  for (const node of upNodes(world)) {
    if (world.random.chance(50)) node.later(world.random.below(10), (raft) => raft.leaderGone(gone.id));
  }
}

function falseHint(world: RaftWorld): void {
  const leader = world.leader();
  if (leader !== undefined) hintToSome(world, leader);
}

function leave(world: RaftWorld): void {
  const node = victim(world);
  if (node === undefined) return;
  node.leaving = true;
  node.enter((raft) => raft.leave());
  const { boot } = node;
  world.queue.after(world.random.below(20), () => {
    if (node.boot !== boot) return;
    node.crash();
    startLater(world, node);
  });
}

function pause(world: RaftWorld): void {
  const node = victim(world);
  if (node === undefined || node.paused) return;
  node.paused = true;
  const { boot } = node;
  world.queue.after(world.random.pick([3, 30, 120, 400]), () => {
    if (node.boot === boot && node.paused) node.resume();
  });
}

function split(world: RaftWorld): void {
  const ids = [...world.nodes.keys()];
  const left = ids.filter(() => world.random.chance(50));
  world.network.split(left, ids.filter((id) => !left.includes(id)), world.random.chance(30));
}

/** Two nodes cannot talk to one another, while both reach all others. */
function cutOneLink(world: RaftWorld): void {
  const ids = [...world.nodes.keys()];
  world.network.split([world.random.pick(ids)], [world.random.pick(ids)], world.random.chance(50));
}

function isolateLeader(world: RaftWorld): void {
  const leader = world.leader();
  if (leader === undefined) return;
  world.network.split([leader.id], [...world.nodes.keys()].filter((id) => id !== leader.id), world.random.chance(30));
}

/** The leader cannot be reached any more, and the others see it at once; its own clients still talk to it (E7). */
function deposeByHint(world: RaftWorld): void {
  const leader = world.leader();
  if (leader === undefined) return;
  isolateLeader(world);
  world.hintedUntil = world.queue.now + 50;
  for (const node of upNodes(world)) {
    if (node !== leader) node.later(world.random.below(20), (raft) => raft.leaderGone(leader.id));
  }
  const { boot } = leader;
  for (let delay = 10; delay < 200; delay += 20) {
    world.queue.after(delay, () => {
      if (leader.boot === boot && leader.up && !leader.paused) world.read(leader);
    });
  }
  if (world.random.chance(50)) world.queue.after(world.random.between(50, 300), () => world.network.heal());
}

function healNetwork(world: RaftWorld): void {
  world.network.heal();
}

function badNetwork(world: RaftWorld): void {
  const { random } = world;
  Object.assign(world.network.faults, {
    drop: random.pick([0, 2, 20]),
    duplicate: random.pick([0, 5, 30]),
    late: random.pick([0, 2, 10]),
    corrupt: random.pick([0, 0, 1, 5]),
    lateness: random.pick([20, 200, 2_000]),
    delay: random.pick([1, 2, 10]),
  });
}

function changeDisks(world: RaftWorld): void {
  world.slowDisks = !world.slowDisks;
}

function fillDisk(world: RaftWorld): void {
  const node = victim(world);
  if (node === undefined) return;
  node.enter((raft) => raft.setDisk("full"));
  node.later(world.random.between(50, 400), (raft) => raft.setDisk("ok"));
}

function takeSnapshot(world: RaftWorld): void {
  anyNode(world)?.snapshot();
}

function transfer(world: RaftWorld): void {
  const target = world.random.chance(50) ? world.random.pick([...world.nodes.keys()]) : undefined;
  world.leader()?.enter((raft) => void raft.transfer(target));
}

function readSomewhere(world: RaftWorld): void {
  const node = victim(world);
  if (node !== undefined && !node.paused) world.read(node);
}

function stall(world: RaftWorld): void {
  victim(world)?.enter((raft) => raft.stall());
}

function toggleElectable(world: RaftWorld): void {
  const node = anyNode(world);
  node?.enter((raft) => raft.setElectable(false));
  node?.later(world.random.below(300), (raft) => raft.setElectable(true));
}

function join(world: RaftWorld): void {
  if (world.nodes.size >= 7) return;
  const node = world.addNode(`n${world.nodes.size + 1}`, []);
  world.joining.push({ id: node.id, incarnation: node.disk.incarnation });
  node.start();
}

function remove(world: RaftWorld): void {
  const { random } = world;
  const leader = world.leader();
  if (leader === undefined || leader.paused) return;
  const voters = leader.machine.membership.membership.members.filter((member) => member.voter);
  if (voters.length < 3 || world.wiped !== undefined) return;
  if ([...world.nodes.values()].some((each) => each.disk.distrusted)) return;
  const { id } = random.pick(voters);
  world.joining = world.joining.filter((each) => each.id !== id);
  // Somebody who forces a removal knows that the others are there to stay.
  const force = random.chance(20) && voters.every((voter) => voter.incarnation !== "");
  leader.enter((raft) => raft.changeMembership({ kind: "remove", id, force }));
  if (random.chance(50)) return;
  const { incarnation } = world.nodes.get(id)!.disk;
  world.queue.after(random.below(500), () => {
    if (world.nodes.get(id)!.disk.incarnation === incarnation) world.joining.push({ id, incarnation });
  });
}

const FAULTS: readonly Fault[] = [
  crash,
  crash,
  crashAll,
  loseEnd,
  falseHint,
  leave,
  pause,
  split,
  cutOneLink,
  isolateLeader,
  deposeByHint,
  healNetwork,
  healNetwork,
  badNetwork,
  changeDisks,
  fillDisk,
  takeSnapshot,
  takeSnapshot,
  transfer,
  readSomewhere,
  readSomewhere,
  stall,
  toggleElectable,
  join,
  remove,
  wipe,
  rot,
  restoreBackup,
  restoreBackup,
  duplicate,
];
