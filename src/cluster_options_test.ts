/** Every cluster option and what an operator can do wrong with it (spec clustering, section 2), before anything is written. */
import assert from "node:assert/strict";
import { checkStart, parseCommandLine } from "./config/mod.ts";
import { builtIns } from "./plugins.ts";
import { checkOptions } from "./raft/mod.ts";

/** What a command line with this file comes to: the text that ends it, or `starts` and the warnings. */
function outcome(flags: string, file?: string): string {
  const args = flags === "" ? [] : flags.split(" ");
  const result = parseCommandLine(file === undefined ? args : ["-c", "file.conf", ...args], {
    read: () => file ?? "",
    env: () => undefined,
  } as never);
  if (result.kind !== "run") return result.kind === "exit" ? (result.stdout + result.stderr).trim() : result.kind;
  const refusal = checkStart(result.options);
  if (refusal !== undefined) return refusal.line;
  const warnings: string[] = [...result.warnings];
  try {
    const { clustered } = result.options.streaming.cluster;
    builtIns().get("journal", clustered ? "raft" : "solo").check(result.options);
  } catch (error) {
    return `STREAM: Failed to start: ${(error as Error).message}`;
  }
  return ["starts", ...warnings].join("; ");
}

const FILE = "-store file -dir d";
const NODE = `${FILE} -clustered -cluster_node_id a`;

function block(inside: string, store = "store: file, dir: d"): string {
  return `streaming { ${store}\n cluster { ${inside} } }`;
}

const failed = (text: string) => `STREAM: Failed to start: ${text}`;

const cases: readonly (readonly [name: string, flags: string, file: string | undefined, outcome: string])[] = [
  ["TS1: a memory store", "-clustered", undefined, "stan: clustering mode not supported with MEMORY store type"],
  [
    "TS1: a memory store by an empty block",
    "",
    block("", ""),
    "stan: clustering mode not supported with MEMORY store type",
  ],
  ["-clustered=false switches a block off", "-clustered=false", block("", ""), "starts"],
  [
    "TS2: partitioning",
    `${FILE} -clustered`,
    "streaming { partitioning: true, store_limits { channels { foo {} } } }",
    "stan: channels partitioning in clustering mode is not supported",
  ],
  [
    "TS3: fault tolerance",
    `${FILE} -clustered -ft_group g`,
    undefined,
    "stan: fault tolerance in clustering mode is not supported",
  ],
  [
    "node_id with a blank",
    "",
    block('node_id: "a b"'),
    failed('cluster node ID "a b" is not valid; use letters, digits, "_", "-" and single dots'),
  ],
  [
    "node_id with a wildcard",
    "",
    block('node_id: "a.*"'),
    failed('cluster node ID "a.*" is not valid; use letters, digits, "_", "-" and single dots'),
  ],
  [
    "node_id with >",
    "",
    block('node_id: ">"'),
    failed('cluster node ID ">" is not valid; use letters, digits, "_", "-" and single dots'),
  ],
  [
    "node_id with an empty token",
    "",
    block('node_id: "a..b"'),
    failed('cluster node ID "a..b" is not valid; use letters, digits, "_", "-" and single dots'),
  ],
  ["node_id with dots", "", block('node_id: "a.b-C_1"'), "starts"],
  [
    "node_id of the wrong type",
    "",
    block("node_id: 1"),
    'parameter "node_id" value is expected to be string, got int64',
  ],
  [
    "bootstrap of the wrong type",
    "",
    block('bootstrap: "x"'),
    'parameter "bootstrap" value is expected to be bool, got string',
  ],
  ["bootstrap", `${FILE} -clustered -cluster_bootstrap`, undefined, "starts"],
  ["bootstrap and peers", `${NODE} -cluster_bootstrap -cluster_peers b,c`, undefined, "starts"],
  ["TS8: a list of peers that names the node itself", `${NODE} -cluster_peers a,b,c`, undefined, "starts"],
  [
    "TS10: a duplicate peer",
    "",
    block('node_id: a, peers: ["b", "b"]'),
    failed("found duplicate ID in configuration: b"),
  ],
  ["TS10: an empty peer", "", block('node_id: a, peers: ["b", ""]'), failed("empty ID in configuration: [b ]")],
  [
    "TS10: a wildcard peer",
    "",
    block('node_id: a, peers: ["b.*"]'),
    failed('cluster node ID "b.*" is not valid; use letters, digits, "_", "-" and single dots'),
  ],
  ["peers of the wrong type", "", block('peers: "b"'), 'parameter "peers" value is expected to be slice, got string'],
  [
    "peers without a node ID",
    `${FILE} -clustered -cluster_peers b,c`,
    undefined,
    failed("cluster peers are given without a cluster node ID: no node of that list would ever be this one"),
  ],
  [
    "log_path of the wrong type",
    "",
    block("log_path: 1"),
    'parameter "log_path" value is expected to be string, got int64',
  ],
  ["log_cache_size off", "", block("log_cache_size: 0"), "starts"],
  [
    "log_cache_size of the wrong type",
    "",
    block('log_cache_size: "x"'),
    'parameter "log_cache_size" value is expected to be int64, got string',
  ],
  ["log_snapshots of 0", "", block("log_snapshots: 0"), failed("must retain at least one snapshot")],
  [
    "-cluster_log_snapshots of 0",
    `${NODE} -cluster_log_snapshots 0`,
    undefined,
    failed("must retain at least one snapshot"),
  ],
  ["trailing_logs below 0", "", block("trailing_logs: -1"), failed("trailing logs value must not be negative (-1)")],
  ["sync", "", block("sync: true"), "starts"],
  ["sync of the wrong type", "", block("sync: 1"), 'parameter "sync" value is expected to be bool, got int64'],
  [
    "raft_logging of the wrong type",
    "",
    block("raft_logging: 1"),
    'parameter "raft_logging" value is expected to be bool, got int64',
  ],
  [
    "proceed_on_restore_failure of the wrong type",
    "",
    block("proceed_on_restore_failure: 1"),
    'parameter "proceed_on_restore_failure" value is expected to be bool, got int64',
  ],
  [
    "allow_add_remove_node of the wrong type",
    "",
    block("allow_add_remove_node: 1"),
    'parameter "allow_add_remove_node" value is expected to be bool, got int64',
  ],
  [
    "TS11: heartbeat timeout too low",
    "",
    block('raft_heartbeat_timeout: "4ms"'),
    failed("HeartbeatTimeout is too low"),
  ],
  ["a bad duration", "", block('raft_heartbeat_timeout: "abc"'), 'time: invalid duration "abc"'],
  [
    "TS11: election timeout below the heartbeat timeout",
    "",
    block('raft_heartbeat_timeout: "5s", raft_lease_timeout: "1s"'),
    failed("ElectionTimeout (2s) must be equal or greater than Heartbeat Timeout (5s)"),
  ],
  [
    "TS11: lease timeout above the heartbeat timeout",
    "",
    block('raft_lease_timeout: "5s"'),
    failed("LeaderLeaseTimeout (5s) cannot be larger than heartbeat timeout (2s)"),
  ],
  ["TS11: lease timeout too low", "", block('raft_lease_timeout: "1ms"'), failed("LeaderLeaseTimeout is too low")],
  ["TS11: commit timeout too low", "", block('raft_commit_timeout: "10us"'), failed("CommitTimeout is too low")],
  [
    "TS15: timeouts as one likes",
    "",
    block(
      'raft_heartbeat_timeout: "3s", raft_election_timeout: "4s", raft_lease_timeout: "2s", raft_commit_timeout: "50ms"',
    ),
    "starts",
  ],
  ["nodes_connections", "", block("nodes_connections: true"), "starts"],
  ["tuning of the reference's database", "", block("bolt_free_list_sync: true, bolt_free_list_map: true"), "starts"],
  [
    "a short secret",
    "",
    block('secret: "abc"'),
    failed("cluster secret is too short (3 characters): give at least 16"),
  ],
  ["a secret", "", block('secret: "sixteen letters or more"'), "starts"],
  ["an unknown key", "", block("nod_id: a"), 'starts; file.conf:2:12: unknown streaming option "nod_id" is ignored'],
  [
    "TS12: a NATS cluster without a streaming block",
    "-store file -dir d",
    'cluster { listen: "127.0.0.1:0", routes: [] }',
    "starts",
  ],
];

for (const [name, flags, file, text] of cases) {
  Deno.test(`cluster options: ${name}`, () => assert.equal(outcome(flags, file), text));
}

Deno.test("TS12: only the NATS part of such a file is clustered", () => {
  const clustered = (file: string) => {
    const result = parseCommandLine(
      ["-c", "file.conf"],
      { read: () => file, env: () => undefined } as never,
    );
    return result.kind === "run" ? result.options.streaming.cluster.clustered : result;
  };
  for (const key of ['listen: "127.0.0.1:0"', 'host: "h"', "port: 1", "routes: []", 'name: "n"']) {
    assert.equal(clustered(`cluster { ${key} }`), false, key);
  }
});

Deno.test("TS15: timeouts reach the journal as given, and the defaults are documented ones", () => {
  const timeouts = (file: string) => {
    const result = parseCommandLine(
      ["-c", "file.conf"],
      { read: () => file, env: () => undefined } as never,
    );
    assert.ok(result.kind === "run");
    const { raftHeartbeatTimeout, raftElectionTimeout, raftLeaseTimeout, raftCommitTimeout } =
      result.options.streaming.cluster;
    return [raftHeartbeatTimeout, raftElectionTimeout, raftLeaseTimeout, raftCommitTimeout];
  };
  const given =
    'raft_heartbeat_timeout: "3s", raft_election_timeout: "4s", raft_lease_timeout: "2s", raft_commit_timeout: "50ms"';
  assert.deepEqual(timeouts(block(given)), [3_000, 4_000, 2_000, 50]);
  assert.deepEqual(timeouts(block("")), [0, 0, 0, 0]);
});

Deno.test("a list of peers that names only the node itself is worth a warning, unless the node may begin alone", () => {
  const store = { recovered: false, nodeId: "" };
  const given = { clusterId: "test", nodeId: "d", peers: ["d"], store };
  const { warnings, peers } = checkOptions(given);
  assert.deepEqual([warnings, peers], [[
    'the cluster peers name only this node, "d": it forms no cluster of its own, which bootstrap would',
  ], []]);
  assert.deepEqual(checkOptions({ ...given, bootstrap: true }).warnings, []);
  assert.deepEqual(checkOptions({ ...given, peers: [] }).warnings, []);
});

Deno.test("TS9: one peer that holds a comma is warned of, with the reference's text", () => {
  const store = { recovered: false, nodeId: "" };
  const { warnings, peers } = checkOptions({ clusterId: "test", nodeId: "d", peers: ["a,b,c"], store });
  assert.deepEqual(warnings, [
    "Peer name contains ',' make sure you provided an array of peer names, not a string with commas",
  ]);
  assert.deepEqual(peers, ["a,b,c"]);
  assert.equal(outcome("", block('node_id: d, peers: ["a,b,c"]')), "starts");
});
