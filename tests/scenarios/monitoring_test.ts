/**
 * Every monitoring page that was captured from the reference has a twin made by this server from the same actions (spec
 * cli-config-monitoring, section 5).
 */
import assert from "node:assert/strict";

import { playScene } from "../support/monitoring_scene.ts";
import { differences, type TwinRules } from "../support/page_twins.ts";
import { comparable, natsFamilies, streamingMetrics } from "../support/exporter_metrics.ts";
import { eventually } from "../support/deadline.ts";
import { freePorts } from "../support/server_process.ts";
import { scenario } from "../support/scenario.ts";

const shared = new URL("../../../shared/fixtures/monitoring/", import.meta.url);
const golden = new URL("../golden/monitoring/", import.meta.url);
/** All captures where they lie beside this checkout, else a few. */
const fixtures = hasShared() ? shared : golden;

function hasShared(): boolean {
  try {
    return Deno.statSync(shared).isDirectory;
  } catch {
    console.warn("SKIPPED: most of the reference's monitoring pages are not beside this checkout; a few are compared");
    return false;
  }
}

interface Captured {
  readonly path: string;
  readonly status: number;
  readonly content_type: string | null;
}

const captures = new Map<string, Captured>(
  Object.entries(JSON.parse(Deno.readTextFileSync(new URL("_index.json", fixtures)))),
);

const rules: TwinRules = {
  varying: new Set([
    // Identity, time, place
    ...[
      "server_id",
      "remote_id",
      "node_id",
      "server_name",
      "remote_name",
      "now",
      "start",
      "start_time",
      "stop",
      "uptime",
      "last_activity",
      "idle",
      "rtt",
    ],
    ...["config_load_time", "update_time", "port", "http_port", "cluster_port", "connect_urls", "urls"],
    ...["inbox", "ack_inbox", "hb_inbox", "cid", "rid", "sid", "did_solicit"],
    // The machine and the run-time
    ...["go", "open_fds", "max_fds", "mem", "cores", "gomaxprocs", "cpu", "lang", "version"],
  ]),
  loose: new Set(["subscriptions_list", "subscriptions_list_detail", "connect_urls", "urls"]),
  unordered: new Set(["subscriptions", "bar", "foo", "connections", "routes"]),
};

/** On NATS pages the traffic inside a server counts too, and it differs. */
const natsRules: TwinRules = {
  ...rules,
  varying: new Set([
    ...rules.varying,
    ...["in_msgs", "in_bytes", "out_msgs", "out_bytes", "msgs", "bytes", "subscriptions", "total_connections"],
    ...["num_subscriptions", "num_cache", "num_inserts", "num_removes", "num_matches", "cache_hit_rate"],
    ...["max_fanout", "avg_fanout", "pending_bytes", "pending_size", "total_conns", "http_req_stats"],
  ]),
};

/** What differs and may: all acks arrive on one connection here, and no subscriptions serve the NATS system account. */
const accepted: readonly RegExp[] = [
  /^standalone_connz_subs(1|_detail)\.json: \$\.connections\[0\]: keys .*,name,lang,version instead of /,
  /^standalone_subsz_subs1\.json: \$\.total: /,
];

/** Fetches the page that a capture shows and says how it differs. */
async function compare(file: string, base: string): Promise<string[]> {
  const { path, status, content_type } = captures.get(file)!;
  const response = await fetch(base + path);
  const ours = await response.text();
  const theirs = Deno.readTextFileSync(new URL(file, fixtures));
  const found: string[] = [];
  if (response.status !== status) found.push(`status ${response.status} instead of ${status}`);
  const type = response.headers.get("Content-Type");
  if (type !== content_type) found.push(`content type ${type} instead of ${content_type}`);
  const isStreaming = path.startsWith("/streaming");
  const pageRules = isStreaming ? rules : natsRules;
  if (found.length > 0) found.push(ours.slice(0, 80));
  else if (file.endsWith(".json")) found.push(...bodyDifferences(ours, theirs, pageRules));
  else if (theirs.startsWith("cb(")) {
    if (!/^cb\(.*\)$/s.test(ours)) found.push(`no call of cb: ${ours.slice(0, 40)}`);
    found.push(...bodyDifferences(ours.slice(3, -1), theirs.slice(3, -1), pageRules));
  } else if (ours !== theirs) found.push(`${JSON.stringify(ours)} instead of ${JSON.stringify(theirs)}`);
  return found.map((each) => `${file}: ${each}`).filter((each) => !accepted.some((known) => known.test(each)));
}

function bodyDifferences(ours: string, theirs: string, pageRules: TwinRules): string[] {
  const found = differences(JSON.parse(ours), JSON.parse(theirs), pageRules);
  if (layoutOf(ours) !== layoutOf(theirs)) found.push(`layout "${layoutOf(ours)}" instead of "${layoutOf(theirs)}"`);
  return found;
}

/** How the first key is set, and what comes last. */
function layoutOf(body: string): string {
  return `${/^\{\s*"/.exec(body)?.[0]} ${/.\s*$/.exec(body)?.[0]}`;
}

/** The differences of all pages whose file begins with `prefix`. */
async function compareAll(prefix: string, base: string): Promise<string[]> {
  const files = [...captures.keys()].filter((file) => file.startsWith(prefix));
  const found: string[] = [];
  for (const file of files) found.push(...await compare(file, base));
  return found;
}

function assertTwins(found: readonly string[]): void {
  assert.equal(found.join("\n"), "");
}

function natsConfig(port: number, monitorPort: number): string {
  return `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${monitorPort}"\nserver_name: capture\n`;
}

const limitsConfig = `
streaming {
  cluster_id: capture-cluster
  store: file
  dir: store
  store_limits {
    max_channels: 50
    max_msgs: 1000
    max_age: "24h"
    channels {
      "foo.>" { max_msgs: 100, max_inactivity: "1h" }
      "bar" { max_bytes: 1MB, max_subs: 0 }
    }
  }
}
`;

const exported = "exporter-standalone_metrics.txt";

/** What the Prometheus exporter would make of our pages is what it made of the reference's. */
async function compareExported(base: string): Promise<void> {
  const lines = Deno.readTextFileSync(new URL(exported, fixtures)).split("\n");
  const page = async (path: string) => (await fetch(base + path)).json();
  const streaming = lines.filter((line) => line.startsWith("nss_")).map(comparable).sort();
  assert.deepEqual(
    streamingMetrics(await page("/streaming/serverz"), await page("/streaming/channelsz?subs=1")),
    streaming,
  );
  for (const endpoint of ["varz", "routez", "subsz"]) {
    const ours = new Set(natsFamilies(endpoint, await page(`/${endpoint}`)));
    const theirs = lines.filter((line) => line.startsWith("gnatsd_")).map((line) => /^\w+/.exec(line)![0]);
    const missing = theirs.filter((name) => name.startsWith(`gnatsd_${endpoint}_`) && !ours.has(name));
    assert.deepEqual(missing, []);
  }
}

scenario("54 to 58, 60, 62, 65: the pages of a server alone", async (world) => {
  const [port, monitorPort] = freePorts(2) as [number, number];
  const base = `http://127.0.0.1:${monitorPort}`;
  Deno.writeTextFileSync(`${world.folder}/server.conf`, natsConfig(port, monitorPort) + limitsConfig);
  await world.launch(["-c", "server.conf"]).ready();
  const found = await compareAll("standalone-fresh_", base);
  const scene = await playScene(`nats://127.0.0.1:${port}`, "capture-cluster");
  world.finally(() => scene.end());
  found.push(...await compareAll("standalone_", base));
  assertTwins(found);
  if (captures.has(exported)) await compareExported(base);
});

scenario("67: the pages of a server that came back", async (world) => {
  const [port, monitorPort] = freePorts(2) as [number, number];
  const args = ["-c", "server.conf", "-store", "file", "-dir", "store", "-cid", "capture-cluster"];
  Deno.writeTextFileSync(`${world.folder}/server.conf`, natsConfig(port, monitorPort));
  const first = await world.launch(args).ready();
  const scene = await playScene(`nats://127.0.0.1:${port}`, "capture-cluster");
  await scene.end();
  await first.terminate();
  await world.launch(args).ready();
  assertTwins(await compareAll("restarted_", `http://127.0.0.1:${monitorPort}`));
});

/** Whether two nodes say the same of clients and channels. */
async function agree(a: string, b: string): Promise<boolean> {
  for (const page of ["/streaming/clientsz?subs=1", "/streaming/channelsz?subs=1"]) {
    const [here, there] = await Promise.all([a, b].map(async (base) => {
      const { server_id: _id, now: _now, ...rest } = await (await fetch(base + page)).json();
      return rest;
    }));
    if (differences(here, there, { ...rules, varying: new Set() }).length > 0) return false;
  }
  return true;
}

/** A node of a mesh, as the captured ones were configured. */
function nodeConfig(id: string, ports: { client: number; monitor: number; route: number }, peers: number[]): string {
  const routes = peers.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
  const others = ["a", "b", "c"].filter((other) => other !== id).map((other) => `"${other}"`).join(", ");
  return `listen: "127.0.0.1:${ports.client}"
http: "127.0.0.1:${ports.monitor}"
server_name: "node-${id}"
cluster { name: "nats-cap", listen: "127.0.0.1:${ports.route}", routes: [${routes}] }
streaming {
  cluster_id: mycluster
  store: file
  dir: "store-${id}"
  cluster { node_id: "${id}", peers: [${others}], log_path: "log-${id}" }
}
`;
}

scenario("61: the pages of a leader and of a follower", async (world) => {
  const ids = ["a", "b", "c"];
  const ports = freePorts(9);
  const nodes = ids.map((id, i) => {
    const [client, monitor] = [ports[i]!, ports[i + 3]!];
    const routes = ports.slice(6).filter((_, j) => j !== i);
    const config = nodeConfig(id, { client, monitor, route: ports[i + 6]! }, routes);
    Deno.writeTextFileSync(`${world.folder}/${id}.conf`, config);
    const process = world.launch(["-c", `${id}.conf`]);
    return { id, process, base: `http://127.0.0.1:${monitor}`, url: `nats://127.0.0.1:${client}` };
  });
  const leader = await Promise.any(nodes.map((node) => node.process.leads().then(() => node)));
  const follower = nodes.find((node) => node !== leader)!;
  const scene = await playScene(follower.url, "mycluster");
  world.finally(() => scene.end());
  await eventually(async () => await agree(leader.base, follower.base) || undefined, "the follower to know all");
  assertTwins([
    ...await compareAll("cluster-leader_", leader.base),
    ...await compareAll("cluster-follower_", follower.base),
  ]);
});

scenario("60: the pages of an active server and of a standby", async (world) => {
  const { url } = await world.server(["-cid", "carrier"]);
  const start = (port: number) =>
    world.launch([
      ...["-cid", "ftcluster", "-store", "file", "-dir", "store", "-ft_group", "ft", "-nats_server", url],
      ...["-m", `${port}`, "-a", "127.0.0.1"],
    ]);
  const [first, second] = freePorts(2) as [number, number];
  await start(first).line(/Server is active$/);
  await start(second).line(/Starting in standby mode$/);
  await eventually(
    async () => (await fetch(`http://127.0.0.1:${first}/streaming/isFTActive`)).status === 200 || undefined,
    "FT_ACTIVE",
  );
  assertTwins([
    ...await compareAll("ft-active_", `http://127.0.0.1:${first}`),
    ...await compareAll("ft-standby_", `http://127.0.0.1:${second}`),
  ]);
});

const played = [
  "standalone-fresh_",
  "standalone_",
  "restarted_",
  "cluster-leader_",
  "cluster-follower_",
  "ft-active_",
  "ft-standby_",
];

Deno.test("every captured page is compared", () => {
  const left = [...captures.keys()].filter((file) =>
    file !== exported && !played.some((each) => file.startsWith(each))
  );
  assert.deepEqual(left, []);
});
