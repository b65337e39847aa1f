/** Settings of the NATS part of a configuration file, each as it shows on the wire. */
import assert from "node:assert/strict";
import tls from "node:tls";
import {
  authority,
  certificatePath,
  clientIdentity,
  type Identity,
  strangerIdentity,
} from "../support/certificates.ts";
import { eventually } from "../support/deadline.ts";
import { freePort } from "../support/mesh.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { optionsFrom, withConfigured } from "../support/configured_nats.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { type Pipe, quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";

const files = `cert_file: "${certificatePath("server.pem")}", key_file: "${certificatePath("server.key")}"
  ca_file: "${certificatePath("authority.pem")}"`;
/** What `openssl pkey -pubin -outform der | sha256sum` says of the client's and the server's keys. */
const clientKey = "4eba6adf562915bb110c2a432f3131756f038afab3f23c96ad7f5f7eff95edb5";
const serverKey = "a56ed145a47c2c9bab954c5e1cd52f5629f393aabc4e515934ea080dd94e9d97";
const noKey = "0".repeat(64);

const reasons = (server: NatsServer) =>
  (JSON.parse(server.monitoring("/connz", new URLSearchParams("state=closed"))!.body).connections as {
    reason: string;
  }[])
    .map(({ reason }) => reason);

/** A client that begins with TLS, as `handshake_first` wants it; undefined when it is refused before a word of NATS. */
async function tlsClient(server: NatsServer, options: tls.ConnectionOptions = {}): Promise<RawNatsClient | undefined> {
  const socket = tls.connect({ port: server.address.port, servername: "localhost", ca: authority, ...options });
  const chunks: Uint8Array[] = [];
  let wake = () => {};
  let ended = false;
  socket.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
    wake();
  });
  for (const event of ["end", "error", "close"]) {
    socket.on(event, () => {
      ended = true;
      wake();
    });
  }
  const pipe: Pipe = {
    async read(into) {
      while (chunks.length === 0 && !ended) await new Promise<void>((resolve) => wake = resolve);
      const chunk = chunks.shift();
      if (chunk === undefined) return null;
      into.set(chunk);
      return chunk.length;
    },
    write: (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve(bytes.length))),
    close: () => socket.destroy(),
  };
  const client = new RawNatsClient(pipe);
  try {
    await client.readInfo();
    return client;
  } catch {
    await client.close();
    return undefined;
  }
}

const credentials = ({ certificate, key }: Identity) => ({ cert: certificate, key });

async function passes(server: NatsServer, options: tls.ConnectionOptions): Promise<boolean> {
  const client = await tlsClient(server, options);
  if (client === undefined) return false;
  assert.equal(await client.ask(quietConnect() + "SUB a 1\r\nPUB a 1\r\nx\r\n"), "MSG a 1 1\r\nx\r\n");
  await client.close();
  return true;
}

Deno.test("pinned_certs: only keys that are listed come in, whoever vouches for them", async () => {
  const block = (pins: string[]) =>
    `tls { ${files}, verify: true, handshake_first: true, pinned_certs: ${JSON.stringify(pins)} }`;
  await withConfigured(block([noKey, clientKey.toUpperCase()]), async (server) => {
    assert.equal(await passes(server, credentials(clientIdentity)), true);
    assert.equal(await passes(server, credentials(strangerIdentity)), false);
    // A reload may take a key away from those who are connected.
    const client = (await tlsClient(server, credentials(clientIdentity)))!;
    await client.ask(quietConnect());
    server.reload({ ...optionsFrom(block([clientKey])), host: "127.0.0.1", port: 0 });
    assert.equal(await client.ask(""), "");
    server.reload({ ...optionsFrom(block([noKey])), host: "127.0.0.1", port: 0 });
    assert.equal(await client.untilClosed(), "");
    await client.close();
  });
  await withConfigured(block([noKey]), async (server) => {
    assert.equal(await passes(server, credentials(clientIdentity)), false);
    assert.deepEqual(reasons(server), ["TLS Handshake Failure"]);
  });
  await withConfigured(`tls { ${files}, handshake_first: true, pinned_certs: ["${clientKey}"] }`, async (server) => {
    assert.equal(await passes(server, {}), false);
  });
});

Deno.test("cipher_suites: a session of TLS 1.2 must use one of those listed", async () => {
  const block = (suite: string) => `tls { ${files}, handshake_first: true, cipher_suites: [${suite}] }`;
  const old = { maxVersion: "TLSv1.2" } as const;
  await withConfigured(block("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), async (server) => {
    assert.equal(await passes(server, old), true);
    assert.equal(await passes(server, {}), true);
  });
  await withConfigured(block("TLS_RSA_WITH_AES_128_CBC_SHA"), async (server) => {
    assert.equal(await passes(server, old), false);
    assert.equal(await passes(server, {}), true);
  });
});

Deno.test("connection_rate_limit: more connections within a second are told so", async () => {
  await withConfigured(`tls { ${files}, connection_rate_limit: 2 }`, async (server) => {
    const clients = [];
    for (let i = 0; i < 4; i++) clients.push(await RawNatsClient.connect(server.address.port));
    const throttled = "-ERR 'Connection throttling is active. Please try again later.'\r\n";
    for (const client of clients.slice(2)) assert.equal(await client.untilClosed(), throttled);
    assert.deepEqual(clients.map(({ closed }) => closed), [false, false, true, true]);
    assert.deepEqual(reasons(server), ["Maximum Connections Exceeded", "Maximum Connections Exceeded"]);
    for (const client of clients) await client.close();
  });
});

const login = (user: string, more: object = {}) => quietConnect({ user, pass: user, ...more });

async function outcome(server: NatsServer, send: string): Promise<string> {
  const client = await RawNatsClient.connect(server.address.port);
  const answer = await client.ask(send);
  const { closed } = client;
  await client.close();
  return closed ? `${answer}closed` : answer;
}

Deno.test("allowed_connection_types: a user without STANDARD is nobody here", async () => {
  const users = `[{ user: m, password: m, allowed_connection_types: [MQTT] }
    { user: s, password: s, allowed_connection_types: [MQTT, STANDARD] }, { user: a, password: a }]`;
  await withConfigured(`authorization { users: ${users} }`, async (server) => {
    assert.equal(await outcome(server, login("m")), "-ERR 'Authorization Violation'\r\nclosed");
    assert.equal(await outcome(server, login("s")), "");
    assert.equal(await outcome(server, login("a")), "");
  });
});

Deno.test("accounts.limits: connections, subscriptions and payload", async () => {
  const limits = "limits { max_connections: 2, max_subscriptions: 2, max_payload: 10 }";
  const text =
    `accounts { A { users: [{ user: a, password: a }], ${limits} }, B { users: [{ user: b, password: b }] } }`;
  await withConfigured(text, async (server) => {
    const surplus = "-ERR 'maximum subscriptions exceeded'\r\n";
    const subscribe = "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n";
    assert.equal(await outcome(server, login("a") + subscribe), surplus);
    assert.equal(await outcome(server, login("b") + subscribe), "");
    assert.equal(await outcome(server, login("a") + "PUB x 10\r\n0123456789\r\n"), "");
    assert.equal(await outcome(server, login("a") + "PUB x 11\r\n"), "-ERR 'Maximum Payload Violation'\r\nclosed");
    assert.equal(await outcome(server, login("b") + "PUB x 11\r\n01234567890\r\n"), "");
    const crowd = [];
    for (let i = 0; i < 2; i++) crowd.push(await RawNatsClient.connect(server.address.port));
    for (const one of crowd) assert.equal(await one.ask(login("a")), "");
    const full = "-ERR 'maximum account active connections exceeded'\r\nclosed";
    assert.equal(await outcome(server, login("a")), full);
    assert.equal(reasons(server).at(-1), "Maximum Account Connections Exceeded");
    assert.equal(await outcome(server, login("b")), "");
    await crowd[0]!.close();
    await eventually(async () => await outcome(server, login("a")) === "" || undefined, "room for one more");
    await crowd[1]!.close();
  });
});

Deno.test("no_header_support: headers are neither offered nor taken", async () => {
  await withConfigured("no_header_support: true", async (server) => {
    const client = await RawNatsClient.connect(server.address.port);
    assert.equal(client.info["headers"], false);
    await client.close();
    const headers = { headers: true };
    assert.equal(await outcome(server, quietConnect(headers) + "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n"), "closed");
    const refused = "-ERR 'no responders requires headers support'\r\nclosed";
    assert.equal(await outcome(server, quietConnect({ ...headers, no_responders: true })), refused);
  });
});

Deno.test("server_tags: in lower case on /varz, and not there without any", async () => {
  const tags = (server: NatsServer) => JSON.parse(server.monitoring("/varz", new URLSearchParams())!.body).tags;
  await withConfigured(
    'server_tags: ["Aa:b", c]',
    (server) => Promise.resolve(assert.deepEqual(tags(server), ["aa:b", "c"])),
  );
  await withConfigured("port: 1", (server) => Promise.resolve(assert.equal(tags(server), undefined)));
});

/** What either side says of a peer that it does not take. */
const REFUSED = /TLS route handshake error|Authorization Violation/;

/** Whether a second server of ours, configured so, comes to be a route of the first, before either refuses the other. */
async function meets(accepting: string, dialing: string): Promise<boolean> {
  const port = freePort();
  const block = (name: string, tls: string, routes: string) =>
    `server_name: ${name}\ncluster { name: c1, listen: "127.0.0.1:${name === "a" ? port : -1}", ${tls}, ${routes} }`;
  const log = new RecordingLog();
  let met = false;
  await withConfigured(block("a", accepting, 'routes: ["nats-route://localhost:1"]'), async (a) => {
    await withConfigured(block("b", dialing, `routes: ["nats-route://127.0.0.1:${port}"]`), async (b) => {
      met = await eventually(() => {
        if (a.routes.list().length === 1 && b.routes.list().length === 1) return true;
        return log.count(REFUSED) > 0 ? false : undefined;
      }, "a route or a refusal");
    }, log);
  }, log);
  return met;
}

Deno.test("TLS between servers: pinned_certs, verify_cert_and_check_known_urls, verify_and_map, insecure", async (t) => {
  const own = `tls { ${files} }`;
  const user = "authorization { user: localhost, password: x }";
  const cases: [what: string, accepting: string, dialing: string, meets: boolean][] = [
    ["plain certificates", own, own, true],
    ["a pinned key on both sides", ...twice(`tls { ${files}, pinned_certs: ["${serverKey}"] }`), true],
    ["a key that the accepting side has not pinned", `tls { ${files}, pinned_certs: ["${noKey}"] }`, own, false],
    ["a key that the dialing side has not pinned", own, `tls { ${files}, pinned_certs: ["${noKey}"] }`, false],
    [
      "a certificate that names a configured route",
      `tls { ${files}, verify_cert_and_check_known_urls: true }`,
      own,
      true,
    ],
    ["a certificate that names none", `tls { ${files}, verify_cert_and_check_known_urls: true }`, asClient(), false],
    ["a certificate that names the user", `tls { ${files}, verify_and_map: true }, ${user}`, own, true],
    ["a certificate that does not name the user", `tls { ${files}, verify_and_map: true }, ${user}`, asClient(), false],
    ["a server that proves nothing", asClient(), own, false],
    ["the same, to one that does not ask", asClient(), `tls { ${files}, insecure: true }`, true],
  ];
  for (const [what, accepting, dialing, expected] of cases) {
    await t.step(what, async () => assert.equal(await meets(accepting, dialing), expected));
  }
});

function twice(text: string): [string, string] {
  return [text, text];
}

/** A server with the client's certificate, which names neither host nor user. */
function asClient(): string {
  const [cert, key, ca] = ["client.pem", "client.key", "authority.pem"].map(certificatePath);
  return `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}" }`;
}
