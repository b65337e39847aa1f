import assert from "node:assert/strict";
import { closeAll, everybodyHearsEverybody, meshed, routePort, startMember } from "../../../../tests/support/mesh.ts";
import { effectiveCluster, fixedInCluster } from "./cluster_reload.ts";
import { eventually } from "../../../../tests/support/deadline.ts";
import { joinMesh, peerConnect, peerInfo } from "../../../../tests/support/raw_route_peer.ts";
import type { ClusterOptions } from "../options.ts";
import type { NatsServer } from "../mod.ts";
import { RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";

const base: ClusterOptions = { name: "c1", host: "127.0.0.1", port: 0 };

Deno.test("of the cluster's options, routes and credentials change; others stay and are named", () => {
  const before: ClusterOptions = { ...base, noAdvertise: true, tls: { key: "k" } };
  const after: ClusterOptions = {
    ...base,
    name: "c2",
    advertise: "a:1",
    routes: ["r"],
    authorization: { user: "u", password: "p" },
    permissions: { import: { allow: ["x"] } },
    connectRetries: 3,
  };
  assert.deepEqual(fixedInCluster(before, after), [
    "cluster name",
    "cluster permissions",
    "cluster advertise",
    "cluster no_advertise",
    "cluster tls",
  ]);
  const { routes, authorization, connectRetries } = after;
  assert.deepEqual(effectiveCluster(before, after), { ...before, routes, authorization, connectRetries });
  assert.deepEqual(fixedInCluster(before, { ...before, routes: ["r"], tls: { key: "l" } }), []);
  assert.deepEqual(effectiveCluster(before, { ...before, tls: { key: "l" } }).tls, { key: "l" });
  assert.deepEqual([fixedInCluster(undefined, base), fixedInCluster(undefined, undefined)], [["cluster"], []]);
});

function reload(server: NatsServer, cluster: Partial<ClusterOptions>): string[] {
  return server.reload({ ...server.options, cluster: { ...server.options.cluster!, ...cluster } });
}

Deno.test("a reload dials new routes, and leaves those that are gone", async () => {
  const a = await startMember("a", []);
  const b = await startMember("b", []);
  const c = await startMember("c", [routePort(b)]);
  await meshed(b, c);
  const to = (server: NatsServer) => `nats-route://127.0.0.1:${routePort(server)}`;
  assert.deepEqual(reload(a, { routes: [to(b)] }), []);
  await meshed(a, b, c);
  await everybodyHearsEverybody(a, b, c);
  const kept = c.routes.list().find(({ remoteName }) => remoteName === "b")!.id;
  // The same again changes nothing; what is gone is closed, and not dialed again.
  reload(c, { routes: [to(b)], connectRetries: 1 });
  assert.equal(c.routes.list().find(({ remoteName }) => remoteName === "b")!.id, kept);
  reload(a, { routes: [] });
  assert.equal(a.routes.list().some(({ remoteName }) => remoteName === "b"), false);
  await closeAll(b);
  const again = await startMember("b2", []);
  reload(a, { routes: [to(again)] });
  await eventually(() => a.routes.list().some(({ remoteName }) => remoteName === "b2") || undefined, "the new route");
  await closeAll(a, c, again);
});

Deno.test("a reload changes what dialing servers must say", async () => {
  const a = await startMember("a", []);
  const { peer } = await joinMesh(routePort(a), { server_id: "NOLD", server_name: "old" });
  reload(a, { authorization: { user: "u", password: "p" } });
  const late = await RawNatsClient.connect(routePort(a));
  assert.equal(late.info["auth_required"], true);
  assert.equal(await late.ask(peerConnect() + peerInfo()), "-ERR 'Authorization Violation'\r\n");
  const right = await RawNatsClient.connect(routePort(a));
  await right.send(peerConnect({ user: "u", pass: "p" }) + peerInfo());
  await eventually(() => a.routes.list().length === 2 || undefined, "both routes");
  assert.equal(peer.closed, false);
  await Promise.all([peer.close(), late.close(), right.close()]);
  await a.close();
});
