/** `/varz`: the server as a whole. */
import { clientInfo } from "../clients/mod.ts";
import type { Millis } from "../../../protocol/units.ts";
import type { ShownServer } from "./shown_server.ts";
import { uptimeText } from "../../../protocol/json_page.ts";
import { timeText } from "./page_texts.ts";

const nanosOf = (time: Millis) => Math.round(time * 1e6);

/** The page's object, keys in the reference's order. */
export function varz(server: ShownServer): unknown {
  const now = server.clock.wall();
  return { ...identity(server), ...limits(server), ...times(server, now), ...counters(server), ...tail(server) };
}

function identity(server: ShownServer) {
  const { options } = server;
  const info = clientInfo({
    serverId: server.serverId,
    serverName: server.serverName,
    version: server.version,
    options,
    port: server.address.port,
    maxPayload: server.limits.maxPayload,
    authRequired: server.credentialsRequired,
    cluster: server.cluster,
    lameDuck: server.lameDuckMode,
  }, { id: 0, address: "", nonce: undefined }) as Record<string, unknown>;
  const kept = ["server_id", "server_name", "version", "proto", "go", "host", "port"];
  const optional = ["auth_required", "tls_required", "tls_verify", "connect_urls"];
  return Object.fromEntries([...kept, ...optional].filter((key) => key in info).map((key) => [key, info[key]]));
}

function limits(server: ShownServer) {
  const { limits, options } = server;
  const { http } = options;
  return {
    max_connections: limits.maxConnections,
    ...(limits.maxSubscriptions > 0 ? { max_subscriptions: limits.maxSubscriptions } : {}),
    ping_interval: nanosOf(limits.pingInterval),
    ping_max: limits.pingMax,
    http_host: http?.address?.host ?? http?.secureAddress?.host ?? "",
    http_port: http?.address?.port ?? 0,
    http_base_path: http?.basePath ?? "",
    https_port: http?.secureAddress?.port ?? 0,
    auth_timeout: limits.authTimeout / 1_000,
    max_control_line: limits.maxControlLine,
    max_payload: limits.maxPayload,
    max_pending: limits.maxPending,
    cluster: clusterView(server),
    gateway: {},
    leaf: {},
    mqtt: {},
    websocket: {},
    jetstream: {},
    tls_timeout: limits.tlsTimeout / 1_000,
    write_deadline: nanosOf(limits.writeDeadline),
  };
}

function clusterView(server: ShownServer) {
  const { cluster } = server.options;
  const { address, urls } = server.routes;
  if (cluster === undefined && address === undefined) return {};
  return {
    ...(server.cluster.name === undefined ? {} : { name: server.cluster.name }),
    addr: address?.host ?? cluster?.host ?? "",
    cluster_port: address?.port ?? cluster?.port ?? 0,
    auth_timeout: (cluster?.authorization?.timeout ?? 2_000) / 1_000,
    ...(urls.length > 0 ? { urls } : {}),
    tls_timeout: (cluster?.tls?.timeout ?? 2_000) / 1_000,
    ...(cluster?.tls === undefined ? {} : { tls_required: true, tls_verify: true }),
  };
}

function times(server: ShownServer, now: bigint) {
  const usage = server.options.usage?.() ?? { memory: 0, cores: 1, cpu: 0 };
  return {
    start: timeText(server.started),
    now: timeText(now),
    uptime: uptimeText(now - server.started),
    mem: usage.memory,
    cores: usage.cores,
    gomaxprocs: usage.cores,
    cpu: usage.cpu,
  };
}

function counters(server: ShownServer) {
  const routes = server.routes.list();
  const sum = server.totals.plus([...server.sessions.values(), ...server.buses, ...routes, server.routes.past]);
  const listed = [...server.buses].filter((bus) => bus.id > 0).length;
  let subscriptions = 0;
  for (const account of server.accounts.values()) subscriptions += account.tree.localCount + account.tree.remoteCount;
  return {
    connections: server.sessions.size + listed,
    total_connections: sum.connections + listed,
    routes: routes.length,
    remotes: routes.length,
    leafnodes: 0,
    in_msgs: sum.inMessages,
    out_msgs: sum.outMessages,
    in_bytes: sum.inBytes,
    out_bytes: sum.outBytes,
    slow_consumers: sum.slowConsumers,
    subscriptions,
    http_req_stats: Object.fromEntries([...server.totals.requests].sort(([a], [b]) => a < b ? -1 : 1)),
  };
}

function tail(server: ShownServer) {
  const { systemAccount, serverTags = [] } = server.options;
  return {
    config_load_time: timeText(server.configured),
    ...(serverTags.length === 0 ? {} : { tags: serverTags }),
    ...(systemAccount === undefined ? {} : { system_account: systemAccount }),
    ocsp_peer_cache: {},
  };
}
