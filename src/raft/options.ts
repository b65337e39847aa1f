/**
 * What an operator can ask of the cluster, checked as a whole before anything touches the disk (spec clustering,
 * section 2: the texts are the reference's where it has one).
 */
import type { Seal } from "../ports/seal.ts";
import { StartFailed } from "../protocol/errors.ts";
import { DEFAULT_LIMITS, type RaftLimits } from "./core/mod.ts";
import { RESERVE_BYTES, SEGMENT_BYTES } from "./log/mod.ts";
import type { Millis } from "../protocol/units.ts";

export interface RaftOptions {
  readonly clusterId: string;
  /** Option `node_id`; empty: recovered, or drawn. */
  readonly nodeId?: string;
  /** What this server's store knows: whether it held a server's state, under which node id, and of which cluster. */
  readonly store: {
    readonly recovered: boolean;
    readonly nodeId: string;
    readonly identity?: string;
    /** What it knew of this node is lost: only the log tells. */
    readonly unknown?: boolean;
  };
  readonly bootstrap?: boolean;
  readonly peers?: readonly string[];
  /** Option `log_path`; empty: {@link ownLogPath}. The files go to `<log_path>/<cluster id>/`. */
  readonly logPath?: string;
  /**
   * Where a node keeps its log that was given no path, unless it has one in the place of the reference and of earlier
   * releases: `<cluster id>/<node id>` below the working directory, which is also meant where this is empty.
   */
  readonly ownLogPath?: string;
  /** Absent or 0: this server's own, shorter default ({@link DEFAULT_TIMEOUTS}). */
  readonly heartbeatTimeout?: Millis;
  readonly electionTimeout?: Millis;
  readonly leaseTimeout?: Millis;
  readonly commitTimeout?: Millis;
  /** Whether the log is synced before anything is acknowledged; true by default here. */
  readonly sync?: boolean;
  readonly logCacheSize?: number;
  readonly logSnapshots?: number;
  readonly trailingLogs?: number;
  /** Log entries, and bytes of them, after which a snapshot is taken. */
  readonly snapshotEntries?: number;
  readonly snapshotBytes?: number;
  /** Bytes after which the log goes on in another file: 8 MiB by default, at least 256. */
  readonly segmentBytes?: number;
  /** Bounds on what is under way and in memory ({@link DEFAULT_LIMITS}); whole numbers above 0. */
  readonly limits?: Partial<Omit<RaftLimits, "trailingEntries">>;
  readonly allowAddRemoveNode?: boolean;
  readonly proceedOnRestoreFailure?: boolean;
  readonly raftLogging?: boolean;
  /** Nodes sign what they tell one another with it; empty: they do not. At least 16 characters. */
  readonly secret?: string;
  /** Encrypts the log and snapshots on this node's disk. */
  readonly seal?: Seal | undefined;
  /** What changes when the machine restarts; absent: Linux' boot id, where there is one. Matters with `sync` off only. */
  readonly machineBoot?: string;
  /** Bytes of disk that are kept for votes when it is full; 16 MiB by default, 0: none (P6). */
  readonly reserveBytes?: number;
}

/** All of {@link RaftOptions}, checked and filled in. Empty `nodeId` and `logPath` still mean "to be found out". */
export interface CheckedOptions {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly store: { readonly recovered: boolean; readonly nodeId: string; readonly identity: string };
  readonly bootstrap: boolean;
  /** Without duplicates of itself; sorted; without this node. */
  readonly peers: readonly string[];
  readonly logPath: string;
  readonly ownLogPath: string;
  readonly heartbeatTimeout: Millis;
  readonly electionTimeout: Millis;
  readonly leaseTimeout: Millis;
  readonly commitTimeout: Millis;
  readonly sync: boolean;
  readonly logCacheSize: number;
  readonly logSnapshots: number;
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  readonly segmentBytes: number;
  readonly limits: RaftLimits;
  readonly allowAddRemoveNode: boolean;
  readonly proceedOnRestoreFailure: boolean;
  readonly raftLogging: boolean;
  readonly secret: string;
  readonly seal: Seal | undefined;
  readonly machineBoot: string;
  readonly reserveBytes: number;
  /** Lines for the log that are no reason to stop. */
  readonly warnings: readonly string[];
}

/**
 * Used where the operator gives no time of his own: the reference's 2 s, 2 s and 1 s would make a fail-over without a
 * hint last 2 to 4 seconds.
 */
export const DEFAULT_TIMEOUTS = { heartbeat: 1000, election: 1000, lease: 800, commit: 100 } as const;

/** Checks all options. Throws StartFailed. */
export function checkOptions(options: RaftOptions): CheckedOptions {
  const warnings: string[] = [];
  const nodeId = chooseNodeId(options, warnings);
  const timeouts = checkTimeouts(options);
  if (options.logSnapshots !== undefined && options.logSnapshots < 1) {
    throw new StartFailed("must retain at least one snapshot");
  }
  if ((options.trailingLogs ?? 0) < 0) {
    throw new StartFailed(`cluster trailing logs cannot be negative: ${options.trailingLogs}`);
  }
  if ((options.logCacheSize ?? 0) < 0) {
    throw new StartFailed(`cluster log cache size cannot be negative: ${options.logCacheSize}`);
  }
  const secret = options.secret ?? "";
  if (secret !== "" && secret.length < 16) {
    throw new StartFailed(`cluster secret is too short (${secret.length} characters): give at least 16`);
  }
  const peers = checkPeers(options, nodeId, warnings);
  return {
    clusterId: options.clusterId,
    nodeId,
    store: { ...options.store, identity: options.store.identity ?? "" },
    bootstrap: options.bootstrap ?? false,
    peers,
    logPath: options.logPath ?? "",
    ownLogPath: options.ownLogPath ?? "",
    ...timeouts,
    sync: options.sync ?? true,
    logCacheSize: options.logCacheSize ?? 512,
    logSnapshots: options.logSnapshots ?? 2,
    snapshotEntries: options.snapshotEntries ?? 8192,
    snapshotBytes: options.snapshotBytes ?? 64 * 1024 * 1024,
    ...checkSizes(options),
    allowAddRemoveNode: options.allowAddRemoveNode ?? false,
    proceedOnRestoreFailure: options.proceedOnRestoreFailure ?? false,
    raftLogging: options.raftLogging ?? false,
    secret,
    seal: options.seal,
    machineBoot: options.machineBoot ?? "",
    reserveBytes: options.reserveBytes ?? RESERVE_BYTES,
    warnings,
  };
}

/** Smaller files would hold little more than their headers. */
const LEAST_SEGMENT = 256;

function checkSizes(options: RaftOptions): { readonly segmentBytes: number; readonly limits: RaftLimits } {
  const { segmentBytes = SEGMENT_BYTES } = options;
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < LEAST_SEGMENT) {
    throw new StartFailed(`cluster log segment of ${segmentBytes} bytes is too small: give at least ${LEAST_SEGMENT}`);
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits, trailingEntries: options.trailingLogs ?? 10_240 };
  for (const [name, value] of Object.entries(options.limits ?? {})) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new StartFailed(`cluster limit ${name} is ${value}: a whole number above 0 is needed`);
  }
  return { segmentBytes, limits };
}

function chooseNodeId(options: RaftOptions, warnings: string[]): string {
  const { store } = options;
  if (store.recovered && store.nodeId === "" && store.unknown !== true) {
    throw new StartFailed("stan: cannot restart server in clustered mode if it was not previously clustered");
  }
  const given = options.nodeId ?? "";
  if (given !== "") checkName(given, "cluster node ID");
  if (store.nodeId !== "" && given !== "" && given !== store.nodeId) {
    warnings.push(
      `Cluster node ID ${JSON.stringify(given)} is ignored: the store knows this node as ${
        JSON.stringify(store.nodeId)
      }`,
    );
  }
  return store.nodeId !== "" ? store.nodeId : given;
}

function checkName(name: string, what: string): void {
  if (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(name)) return;
  throw new StartFailed(
    `${what} ${
      JSON.stringify(name)
    } is invalid: only letters, digits, "-", "_" and single dots between them are allowed`,
  );
}

function checkTimeouts(options: RaftOptions) {
  const or = (given: Millis | undefined, otherwise: Millis) => given === undefined || given === 0 ? otherwise : given;
  const heartbeatTimeout = or(options.heartbeatTimeout, atMost(options.electionTimeout, DEFAULT_TIMEOUTS.heartbeat));
  const electionTimeout = or(options.electionTimeout, Math.max(DEFAULT_TIMEOUTS.election, heartbeatTimeout));
  const leaseTimeout = or(options.leaseTimeout, Math.min(DEFAULT_TIMEOUTS.lease, heartbeatTimeout));
  const commitTimeout = or(options.commitTimeout, DEFAULT_TIMEOUTS.commit);
  if (heartbeatTimeout < 5) throw new StartFailed("HeartbeatTimeout is too low");
  if (electionTimeout < 5) throw new StartFailed("ElectionTimeout is too low");
  if (commitTimeout < 1) throw new StartFailed("CommitTimeout is too low");
  if (leaseTimeout < 5) throw new StartFailed("LeaderLeaseTimeout is too low");
  if (leaseTimeout > heartbeatTimeout) {
    throw new StartFailed(
      `LeaderLeaseTimeout (${seconds(leaseTimeout)}) cannot be larger than heartbeat timeout (${
        seconds(heartbeatTimeout)
      })`,
    );
  }
  if (electionTimeout < heartbeatTimeout) {
    throw new StartFailed(
      `ElectionTimeout (${seconds(electionTimeout)}) must be equal or greater than Heartbeat Timeout (${
        seconds(heartbeatTimeout)
      })`,
    );
  }
  return { heartbeatTimeout, electionTimeout, leaseTimeout, commitTimeout };
}

function atMost(given: Millis | undefined, otherwise: Millis): Millis {
  return given === undefined || given === 0 ? otherwise : Math.min(given, otherwise);
}

/** A duration as Go prints it: `2s`, `1.5s`, `100ms`. */
function seconds(millis: Millis): string {
  return millis < 1000 ? `${millis}ms` : `${millis / 1000}s`;
}

function checkPeers(options: RaftOptions, nodeId: string, warnings: string[]): string[] {
  const given = options.peers ?? [];
  if (given.length === 0) return [];
  for (const [i, peer] of given.entries()) {
    if (peer === "") {
      throw new StartFailed(`empty ID in configuration: ${given.map((p) => JSON.stringify(p)).join(" ")}`);
    }
    if (given.indexOf(peer) !== i) throw new StartFailed(`found duplicate ID in configuration: ${peer}`);
    if (peer.includes(",")) {
      warnings.push("Peer name contains ',' make sure you provided an array of peer names, not a string with commas");
    } else checkName(peer, "cluster peer");
  }
  if (nodeId === "") {
    throw new StartFailed(
      "cluster peers are given without a cluster node ID: no node of that list would ever be this one",
    );
  }
  const others = given.filter((peer) => peer !== nodeId).sort();
  if (others.length === 0 && options.bootstrap !== true) {
    warnings.push(
      `the cluster peers name only this node, ${
        JSON.stringify(nodeId)
      }: it forms no cluster of its own, which bootstrap would`,
    );
  }
  return others;
}
