/** Real `nats-server` processes as members of a mesh with ours. */
import assert from "node:assert/strict";
import { bytes, gather, responds, routePort, serve } from "./mesh.ts";
import { connectBus } from "../../src/nats/client/mod.ts";
import { eventually } from "./deadline.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { natsServerPath, newerNatsServers, type RealNatsServer, startNatsServer } from "./nats_server.ts";
import { silentLog } from "../../src/ports/log.ts";
import { systemClock, systemNetwork, systemRandom } from "../../src/system/mod.ts";

const ports = { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log: silentLog };

/** Paths of all versions that were found, by what to call them. */
export const versions: Record<string, string> = {
  ...(natsServerPath === undefined ? {} : { installed: natsServerPath }),
  ...newerNatsServers,
};

export interface GoCluster {
  readonly port?: number;
  readonly routes?: readonly string[];
  /** Further lines of the cluster's block; its name unless told otherwise. */
  readonly block?: string;
  /** Further lines of the configuration. */
  readonly more?: string;
}

export function goServer(path: string, name: string, cluster: GoCluster = {}): Promise<RealNatsServer> {
  const routes = (cluster.routes ?? []).map((url) => `"${url}"`).join(", ");
  const block = `${cluster.block ?? "name: c1"}, host: 127.0.0.1, port: ${cluster.port ?? -1}, routes: [${routes}]`;
  return startNatsServer({ path, config: `server_name: ${name}\ncluster { ${block} }\n${cluster.more ?? ""}` });
}

export function routeTo(server: NatsServer): string {
  return `nats-route://127.0.0.1:${routePort(server)}`;
}

export async function routed(server: NatsServer, count: number): Promise<void> {
  await eventually(() => server.routes.list().length === count || undefined, `${count} routes`);
}

/** Waits until each side knows what the other wants, then sends all kinds of messages across. */
export async function talks(ours: NatsServer, theirs: RealNatsServer): Promise<void> {
  const here = ours.openBus("here");
  const there = await connectBus({ servers: [`nats://127.0.0.1:${theirs.port}`], name: "there" }, ports);
  const [gotHere, gotThere] = [gather(here, "to.here"), gather(there, "to.there")];
  serve(here, "service.here", "here");
  serve(there, "service.there", "there");
  await responds(here, "service.there");
  await responds(there, "service.here");
  for (const text of ["one", "", "three"]) {
    here.publish(bytes("to.there"), bytes(text));
    there.publishRequest(bytes("to.here"), bytes("some.reply"), bytes(text));
  }
  await eventually(() => gotHere.length >= 3 && gotThere.length >= 3 || undefined, "the messages");
  assert.deepEqual([gotHere, gotThere], [["one", "", "three"], ["one", "", "three"]]);
  assert.equal((await here.request("nobody.anywhere", bytes("?"), 5_000)).kind, "no responders");
  assert.equal((await there.request("nobody.anywhere", bytes("?"), 5_000)).kind, "no responders");
  await here.close();
  await there.close();
}
