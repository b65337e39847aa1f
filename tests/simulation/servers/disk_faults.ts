/** Faults of disks (spec clustering, section 11.11). */
import { MemoryFiles } from "../../support/memory_files.ts";
import { Violation } from "../simulation.ts";
import type { Host } from "./host.ts";
import { BEYOND_REPAIR } from "./operator.ts";
import type { ServerWorld } from "./server_world.ts";
import { type ServerFault, victim } from "./victim.ts";

const INJECTED = /injected failure|no space left|damaged|cannot be read|corrupt|checksum|edited/i;
const DOWN = [1, 50, 400] as const;

/** A server has to stop at once when a sync fails. */
const failSync: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  host.excuse = INJECTED;
  const { files } = host;
  files.onCall = ({ kind }) => {
    if (kind !== "sync") return undefined;
    files.onCall = undefined;
    return { code: "other" };
  };
};

const failRead: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  host.excuse = INJECTED;
  const { files } = host;
  files.failsRead = () => world.random.chance(0.3);
  world.later(world.random.between(20, 200), () => files.failsRead = undefined);
};

const fillDisk: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  host.excuse = INJECTED;
  const { files } = host;
  files.capacity = files.tree("").reduce((sum, { size }) => sum + size, 0) + world.random.below(3_000);
  const time = world.random.between(50, 700);
  // It is tried again a little later.
  host.lagsUntil = world.clock.now() + time + 600;
  world.later(time, () => files.capacity = Infinity);
};

const slowDisk: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined) return false;
  const { files } = host;
  const { clock } = host.node!;
  const longest = world.random.pick([10, 60, 400]);
  files.onSync = (done) => clock.wakeAt(clock.now() + world.random.below(longest), done);
  world.later(world.random.between(50, 700), () => files.onSync = (done) => done());
};

/** A bit of something written long ago turns; nobody sees it before it is read. */
const rot: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || !world.operator.mayLose(host)) return false;
  const where = world.random.pick(["/raft", "/store"]);
  const files = host.files.tree(where).filter(({ size }) => size > 64);
  if (files.length === 0) return false;
  const { path, size } = world.random.pick(files);
  host.files.rot(path, world.random.below(Math.ceil(size * 0.8)));
  world.operator.suspect(host);
};

const wipe: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || !world.operator.mayLose(host)) return false;
  world.operator.wipe(host);
  world.operator.startLater(host, world.random.pick(DOWN));
};

/** Somebody makes a backup of a follower's disk, and puts it back later. */
const restoreBackup: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || !isRestorable(world, host)) return false;
  const backup = host.files.afterKill();
  const { boot } = host;
  world.later(world.random.between(20, 500), () => {
    if (host.boot !== boot || !world.operator.mayLose(host) || !isRestorable(world, host)) return;
    world.note(`backup of ${host.name} comes back`);
    world.trouble.heal();
    world.operator.turnBack(host, backup.afterKill());
    world.operator.startLater(host, world.random.pick(DOWN));
  });
};

/**
 * A disk says of everything that it is safe, and power fails: of what was synced meanwhile any part is gone. As with a
 * backup, nothing else may happen until that is noticed: no cluster survives it together with anything else.
 */
const lieAboutSyncs: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || !isRestorable(world, host)) return false;
  const { files, boot } = host;
  files.lies = true;
  let tries = 5;
  const fail = () => {
    if (host.files !== files || host.boot !== boot || !files.lies) return;
    if (!world.troubled) return files.settle();
    if (!world.operator.mayLose(host) || !isRestorable(world, host)) {
      if (--tries > 0) world.later(30, fail);
      else files.settle();
      return;
    }
    world.note(`${host.name} loses power, and what its disk had lied about`);
    world.trouble.heal();
    world.operator.turnBack(host, host.loseLies());
    host.excuse = BEYOND_REPAIR;
    world.operator.startLater(host, world.random.pick(DOWN));
  };
  world.later(world.random.between(20, 300), fail);
};

/**
 * A leader's own acknowledgements nobody else knows of. And what only the leader and this host hold is lost with the two:
 * before this host notices that its disk went back, it may make somebody leader who lags behind.
 */
function isRestorable(world: ServerWorld, host: Host): boolean {
  const leader = world.leader();
  if (leader?.serving !== true || leader === host || !world.synced) return false;
  const { commit } = leader.seen;
  return [...world.hosts.values()].every((each) => {
    return each.running && (each === host || each.ownLog.durableIndex >= commit);
  });
}

/** A server is started with the cluster log of another one, which it has to refuse; then with its own. */
const wrongDirectory: ServerFault = (world) => {
  const host = victim(world);
  const other = world.random.pick([...world.hosts.values()]);
  const { weak } = world.operator;
  if (host === undefined || other === host || host === weak || other === weak) return false;
  if (other.incarnation === "" || !other.files.exists("/raft/sim/member")) return false;
  const own = host.files.afterKill();
  const mixed = new MemoryFiles();
  copyTree(own, mixed, "/store");
  copyTree(other.files.afterKill(), mixed, "/raft");
  host.logAside = host.log;
  host.putBack(mixed);
  host.excuse = /does not match/;
  host.start();
  world.later(1, () => {
    if (host.excuse !== undefined) {
      throw new Violation("I16 one identity", `${host.name} takes the log of ${other.name}`);
    }
    host.putBack(own);
    host.logAside = undefined;
    world.operator.startLater(host, world.random.pick(DOWN));
  });
};

function copyTree(from: MemoryFiles, to: MemoryFiles, directory: string): void {
  for (const { path, size } of from.tree(directory)) {
    const bytes = new Uint8Array(size);
    const source = from.open(path, { mode: "read" });
    source.readAt(bytes, 0);
    source.close();
    const folder = path.slice(0, path.lastIndexOf("/"));
    to.makeDirectory(folder);
    const copy = to.open(path, { mode: "create" });
    copy.writeAt(bytes, 0);
    copy.close();
  }
}

export const DISK_FAULTS = {
  failSync,
  failRead,
  fillDisk,
  slowDisk,
  rot,
  wipe,
  restoreBackup,
  lieAboutSyncs,
  wrongDirectory,
};
