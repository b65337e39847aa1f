/** How monitoring pages are asked for and answered, whatever they say (spec cli-config-monitoring, section 5.1). */
import assert from "node:assert/strict";
import { authority, serverIdentity } from "../support/certificates.ts";
import { freePorts } from "../support/server_process.ts";
import { type Scenario, scenario } from "../support/scenario.ts";

/** Starts a server alone with monitoring and answers where its pages are. */
async function start(world: Scenario, config: string, ...args: string[]): Promise<string> {
  const [port, monitorPort] = freePorts(2) as [number, number];
  Deno.writeTextFileSync(`${world.folder}/server.conf`, `listen: "127.0.0.1:${port}"\n${config}`);
  await world.launch(["-c", "server.conf", "-m", `${monitorPort}`, ...args]).ready();
  return `http://127.0.0.1:${monitorPort}`;
}

/** Sends a request by hand, so that nothing tidies its target, and answers all that comes back. */
async function raw(base: string, line: string): Promise<string> {
  const { hostname, port } = new URL(base);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  return await new Response(connection.readable).text();
}

async function text(response: Promise<Response>): Promise<string> {
  return await (await response).text();
}

scenario("monitoring pages: headers, callback, methods, paths", async (world) => {
  const base = await start(world, "");
  const page = await fetch(`${base}/streaming/serverz`);
  const body = await page.text();
  assert.equal(page.headers.get("Access-Control-Allow-Origin"), "*");
  assert.equal(page.headers.get("Content-Length"), String(body.length));
  assert.match(body, /^\{\n {2}"cluster_id": "test-cluster",\n {2}"server_id": "\w{22}",\n[^]*\n\}$/);
  assert.match(body, /"now": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"/);

  for (
    const path of ["/streaming/serverz", "/streaming/storez", "/streaming/clientsz", "/streaming/channelsz", "/varz"]
  ) {
    const called = await fetch(`${base}${path}?callback=f`);
    assert.equal(called.headers.get("Content-Type"), "application/javascript", path);
    assert.equal(called.headers.get("Access-Control-Allow-Origin"), null, path);
    assert.match(await called.text(), /^f\(\{[^]*\}\)$/, path);
  }

  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const answer = await fetch(`${base}/streaming/channelsz`, { method });
    assert.equal(answer.status, 200, method);
    assert.equal(JSON.parse(await answer.text()).total, 0, method);
  }
  const head = await raw(base, "HEAD /streaming/serverz");
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*content-type: application\/json\r\n[^]*\r\n\r\n$/i);

  for (
    const path of ["/streaming/serverz/", "/streaming/Serverz", "/Streaming", "/varz/", "/streaming/", "/streamings"]
  ) {
    const missing = await fetch(base + path);
    assert.equal(missing.status, 404, path);
    assert.equal(missing.headers.get("Content-Type"), "text/plain; charset=utf-8", path);
    assert.equal(await missing.text(), "404 page not found\n", path);
  }
  const index = await fetch(`${base}/streaming`);
  assert.match(index.headers.get("Content-Type")!, /^text\/html/);
  for (const name of ["serverz", "storez", "clientsz", "channelsz"]) {
    assert.match(await text(fetch(`${base}/streaming`)), new RegExp(`href=/streaming/${name}`));
  }
  await index.text();
  assert.equal((await fetch(`${base}/streaming/isFTActive`)).status, 204);
});

scenario("59: monitoring pages: paths that are not clean are redirected with their query", async (world) => {
  const base = await start(world, "");
  const cases = [
    ["//streaming/serverz", "/streaming/serverz"],
    ["/streaming/./channelsz?subs=1", "/streaming/channelsz?subs=1"],
    ["/x/../varz", "/varz"],
    ["//connz?limit=5&sort=cid", "/connz?limit=5&sort=cid"],
  ] as const;
  for (const [path, location] of cases) {
    const answer = await raw(base, `GET ${path}`);
    assert.match(answer, /^HTTP\/1\.1 301 Moved Permanently\r\n/, path);
    assert.equal(/^location: (.*)\r$/im.exec(answer)?.[1], location, path);
  }
});

scenario("63: monitoring pages: the base path is for NATS pages only", async (world) => {
  const base = await start(world, "http_base_path: nats\n");
  assert.equal(JSON.parse(await text(fetch(`${base}/nats/varz`))).http_base_path, "/nats");
  assert.match(await text(fetch(`${base}/nats`)), /href="\/nats\/varz"/);
  for (const path of ["/varz", "/", "/nats/", "/natsvarz"]) assert.equal((await fetch(base + path)).status, 404, path);
  assert.equal((await fetch(`${base}/streaming/serverz`)).status, 200);
  assert.equal((await fetch(`${base}/nats/streaming/serverz`)).status, 404);
});

scenario("monitoring pages over HTTPS", async (world) => {
  const [port, monitorPort] = freePorts(2) as [number, number];
  Deno.writeTextFileSync(`${world.folder}/cert.pem`, serverIdentity.certificate);
  Deno.writeTextFileSync(`${world.folder}/key.pem`, serverIdentity.key);
  const config = `listen: "127.0.0.1:${port}"\ntls { cert_file: "cert.pem", key_file: "key.pem" }\n`;
  Deno.writeTextFileSync(`${world.folder}/server.conf`, config);
  await world.launch(["-c", "server.conf", "-ms", `${monitorPort}`]).ready();
  const client = Deno.createHttpClient({ caCerts: [authority] });
  world.finally(() => client.close());
  const pages = `https://localhost:${monitorPort}`;
  assert.equal(JSON.parse(await text(fetch(`${pages}/streaming/serverz`, { client }))).state, "STANDALONE");
  assert.equal(JSON.parse(await text(fetch(`${pages}/varz`, { client }))).https_port, monitorPort);
});

scenario("monitoring pages: HTTPS without a certificate, or two listeners, end the start", async (world) => {
  const bare = world.launch(["-p", "-1", "-a", "127.0.0.1", "-ms", "18443"]);
  assert.equal(await bare.exit(), 1);
  assert.match(bare.tail(), /\[FTL\] Can't start monitoring: TLS cert and key required for HTTPS/);
  const both = world.launch(["-p", "-1", "-a", "127.0.0.1", "-m", "18222", "-ms", "18443"]);
  assert.equal(await both.exit(), 1);
  assert.match(both.tail(), /can't specify both HTTP \(18222\) and HTTPs \(18443\) ports/);
});

scenario(
  "64: monitoring pages beside an external NATS server: its own are those of an unused server",
  async (world) => {
    const { url } = await world.server(["-cid", "carrier"]);
    const [monitorPort] = freePorts(1);
    await world.launch(["-nats_server", url, "-a", "127.0.0.1", "-m", `${monitorPort}`]).ready();
    const base = `http://127.0.0.1:${monitorPort}`;
    assert.equal(JSON.parse(await text(fetch(`${base}/streaming/serverz`))).state, "STANDALONE");
    const health = await fetch(`${base}/healthz`);
    assert.equal(health.status, 503);
    assert.equal(
      await health.text(),
      '{"status":"error","error":"failed to be ready for connections after 1ms: server"}',
    );
    assert.equal(JSON.parse(await text(fetch(`${base}/connz`))).num_connections, 0);
    assert.equal(JSON.parse(await text(fetch(`${base}/varz`))).connections, 0);
  },
);

scenario("66: NATS pages: parameters of the wrong form are refused by name", async (world) => {
  const base = await start(world, "");
  const cases = [
    [
      "/healthz?js-enabled=x",
      `Error decoding boolean for 'js-enabled': strconv.ParseBool: parsing "x": invalid syntax`,
    ],
    ["/gatewayz?accs=x", `Error decoding boolean for 'accs': strconv.ParseBool: parsing "x": invalid syntax`],
    ["/leafz?subs=x", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`],
    ["/routez?subs=x", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`],
    ["/jsz?accounts=x", `Error decoding boolean for 'accounts': strconv.ParseBool: parsing "x": invalid syntax`],
    ["/jsz?limit=x", `Error decoding int for 'limit': strconv.Atoi: parsing "x": invalid syntax`],
    ["/accstatz?unused=x", `Error decoding boolean for 'unused': strconv.ParseBool: parsing "x": invalid syntax`],
  ] as const;
  for (const [path, message] of cases) {
    const answer = await fetch(base + path);
    assert.equal(answer.status, 400, path);
    assert.equal(await answer.text(), message, path);
  }
  for (const path of ["/healthz?js-enabled=1", "/leafz?subs=1", "/jsz?limit=5", "/stacksz"]) {
    const answer = await fetch(base + path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers.get("Content-Type"), "application/json", path);
    await answer.body?.cancel();
  }
});
