/** Scenario 81 (spec nats-server, section 7) and more: other makers' monitoring tools, where they are found, on our pages. */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { freePort } from "../support/mesh.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import { findProgram } from "../support/programs.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";

const top = findProgram("nats-top", { variable: "NATS_TOP" });
const exporter = findProgram("prometheus-nats-exporter", { variable: "NATS_EXPORTER" });
const streaming = findProgram("nats-streaming-server", { variable: "NATS_STREAMING_SERVER" });

async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr, code } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text + new TextDecoder().decode(stderr));
  return text;
}

/** A monitored server, and traffic on it until the scenario ends. */
async function busyServer(world: Scenario): Promise<{ monitorPort: string; name: string }> {
  const { server, url } = await world.server(["-m", "-1", "-store", "MEMORY"]);
  const monitorPort = new URL(await server.monitorUrl()).port;
  const client = await RawNatsClient.connect(Number(new URL(url.replace("nats:", "http:")).port));
  const name = "busy-bee";
  await client.ask(quietConnect({ name, lang: "bytes", version: "1.0" }) + "SUB hum.* 1\r\n");
  const timer = setInterval(() => {
    client.received = "";
    void client.send("PUB hum.low 100\r\n" + "z".repeat(100) + "\r\n");
  }, 5);
  world.finally(async () => {
    clearInterval(timer);
    await client.close();
  });
  return { monitorPort, name };
}

scenario("81. nats-top reads our pages: a table, and values for programs that grow", async (world) => {
  const { monitorPort, name } = await busyServer(world);
  const args = ["-s", "127.0.0.1", "-m", monitorPort];
  const table = await outputOf(top!, [...args, "-u", "-o", "-"]);
  assert.match(table, /NATS server version 2\.9\.\d+ \(uptime: .+\)/);
  assert.match(table, new RegExp(`${name}.* bytes +1\\.0 .* hum\\.\\*`));
  const row = async () => {
    const lines = (await outputOf(top!, [...args, "-sort", "msgs_to", "-o", "-", "-l", ","])).split("\n");
    const cells = lines.find((line) => line.includes(name))!.split(",");
    const titles = lines.find((line) => line.startsWith("HOST"))!.split(",");
    return Object.fromEntries(titles.map((title, i) => [title.trim(), cells[i]!.trim()]));
  };
  const before = await row();
  assert.deepEqual([before["SUBS"], before["LANG"], before["VERSION"]], ["1", "bytes", "1.0"]);
  await eventually(async () => {
    const after = await row();
    const grown = ["MSGS_TO", "MSGS_FROM"].every((title) => Number(after[title]) > Number(before[title]));
    return grown && after["LAST_ACTIVITY"] !== before["LAST_ACTIVITY"] || undefined;
  }, "more messages");
}, { ignore: top === undefined });

scenario("81. nats-top on a terminal for ten seconds: values move", async (world) => {
  const { monitorPort, name } = await busyServer(world);
  const command = `stty rows 40 cols 200; TERM=xterm ${top} -s 127.0.0.1 -m ${monitorPort} -d 1 -r 10`;
  const screen = await outputOf("script", ["-qec", command, "/dev/null"]);
  assert.ok(screen.includes(name));
  // What is written at the place of "In: Msgs:" is written again whenever it changes.
  const changes = screen.split("\x1b[5;1").length - 1;
  assert.ok(changes >= 8, `the figures changed ${changes} times`);
  assert.match(screen, /Msgs\/Sec: [1-9]/);
}, { ignore: top === undefined });

/** The names of the metrics that the exporter makes of a server's pages. */
async function metricsOf(monitorPort: string, flags: readonly string[]): Promise<string[]> {
  const port = freePort();
  const process = new Deno.Command(exporter!, {
    args: ["-a", "127.0.0.1", "-p", String(port), ...flags, `http://127.0.0.1:${monitorPort}`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const text = await eventually(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
      const body = await answer?.text();
      return body?.includes("gnatsd_varz_mem") ? body : undefined;
    }, "the metrics");
    const names = text.split("\n").filter((line) => /^(gnatsd|nss)_/.test(line)).map((line) => line.split(/[{ ]/)[0]!);
    // Which pages were asked for before differs.
    return [...new Set(names)].filter((name) => !name.includes("http_req_stats")).sort();
  } finally {
    process.kill("SIGKILL");
    await process.status;
  }
}

/** Those of the wanted pages that this exporter knows. */
async function flagsFor(pages: readonly string[]): Promise<string[]> {
  const { stderr, stdout } = await new Deno.Command(exporter!, { args: ["-h"] }).output();
  const help = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  return pages.map((page) => `-${page}`).filter((flag) => help.includes(`  ${flag}\n`));
}

const pages = ["varz", "connz", "subz", "routez", "healthz", "accstatz", "accountz", "leafz", "gatewayz"];

scenario("the Prometheus exporter makes the metrics of our pages that it makes of the reference's", async (world) => {
  const { monitorPort } = await busyServer(world);
  const flags = await flagsFor([...pages, "channelz", "serverz"]);
  const reference = world.launch(["-a", "127.0.0.1", "-p", "-1", "-m", "-1"], { command: [streaming!] });
  await reference.ready();
  const expected = await metricsOf(new URL(await reference.monitorUrl()).port, flags);
  assert.ok(expected.length > 60, expected.join());
  assert.deepEqual(await metricsOf(monitorPort, flags), expected);
}, { ignore: exporter === undefined || streaming === undefined });

scenario(
  "the Prometheus exporter makes the metrics of our NATS pages that it makes of nats-server's",
  async (world) => {
    const { monitorPort } = await busyServer(world);
    const flags = await flagsFor(pages);
    const real = await startNatsServer({ config: "http: 127.0.0.1:-1" });
    world.finally(() => real.stop());
    const client = await RawNatsClient.connect(real.port);
    world.finally(() => client.close());
    const expected = await metricsOf(String(real.monitorPort), flags);
    const actual = await metricsOf(monitorPort, flags);
    assert.deepEqual(expected.filter((name) => !actual.includes(name)), []);
  },
  { ignore: exporter === undefined || natsServerPath === undefined },
);
