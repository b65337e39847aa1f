/** The NATS server inside this process: options → its own, and the files that they name. */
import type { NatsOptions, NatsPermissions, NatsTlsOptions, Options } from "../config/mod.ts";
import {
  type AccountOptions,
  type AuthorizationOptions,
  type EmbeddedNatsOptions,
  type NatsServer,
  type PermissionRules,
  RoutePortFailed,
  type RouteTlsOptions,
  startNatsServer,
  type TlsRules,
} from "../nats/embedded/mod.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import { NetworkFailed, type TlsOptions } from "../ports/network.ts";
import { StartFailed } from "../protocol/errors.ts";
import type { Millis } from "../protocol/units.ts";
import type { BusPlugin, Nats, NatsPage, System } from "../registry.ts";
import { announceNats } from "./nats_banner.ts";
import { listenFailure, optionalTextFile } from "./texts.ts";
import { ineffectiveNats, unsupportedNats } from "./unsupported_nats.ts";

const SECOND: Millis = 1000;

export const embeddedNats: BusPlugin = {
  async start(options, system): Promise<Nats> {
    const { network, clock, random, passwords, natsLog: log } = system;
    const { host, port } = options.nats;
    const unsupported = unsupportedNats(options.nats);
    if (unsupported !== undefined) throw new StartFailed(unsupported, 1, { isWholeLine: true });
    for (const warning of ineffectiveNats(options.nats)) log.warn(warning);
    const ports = { network, clock, random, passwords, log };
    const server = await startNatsServer(embeddedOptions(options, system), ports).catch((error: unknown) => {
      if (!(error instanceof NetworkFailed)) throw error;
      const { cluster } = options.nats;
      const line = error instanceof RoutePortFailed
        ? `Error listening on router port: ${cluster.port} - ${listenFailure(cluster.host, cluster.port, error)}`
        : `Error listening on port: ${host}:${port}, "${listenFailure(host, port, error)}"`;
      throw new StartFailed(line, 1, { cause: error, isWholeLine: true });
    });
    announceNats(server, options.nats, log);
    return {
      url: server.url,
      connect: (role) => openBus(server, options.streaming.clusterId, role),
      page: (path, query) => monitoringPage(server, options.nats, path, query),
      reload: (changed) => {
        const refusal = unsupportedNats(changed.nats);
        if (refusal !== undefined) log.error(refusal);
        for (const warning of ineffectiveNats(changed.nats)) log.warn(warning);
        for (const name of server.reload(embeddedOptions(changed, system))) {
          log.warn(`Reload: the change of ${name} takes effect with the next start`);
        }
      },
      close: () => server.close(),
    };
  },
};

/**
 * Dashboards count connections and look for these names. One bus carries everything here, and the others stand idle
 * beside it: that costs nothing within a process.
 */
const IDLE_ROLES: Readonly<Record<string, readonly string[]>> = { general: ["send", "acks", "hb"] };

function openBus(server: NatsServer, clusterId: string, role: string): MessageBus {
  const bus = server.openBus(`_NSS-${clusterId}-${role}`, true);
  for (const idle of IDLE_ROLES[role] ?? []) server.openBus(`_NSS-${clusterId}-${idle}`, true);
  return bus;
}

/** A page by its path below `http_base_path`. */
export function monitoringPage(
  server: NatsServer,
  { httpBasePath: base }: NatsOptions,
  path: string,
  query: URLSearchParams,
): NatsPage | undefined {
  if (base === "" || base === "/") return server.monitoring(path, query);
  if (path === base) return server.monitoring("/", query);
  const rest = path.slice(base.length);
  return path.startsWith(`${base}/`) && rest !== "/" ? server.monitoring(rest, query) : undefined;
}

/** The options of this project's NATS server. */
export function embeddedOptions({ nats }: Options, system: System): EmbeddedNatsOptions {
  return {
    host: nats.host,
    port: portOf(nats.port),
    ...(nats.serverName === "" ? {} : { serverName: nats.serverName }),
    ...(nats.clientAdvertise === "" ? {} : { clientAdvertise: nats.clientAdvertise }),
    localAddresses: system.network.addresses(),
    maxPayload: nats.maxPayload,
    maxControlLine: nats.maxControlLine,
    maxPending: nats.maxPending,
    maxConnections: nats.maxConnections,
    maxSubscriptions: nats.maxSubscriptions,
    maxSubscriptionTokens: nats.maxSubTokens,
    pingInterval: nats.pingInterval,
    pingMax: nats.pingMax,
    writeDeadline: nats.writeDeadline,
    maxTracedPayload: nats.maxTracedMsgLen,
    serverTags: nats.serverTags,
    lameDuckDuration: nats.lameDuckDuration,
    lameDuckGrace: nats.lameDuckGracePeriod,
    ...(nats.systemAccount === "" ? {} : { systemAccount: nats.systemAccount }),
    ...(system.usage === undefined ? {} : { usage: system.usage }),
    http: httpOf(nats),
    authorization: authorizationOf(nats),
    accounts: nats.accounts.map(accountOf),
    noHeaders: nats.noHeaderSupport,
    ...(nats.tls === undefined ? {} : {
      tls: {
        ...tlsOf(nats.tls, system),
        verifyAndMap: nats.tls.verifyAndMap,
        connectionRate: nats.tls.connectionRateLimit,
        handshakeFirst: nats.tls.handshakeFirst,
        allowNonTls: nats.allowNonTls,
      },
    }),
    ...clusterOf(nats, system),
  };
}

function httpOf(
  { httpHost: host, httpPort, httpsPort, httpBasePath }: NatsOptions,
): NonNullable<EmbeddedNatsOptions["http"]> {
  return {
    ...(httpPort === 0 ? {} : { address: { host, port: httpPort } }),
    ...(httpsPort === 0 ? {} : { secureAddress: { host, port: httpsPort } }),
    ...(httpBasePath === "/" ? {} : { basePath: httpBasePath }),
  };
}

/** -1 stands for any free port. */
function portOf(port: number): number {
  return port === -1 ? 0 : port;
}

function authorizationOf(nats: NatsOptions): AuthorizationOptions {
  return {
    ...(nats.user === "" ? {} : { user: nats.user, password: nats.password }),
    ...(nats.token === "" ? {} : { token: nats.token }),
    users: nats.users.map(({ user, password, account, permissions, allowedConnectionTypes }) => ({
      user,
      password,
      barred: isBarred(allowedConnectionTypes),
      ...(account === undefined ? {} : { account }),
      ...(permissions === undefined ? {} : { permissions: permissionsOf(permissions) }),
    })),
    nkeys: nats.nkeys.map(({ nkey, account, permissions, allowedConnectionTypes }) => ({
      nkey,
      barred: isBarred(allowedConnectionTypes),
      ...(account === undefined ? {} : { account }),
      ...(permissions === undefined ? {} : { permissions: permissionsOf(permissions) }),
    })),
    ...(nats.noAuthUser === "" ? {} : { noAuthUser: nats.noAuthUser }),
    timeout: nats.authTimeout * SECOND,
  };
}

/** Whether the kinds of connections that a user is limited to do not include a NATS client's. */
function isBarred(types: readonly string[] | undefined): boolean {
  return types !== undefined && types.length > 0 && !types.includes("STANDARD");
}

/** -1 is unlimited. */
function accountOf({ name, limits }: NatsOptions["accounts"][number]): AccountOptions {
  const { maxConnections, maxSubscriptions, maxPayload } = limits;
  return {
    name,
    ...(maxConnections < 0 ? {} : { maxConnections }),
    ...(maxSubscriptions < 0 ? {} : { maxSubscriptions }),
    ...(maxPayload < 0 ? {} : { maxPayload }),
  };
}

function permissionsOf({ publish, subscribe, allowResponses }: NatsPermissions): PermissionRules {
  return {
    ...(publish === undefined ? {} : { publish }),
    ...(subscribe === undefined ? {} : { subscribe }),
    ...(allowResponses === undefined ? {} : { responses: allowResponses }),
  };
}

function tlsOf(tls: NatsTlsOptions, { files }: System): TlsOptions & TlsRules {
  const certificate = optionalTextFile(files, tls.certFile, "certificate");
  const key = optionalTextFile(files, tls.keyFile, "key");
  const authorities = optionalTextFile(files, tls.caFile, "certificate authority");
  return {
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
    ...(authorities === undefined ? {} : { authorities }),
    verify: tls.verify || tls.verifyAndMap,
    cipherSuites: tls.cipherSuites,
    pinnedKeys: tls.pinnedCerts,
    timeout: tls.timeout * SECOND,
  };
}

function routeTlsOf(tls: NatsTlsOptions, system: System): RouteTlsOptions {
  const { insecure, verifyAndMap, verifyCertAndCheckKnownUrls: knownUrlsOnly } = tls;
  return { ...tlsOf(tls, system), insecure, verifyAndMap, knownUrlsOnly };
}

function clusterOf(nats: NatsOptions, system: System): Pick<EmbeddedNatsOptions, "cluster"> {
  const { cluster } = nats;
  if (cluster.port === 0) return {};
  const { permissions } = cluster;
  return {
    cluster: {
      ...(cluster.name === "" ? {} : { name: cluster.name }),
      host: cluster.host,
      port: portOf(cluster.port),
      ...(cluster.advertise === "" ? {} : { advertise: cluster.advertise }),
      noAdvertise: cluster.noAdvertise,
      routes: nats.routes ?? [],
      connectRetries: cluster.connectRetries,
      reportFailures: { first: nats.connectErrorReports || 3_600, again: nats.reconnectErrorReports || 1 },
      ...(cluster.user === "" ? {} : {
        authorization: { user: cluster.user, password: cluster.password, timeout: cluster.authTimeout * SECOND },
      }),
      ...(permissions === null ? {} : {
        permissions: {
          ...(permissions.publish === undefined ? {} : { import: permissions.publish }),
          ...(permissions.subscribe === undefined ? {} : { export: permissions.subscribe }),
        },
      }),
      ...(cluster.tls === undefined ? {} : { tls: routeTlsOf(cluster.tls, system) }),
    },
  };
}
