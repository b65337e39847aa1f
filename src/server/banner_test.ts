import assert from "node:assert/strict";
import { resolveLimits } from "../streaming/mod.ts";
import { clusterLines, limitsTable } from "./banner.ts";

const HOUR = 3_600_000_000_000n;
const limits = {
  maxChannels: 10,
  maxSubscriptions: 1000,
  maxMessages: 10000,
  maxBytes: 10485760,
  maxAge: HOUR,
  maxInactivity: 0n,
};

Deno.test("limitsTable() lists the global limits, and marks defaults", () => {
  const resolved = resolveLimits({ ...limits, channels: new Map() });
  assert.deepEqual(limitsTable({ ...limits, names: [], resolved }), [
    "---------- Store Limits ----------",
    "Channels:                   10",
    "--------- Channels Limits --------",
    "  Subscriptions:          1000 *",
    "  Messages     :         10000",
    "  Bytes        :      10.00 MB",
    "  Age          :        1h0m0s",
    "  Inactivity   :     unlimited *",
    "----------------------------------",
  ]);
});

Deno.test("limitsTable() lists channels below what they inherit from, with the limits that differ", () => {
  const channels = new Map([
    ["foo.bar.>", { maxAge: 2n * HOUR }],
    ["temp.>", { maxInactivity: HOUR }],
    ["foo.>", { maxMessages: 400 }],
    ["bar", { maxMessages: 50, maxBytes: 1024 }],
    ["bozo", {}],
    ["free", { maxSubscriptions: -1, maxMessages: -1, maxBytes: -1, maxAge: -1n, maxInactivity: -1n }],
  ]);
  const resolved = resolveLimits({ ...limits, channels });
  assert.deepEqual(limitsTable({ ...limits, names: [...channels.keys()], resolved }).slice(8), [
    "-------- List of Channels ---------",
    "bar",
    " |-> Messages                    50",
    " |-> Bytes                  1.00 KB",
    "bozo",
    "foo.>",
    " |-> Messages                   400",
    " foo.bar.>",
    "  |-> Age                    2h0m0s",
    "free",
    " |-> Subscriptions        unlimited",
    " |-> Messages             unlimited",
    " |-> Bytes                unlimited",
    " |-> Age                  unlimited",
    "temp.>",
    " |-> Inactivity              1h0m0s",
    "-----------------------------------",
  ]);
});

Deno.test("clusterLines() names node, log and the other nodes", () => {
  assert.deepEqual(clusterLines({ nodeId: "a", logPath: "mycluster/a" }, ["b", "c"]), [
    "Cluster Node ID : a",
    "Cluster Log Path: mycluster/a",
    "Cluster known peers:",
    'peer 1: "b"',
    'peer 2: "c"',
  ]);
  assert.deepEqual(clusterLines({ nodeId: "a", logPath: "raft" }, null), [
    "Cluster Node ID : a",
    "Cluster Log Path: raft",
  ]);
});
