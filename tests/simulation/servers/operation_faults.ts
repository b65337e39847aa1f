/** What operators and loads do to a cluster (spec clustering, section 11.11). */
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

/** Somebody gives a node other limits and another list of peers: the cluster's go on being in force. */
const otherConfiguration: ServerFault = (world) => {
  const host = victim(world);
  if (host === undefined || host.incarnation === "") return false;
  const [limits] = world.settings.limits!.channels;
  const maxMessages = world.random.pick([0, 20, 40]);
  host.settings = { limits: { maxChannels: 5, channels: [{ ...limits!, maxMessages }] }, batchMessages: 8 };
  host.kill();
  world.operator.startLater(host, 5);
};

export const OPERATION_FAULTS = {
  stopInOrder,
  removeNode,
  readSomewhere,
  readAgain: readSomewhere,
  otherConfiguration,
};
