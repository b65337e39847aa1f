/** The NATS server block as one plain object (spec cli-config-monitoring, sections 1.4 and 2.5). */
import type { Millis } from "./units.ts";

/** Options of the embedded NATS server; logging, pid file and monitoring address also hold for the streaming part. */
export interface NatsOptions {
  /** The file that the block came from, for `Using configuration file`, and for reload; empty when none. */
  configFile: string;
  /** Empty: the server id. */
  serverName: string;
  host: string;
  /** -1 picks a free port. */
  port: number;
  clientAdvertise: string;
  debug: boolean;
  trace: boolean;
  traceVerbose: boolean;
  logtime: boolean;
  logtimeUtc: boolean;
  logFile: string;
  /** Bytes from which the log file is rotated; 0 never. */
  logSizeLimit: number;
  syslog: boolean;
  remoteSyslog: string;
  pidFile: string;
  portsFileDir: string;
  profPort: number;
  /** Empty: the client host. */
  httpHost: string;
  /** 0 off, -1 a free port. */
  httpPort: number;
  httpsPort: number;
  httpBasePath: string;
  user: string;
  password: string;
  token: string;
  /** Seconds for a client to authenticate; may have a fraction. */
  authTimeout: number;
  users: NatsUser[];
  nkeys: NatsNkeyUser[];
  accounts: NatsAccount[];
  noAuthUser: string;
  systemAccount: string;
  noSystemAccount: boolean;
  maxConnections: number;
  /** Per connection; 0 unlimited. */
  maxSubscriptions: number;
  maxSubTokens: number;
  maxControlLine: number;
  maxPayload: number;
  maxPending: number;
  maxTracedMsgLen: number;
  pingInterval: Millis;
  pingMax: number;
  writeDeadline: Millis;
  lameDuckDuration: Millis;
  lameDuckGracePeriod: Millis;
  noHeaderSupport: boolean;
  disableSublistCache: boolean;
  allowNonTls: boolean;
  /** `undefined`: clients connect without TLS. */
  tls: NatsTlsOptions | undefined;
  connectErrorReports: number;
  reconnectErrorReports: number;
  serverTags: string[];
  /** Subject mappings of the global account. */
  mappings: SubjectMapping[];
  storeDir: string;
  jetstream: boolean;
  /** Route URLs; `null` when none were given. */
  routes: string[] | null;
  /** The text of `-routes`. */
  routesFlag: string;
  cluster: NatsClusterOptions;
}

/** Routing between NATS servers. */
export interface NatsClusterOptions {
  /** Empty: a generated name. */
  name: string;
  host: string;
  /** 0: no routing. -1: a free port. */
  port: number;
  /** The text of `-cluster`. */
  listenFlag: string;
  user: string;
  password: string;
  /** Seconds. */
  authTimeout: number;
  advertise: string;
  noAdvertise: boolean;
  connectRetries: number;
  tls: NatsTlsOptions | undefined;
  /** `import` limits what routes may send us, `export` what they may ask for; `null` when nothing is limited. */
  permissions: NatsPermissions | null;
}

/** One `tls {}` block of the NATS server. */
export interface NatsTlsOptions {
  certFile: string;
  keyFile: string;
  caFile: string;
  insecure: boolean;
  verify: boolean;
  verifyAndMap: boolean;
  /** Route certificates must name a known URL; cluster block only. */
  verifyCertAndCheckKnownUrls: boolean;
  /** Go's names; empty means the default set. */
  cipherSuites: string[];
  /** Go's names; empty means the default set. */
  curvePreferences: string[];
  /** Seconds for the handshake; may have a fraction. */
  timeout: number;
  /** Handshakes per second; 0 unlimited. */
  connectionRateLimit: number;
  /** Lower-case SHA-256 of the public key. */
  pinnedCerts: string[];
  /** Not `false`: TLS comes before INFO; a number is how many milliseconds to wait for the client to begin it. */
  handshakeFirst: boolean | Millis;
}

/** A user with a password. */
export interface NatsUser {
  user: string;
  password: string;
  /** `undefined`: the global account. */
  account?: string;
  permissions?: NatsPermissions;
  /** Upper case, e.g. `STANDARD`; all when absent. */
  allowedConnectionTypes?: string[];
}

/** A user known by its public key. */
export interface NatsNkeyUser {
  nkey: string;
  account?: string;
  permissions?: NatsPermissions;
  allowedConnectionTypes?: string[];
}

/** Absent lists allow everything. */
export interface NatsPermissions {
  publish?: SubjectPermission;
  subscribe?: SubjectPermission;
  allowResponses?: ResponsePermission;
}

/** Subjects; in `subscribe` an entry may be `subject queue`. An empty allow list of `publish` next to `allowResponses` allows nothing. */
export interface SubjectPermission {
  allow?: string[];
  deny?: string[];
}

/** Permission to answer: at most `max` publishes to a received reply subject, within `expires`. */
export interface ResponsePermission {
  max: number;
  expires: Millis;
}

/** One account. */
export interface NatsAccount {
  name: string;
  nkey: string;
  imports: AccountImport[];
  exports: AccountExport[];
  mappings: SubjectMapping[];
  limits: AccountLimits;
}

/** -1 is unlimited. */
export interface AccountLimits {
  maxConnections: number;
  maxSubscriptions: number;
  maxPayload: number;
  maxLeafNodes: number;
}

/** A stream or service of another account that this one may use. */
export interface AccountImport {
  kind: "stream" | "service";
  account: string;
  subject: string;
  /** Local subject; empty: the same. */
  to: string;
  /** Streams only: put in front of the subject. */
  prefix: string;
  share: boolean;
}

/** A stream or service that other accounts may import. */
export interface AccountExport {
  kind: "stream" | "service";
  subject: string;
  /** Account names; `undefined`: every account. */
  accounts: string[] | undefined;
  /** Services: `single`, `stream` or `chunked`. */
  responseType: string;
  responseThreshold: Millis;
}

/** Publishes to `subject` go to one of `destinations`, chosen by weight in per cent. */
export interface SubjectMapping {
  subject: string;
  destinations: { subject: string; weight: number; cluster: string }[];
}
