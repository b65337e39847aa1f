/** What operators and loads do to a cluster (spec clustering, section 11.11). */
import { Violation } from "../simulation.ts";
import { CLUSTER } from "./simulated_node.ts";
import { type ServerFault, victim } from "./victim.ts";

const BROKEN_DISK = /injected failure|no space left/;

/** A node in order leaves, hands its leadership over, and is started again, maybe with other options. */
const stopInOrder: ServerFault = (world) => {
  const host = victim(world);
  if (host?.node?.server === undefined) return false;
  const { node, boot } = host;
  // On a broken disk it ends with an error, and the process all the same.
  node!.server!.stop().catch((error: Error) => {
    if (!BROKEN_DISK.test(error.message)) throw error;
    world.note(`${host.name} does not stop in order: ${error.message}`);
  });
  world.later(world.random.between(100, 500), () => {
    if (host.boot !== boot) return;
    host.kill();
    world.operator.startLater(host, world.random.pick([1, 100]));
  });
};

/** A node is taken out, and later in again. */
const removeNode: ServerFault = (world) => {
  const { operator, random } = world;
  if (operator.weak !== undefined || !operator.isSettled) return false;
  operator.remove(random.pick([...world.hosts.values()]), false);
};

const readSomewhere: ServerFault = (world) => {
  const host = victim(world);
  if (host?.node?.journal === undefined) return false;
  world.read(host);
};

/** Somebody wants another leader, and another one, and another one; who is to lead may not be heard by who led. */
const handOver: ServerFault = (world) => {
  const { random } = world;
  if (world.leader() === undefined) return false;
  const times = random.between(1, 4);
  const pause = random.pick([2, 20, 120]);
  const unheard = random.chance(0.2);
  for (let i = 0; i < times; i++) {
    const target = unheard || random.chance(0.5) ? random.pick([...world.hosts.keys()]) : undefined;
    world.later(i * pause, () => {
      const leader = world.leader();
      if (unheard && leader !== undefined && world.troubled) world.trouble.split([target!], [leader.name], true);
      void leader?.node?.journal?.handOver(target);
    });
  }
};

/** Somebody starts a node with the ID of another cluster: it has to refuse, and to be as before with its own. */
const otherCluster: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || host === world.operator.weak || host.excuse !== undefined) return false;
  if (host.incarnation === "" || !host.files.exists("/raft/sim/member")) return false;
  host.kill();
  host.clusterId = "other";
  host.excuse = /cluster ID "other" does not match recovered value of "sim"/;
  host.start();
  world.later(1, () => {
    if (host.excuse !== undefined) throw new Violation("I16 one identity", `${host.name} starts for another cluster`);
    host.clusterId = CLUSTER;
    world.operator.startLater(host, 5);
  });
};

/** Somebody gives a node other limits and another list of peers: the cluster's go on being in force. */
const otherConfiguration: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || host.incarnation === "") return false;
  const channels = world.limitRows(world.random.pick([0, 20, 40]), world.random.pick([0, 80, 300]));
  host.settings = { limits: { maxChannels: 5, channels }, batchMessages: 8 };
  host.peers = world.random.pick([undefined, ["x", "y"], [host.name]]);
  host.kill();
  world.operator.startLater(host, 5);
};

/** A client answers no heartbeats for a while, and goes on publishing and acknowledging: it is taken for dead meanwhile. */
const deafen: ServerFault = (world) => {
  if (!world.evicts) return false;
  const client = world.random.pick(world.population.clients);
  client.deaf = true;
  world.later(world.random.pick([150, 500, 1_000]), () => client.deaf = false);
};

export const OPERATION_FAULTS = {
  stopInOrder,
  removeNode,
  readSomewhere,
  readAgain: readSomewhere,
  handOver,
  deafen,
  otherCluster,
  otherConfiguration,
};
