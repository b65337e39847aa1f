/** What the embedded NATS server can be told, and what it assumes (spec nats-server, sections 1.10 and 4). */
import type { Address, TlsOptions } from "../../ports/network.ts";
import type { Millis } from "../../protocol/units.ts";

/** Which subjects a user may publish or subscribe to. Entries for subscribing may be `subject queue`. */
export interface SubjectRules {
  /** Absent or empty: everything that is not denied. */
  readonly allow?: readonly string[];
  /** Wins over `allow`. */
  readonly deny?: readonly string[];
}

/** Replies that a user may send although its publish rules do not allow them. */
export interface ResponseRules {
  /** How many for each request; 1 by default. */
  readonly max?: number;
  /** For how long after the request; 2 minutes by default. */
  readonly expires?: Millis;
}

export interface PermissionRules {
  readonly publish?: SubjectRules;
  readonly subscribe?: SubjectRules;
  /** When set and `publish` is not, only replies may be published. */
  readonly responses?: ResponseRules;
}

export interface UserOptions {
  readonly user: string;
  /** Plain or bcrypt; absent for users that only a certificate proves. */
  readonly password?: string;
  readonly permissions?: PermissionRules;
  /** Name of one of the configured accounts. */
  readonly account?: string;
  /** Whether it may only come by other kinds of connections than NATS clients', of which this server has none. */
  readonly barred?: boolean;
}

export interface NkeyUserOptions {
  /** The user's public key, `U…`. */
  readonly nkey: string;
  readonly permissions?: PermissionRules;
  readonly account?: string;
  /** As {@link UserOptions.barred}. */
  readonly barred?: boolean;
}

/** Who may connect. Without anything in it: everybody. */
export interface AuthorizationOptions {
  /** The single user. */
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly users?: readonly UserOptions[];
  readonly nkeys?: readonly NkeyUserOptions[];
  /** For users without permissions of their own. */
  readonly defaultPermissions?: PermissionRules;
  /** A configured user that connections without credentials become. */
  readonly noAuthUser?: string;
  /** How long a connection may take to send CONNECT; 2 s by default, `tls.timeout` + 1 s with TLS. */
  readonly timeout?: Millis;
}

/** What a TLS session must show beside a valid handshake. */
export interface TlsRules {
  /** Digests of public keys, as in `PeerCertificate`: the other side must have one of them. */
  readonly pinnedKeys?: readonly string[];
  /** Suites of TLS 1.2 that may be used, as Go names them; absent: all that the runtime has. */
  readonly cipherSuites?: readonly string[];
}

export interface ClientTlsOptions extends TlsOptions, TlsRules {
  /** The user is the one whom the client's certificate names. Implies `verify`. */
  readonly verifyAndMap?: boolean;
  /** TLS before INFO: always, or for those who begin it within so many milliseconds. */
  readonly handshakeFirst?: boolean | Millis;
  /** Plain connections are welcome as well. */
  readonly allowNonTls?: boolean;
  /** Connections taken within a second; 0 (the default): no limit. */
  readonly connectionRate?: number;
}

/** TLS between servers: certificates are asked for on both sides. */
export interface RouteTlsOptions extends TlsOptions, TlsRules {
  /** Servers that are dialed need not prove who they are. */
  readonly insecure?: boolean;
  /** A server may dial in when its certificate names the routes' user, whatever else it says. */
  readonly verifyAndMap?: boolean;
  /** A server may dial in when its certificate names the host of a configured route. */
  readonly knownUrlsOnly?: boolean;
}

/** A subject space besides the global one; its limits are absent where there is none. */
export interface AccountOptions {
  readonly name: string;
  readonly maxConnections?: number;
  /** Per connection. */
  readonly maxSubscriptions?: number;
  /** Bytes. */
  readonly maxPayload?: number;
}

/** The mesh with other servers (spec nats-server, section 3). */
export interface ClusterOptions {
  readonly name?: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** `host:port` to be reached at. */
  readonly advertise?: string;
  /** Keeps the client URLs of this server out of what clients learn. */
  readonly noAdvertise?: boolean;
  /** Servers to dial: `nats-route://[user:password@]host:port`. */
  readonly routes?: readonly string[];
  /** Attempts for routes learned from others, beyond the first. */
  readonly connectRetries?: number;
  /** Failed attempts between two log lines: of a route that was never up (3600 by default), and of a lost one (1). */
  readonly reportFailures?: { readonly first: number; readonly again: number };
  readonly authorization?: { readonly user: string; readonly password: string; readonly timeout?: Millis };
  readonly permissions?: { readonly import?: SubjectRules; readonly export?: SubjectRules };
  readonly tls?: RouteTlsOptions;
}

export interface EmbeddedNatsOptions {
  /** Address to listen on, e.g. `0.0.0.0`. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The server id when absent. Unique in a cluster. */
  readonly serverName?: string;
  /** What INFO says of the version; clients judge features by it. */
  readonly version?: string;
  /** `host[:port]` that clients are told instead of where this server listens. */
  readonly clientAdvertise?: string;
  /** This machine's addresses, told to clients of a cluster when `host` stands for all of them. */
  readonly localAddresses?: readonly string[];
  /** Bytes; 1 MiB by default. */
  readonly maxPayload?: number;
  /** Bytes of a command's arguments; 4096 by default. */
  readonly maxControlLine?: number;
  /** Unsent bytes of one client at which it is dropped; 64 MiB by default. */
  readonly maxPending?: number;
  /** 65536 by default; 0 or less: no limit. */
  readonly maxConnections?: number;
  /** Per connection; 0 (the default): no limit. */
  readonly maxSubscriptions?: number;
  /** Tokens in a subscription's subject; 0 (the default): no limit. */
  readonly maxSubscriptionTokens?: number;
  /** 2 minutes by default. */
  readonly pingInterval?: Millis;
  /** Pings that may stay unanswered; 2 by default. */
  readonly pingMax?: number;
  /** How long one write may be stuck; 10 s by default. */
  readonly writeDeadline?: Millis;
  /** Over how long a lame duck's clients are closed; 2 minutes by default. */
  readonly lameDuckDuration?: Millis;
  /** How long a lame duck waits before it closes the first; 10 s by default. */
  readonly lameDuckGrace?: Millis;
  /** Bytes of a payload that the log shows at trace level; 0 (the default): all. */
  readonly maxTracedPayload?: number;
  /** Closed connections that are remembered for monitoring; 10,000 by default. */
  readonly maxClosedClients?: number;
  readonly authorization?: AuthorizationOptions;
  /** Users name theirs. */
  readonly accounts?: readonly AccountOptions[];
  /** Takes and gives no headers. */
  readonly noHeaders?: boolean;
  readonly tls?: ClientTlsOptions;
  readonly cluster?: ClusterOptions;
  /** What this process uses, for the pages that say so: resident bytes, processors, per cent of one processor. */
  readonly usage?: () => { readonly memory: number; readonly cores: number; readonly cpu: number };
  /** What the operator calls this server, for the pages that say so. */
  readonly serverTags?: readonly string[];
  /** The name of the account for the server's own matters, for the pages that say so. */
  readonly systemAccount?: string;
  /** Nobody connects to this server; only its pages are wanted. */
  readonly unused?: boolean;
  /** Where monitoring is served, for the pages that say so. */
  readonly http?: { readonly address?: Address; readonly secureAddress?: Address; readonly basePath?: string };
}

/** Limits with their defaults filled in. */
export interface Limits {
  maxPayload: number;
  maxControlLine: number;
  maxPending: number;
  maxConnections: number;
  maxSubscriptions: number;
  maxSubscriptionTokens: number;
  pingInterval: Millis;
  pingMax: number;
  writeDeadline: Millis;
  lameDuckDuration: Millis;
  lameDuckGrace: Millis;
  maxTracedPayload: number;
  maxClosedClients: number;
  authTimeout: Millis;
  tlsTimeout: Millis;
}

/** What holds where the options are silent. */
export function limitsOf(options: EmbeddedNatsOptions): Limits {
  const tlsTimeout = options.tls?.timeout ?? 2_000;
  return {
    maxPayload: options.maxPayload ?? 1_048_576,
    maxControlLine: options.maxControlLine ?? 4_096,
    maxPending: options.maxPending ?? 67_108_864,
    maxConnections: options.maxConnections ?? 65_536,
    maxSubscriptions: options.maxSubscriptions ?? 0,
    maxSubscriptionTokens: options.maxSubscriptionTokens ?? 0,
    pingInterval: options.pingInterval ?? 120_000,
    pingMax: options.pingMax ?? 2,
    writeDeadline: options.writeDeadline ?? 10_000,
    lameDuckDuration: options.lameDuckDuration ?? 120_000,
    lameDuckGrace: options.lameDuckGrace ?? 10_000,
    maxTracedPayload: options.maxTracedPayload ?? 0,
    maxClosedClients: options.maxClosedClients ?? 10_000,
    authTimeout: options.authorization?.timeout ?? (options.tls === undefined ? 2_000 : tlsTimeout + 1_000),
    tlsTimeout,
  };
}
