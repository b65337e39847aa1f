/** What the operator asked for, as one plain nested object: the result of flags, files and environment together. */
import type { NatsOptions } from "./nats_options.ts";
import type { Millis, Nanos } from "./units.ts";

/** Everything that can be configured. Effective values: what {@link Options} holds can be used as it stands. */
export interface Options {
  streaming: StreamingOptions;
  nats: NatsOptions;
  process: ProcessOptions;
}

/** How this process was called. */
export interface ProcessOptions {
  /** `-c`: the file read for both parts, empty when not given. */
  configFile: string;
  /** `-sc`: the file read for the streaming part, and for the NATS part when `-c` was not given. */
  streamingConfigFile: string;
  /** `-t`: warnings of the configuration are errors. The server starts all the same (spec cli-config-monitoring, section 1.2). */
  strict: boolean;
}

/** The kinds of store by their names in files and on the command line; always upper case. */
export type StoreType = "MEMORY" | "FILE" | "SQL";

/** The streaming part (spec cli-config-monitoring, sections 1.3 and 2.4). */
export interface StreamingOptions {
  clusterId: string;
  discoverPrefix: string;
  /** Upper case. A name given by flag is not checked before {@link checkStart}, so it may be something else than a {@link StoreType}. */
  store: StoreType | string;
  /** Root folder of a file store; empty when not set. */
  dir: string;
  debug: boolean;
  trace: boolean;
  /** External NATS servers, comma separated; empty means the embedded server. */
  natsServer: string;
  /** JWT credentials file for the connections to NATS. */
  credentials: string;
  username: string;
  password: string;
  token: string;
  nkeySeedFile: string;
  secure: boolean;
  tls: ClientTlsOptions;
  heartbeatInterval: Millis;
  heartbeatTimeout: Millis;
  heartbeatFailCount: number;
  /** Fault tolerance group; empty when this server is in none. */
  ftGroup: string;
  partitioning: boolean;
  syslogName: string;
  encrypt: boolean;
  /** `AES`, `CHACHA`, in any letter case, or empty for the default of the platform. */
  encryptionCipher: string;
  /** `null` when none was given; the environment's key is already put in where encryption is on. */
  encryptionKey: string | null;
  replaceDurable: boolean;
  /** Publishes gathered into one batch at most. */
  ioBatchSize: number;
  /** Microseconds to wait for more publishes. */
  ioSleepTime: number;
  limits: StoreLimitsOptions;
  file: FileStoreOptions;
  sql: SqlStoreOptions;
  cluster: ClusterOptions;
}

/** TLS of our own connections to NATS; empty paths are not set. */
export interface ClientTlsOptions {
  clientCert: string;
  clientKey: string;
  clientCa: string;
  serverName: string;
  /** No verification of the server's certificate. */
  insecure: boolean;
}

/** Limits that hold for every channel unless an entry of `channels` says otherwise; 0 means unlimited. */
export interface StoreLimitsOptions {
  maxChannels: number;
  maxSubscriptions: number;
  maxMessages: number;
  maxBytes: number;
  maxAge: Nanos;
  maxInactivity: Nanos;
  /** In file order, the last entry of a repeated name only. Names may have wildcards. */
  channels: ChannelLimitsEntry[];
}

/** Limits of one channel or wildcard as written: 0 inherits, -1 is unlimited (spec stores, section 2.1). */
export interface ChannelLimitsEntry {
  name: string;
  maxSubscriptions: number;
  maxMessages: number;
  maxBytes: number;
  maxAge: Nanos;
  maxInactivity: Nanos;
}

/** The file store (spec stores, section 4). Sizes in bytes. */
export interface FileStoreOptions {
  compact: boolean;
  /** Per cent of dead records from which a file is compacted. */
  compactFragmentation: number;
  /** Seconds between compactions of a file. */
  compactInterval: number;
  compactMinSize: number;
  bufferSize: number;
  crc: boolean;
  crcPolynomial: number;
  syncOnFlush: boolean;
  sliceMaxMessages: number;
  sliceMaxBytes: number;
  sliceMaxAge: Nanos;
  sliceArchiveScript: string;
  /** 0 means no limit of our own. */
  fileDescriptorsLimit: number;
  parallelRecovery: number;
  /** 0 switches reading ahead off. */
  readBufferSize: number;
  /** Zero or negative switches it off. */
  autoSync: Millis;
  truncateUnexpectedEof: boolean;
}

/** The SQL store (spec stores). */
export interface SqlStoreOptions {
  driver: string;
  source: string;
  noCaching: boolean;
  maxOpenConnections: number;
  bulkInsertLimit: number;
}

/** Clustering (spec clustering, section 2). */
export interface ClusterOptions {
  clustered: boolean;
  /** Empty: the id in the store, or a new one. */
  nodeId: string;
  bootstrap: boolean;
  /** Other nodes by id; `null` when no list was given at all. */
  peers: string[] | null;
  /** Not empty: the process sets the membership up anew on this node's disk, without the others, and ends. */
  forceMembers: string[];
  /** Empty: the default place. */
  logPath: string;
  logCacheSize: number;
  logSnapshots: number;
  trailingLogs: number;
  /** `undefined` when not set: the journal decides (the reference's default is false). */
  sync: boolean | undefined;
  raftLogging: boolean;
  proceedOnRestoreFailure: boolean;
  allowAddRemoveNode: boolean;
  /** With which nodes sign what they tell one another; empty: they do not. */
  secret: string;
  /** Read and ignored: tuning of a database that this server does not have. */
  boltFreeListSync: boolean;
  boltFreeListMap: boolean;
  nodesConnections: boolean;
  /** 0, as for the three below: not set, the journal decides. */
  raftHeartbeatTimeout: Millis;
  raftElectionTimeout: Millis;
  raftLeaseTimeout: Millis;
  raftCommitTimeout: Millis;
}
