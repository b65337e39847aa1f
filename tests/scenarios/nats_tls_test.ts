/** TLS between clients and the embedded NATS server (spec nats-server, section 4). */
import assert from "node:assert/strict";
import { authority, clientIdentity, serverIdentity, strangerIdentity } from "../support/certificates.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { eventually } from "../support/deadline.ts";
import { pipeOf, quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import { systemNetwork } from "../../src/system/mod.ts";
import type { TlsOptions } from "../../src/ports/network.ts";
import { withEmbedded } from "../support/embedded_nats.ts";

const violation = "-ERR 'Authorization Violation'\r\n";

const login = (credentials: object) => quietConnect(credentials);

/** TLS from here on, whatever the server has said in plain text. */
async function overTls(server: NatsServer, options: TlsOptions, plainInfo: boolean): Promise<RawNatsClient> {
  const network = systemNetwork();
  const plain = await network.dial(server.address, { timeout: 2_000, upgradable: true });
  let info = "";
  const one = new Uint8Array(1);
  while (plainInfo && !info.endsWith("\r\n")) {
    if (await plain.read(one) === 0) break;
    info += String.fromCharCode(one[0]!);
  }
  const secured = await network.secureClient(plain, { authorities: authority, serverName: "localhost", ...options });
  const client = new RawNatsClient(pipeOf(secured));
  if (plainInfo) client.info = JSON.parse(info.slice("INFO ".length));
  else await client.readInfo();
  return client;
}

const certified = { ...serverIdentity, authorities: authority };

Deno.test("security 53: TLS begins after INFO; nothing else is said in plain text", async () => {
  await withEmbedded({ tls: certified }, async (server) => {
    const client = await overTls(server, {}, true);
    assert.equal(client.info["tls_required"], true);
    assert.equal("tls_verify" in client.info, false);
    const large = "x".repeat(300_000);
    const answer = await client.ask(quietConnect() + `SUB a 1\r\nPUB a 300000\r\n${large}\r\n`);
    assert.equal(answer, `MSG a 1 300000\r\n${large}\r\n`);
    const row = JSON.parse(server.monitoring("/connz", new URLSearchParams())!.body).connections[0];
    assert.equal(row.tls_version, "1.3");
    assert.match(row.tls_cipher_suite, /^TLS_[A-Z0-9_]+$/);
    assert.equal(row.ip, "127.0.0.1");
    assert.notEqual(row.port, 0);
    await client.close();
  });
  await withEmbedded({ tls: { ...certified, timeout: 300 } }, async (server) => {
    const plain = await RawNatsClient.connect(server.address.port);
    await plain.send(quietConnect() + "PING\r\n");
    // What TLS itself says to noise (an alert) may come; no word of NATS does.
    assert.equal(/ERR|PONG|OK/.test(await plain.untilClosed()), false);
    const idle = await RawNatsClient.connect(server.address.port);
    assert.equal(await idle.untilClosed(), "");
    for (const one of [plain, idle]) await one.close();
    const closed = JSON.parse(server.monitoring("/connz", new URLSearchParams("state=closed"))!.body).connections;
    assert.deepEqual(closed.map((one: { reason: string }) => one.reason), [
      "TLS Handshake Failure",
      "TLS Handshake Failure",
    ]);
  });
});

Deno.test("security 53: under TLS a refusal arrives before the end, and the end is the client's or ours", async () => {
  await withEmbedded({ tls: certified, authorization: { user: "a", password: "b" } }, async (server) => {
    const refused = await overTls(server, {}, true);
    assert.equal(await refused.ask(login({ user: "a", pass: "wrong" })), violation);
    assert.equal(await refused.untilClosed(), "");
    await refused.close();
    const leaving = await overTls(server, {}, true);
    assert.equal(await leaving.ask(login({ user: "a", pass: "b" })), "");
    await leaving.close();
    const staying = await overTls(server, {}, true);
    assert.equal(await staying.ask(login({ user: "a", pass: "b" })), "");
    const reasons = () =>
      JSON.parse(server.monitoring("/connz", new URLSearchParams("state=closed"))!.body).connections
        .map((one: { reason: string }) => one.reason);
    const two = await eventually(() => reasons().length === 2 ? reasons() : undefined, "the end of two clients");
    assert.deepEqual(two, ["Authentication Failure", "Client Closed"]);
    await server.close();
    assert.equal(await staying.untilClosed(), "");
    await staying.close();
    assert.equal(reasons()[2], "Server Shutdown");
  });
});

Deno.test("security 53: a client certificate is demanded where `verify` says so", async () => {
  await withEmbedded({ tls: { ...certified, verify: true } }, async (server) => {
    const client = await overTls(server, clientIdentity, true);
    assert.equal(client.info["tls_verify"], true);
    assert.equal(await client.ask(quietConnect()), "");
    await client.close();
    for (const wrong of [{}, strangerIdentity]) {
      // Under TLS 1.3 the client may learn of the refusal after its own handshake.
      const refused = await overTls(server, wrong, true).catch(() => undefined);
      if (refused === undefined) continue;
      assert.equal(await refused.untilClosed(), "");
      await refused.close();
    }
  });
});

Deno.test("security: verify_and_map finds the user by any name in the certificate", async () => {
  const rules = { publish: { allow: ["ok"] } };
  for (const user of ["client@test.example", "client.test", "urn:client", "CN=client,OU=test", "ou=test, cn=client"]) {
    const authorization = { users: [{ user, permissions: rules }, { user: "other", password: "p" }] };
    await withEmbedded({ authorization, tls: { ...certified, verifyAndMap: true } }, async (server) => {
      const client = await overTls(server, clientIdentity, true);
      assert.equal(client.info["auth_required"], true);
      assert.equal(
        await client.ask(quietConnect() + "PUB ok 1\r\nx\r\nPUB no 1\r\nx\r\n"),
        `-ERR 'Permissions Violation for Publish to "no"'\r\n`,
        user,
      );
      await client.close();
    });
  }
  const authorization = { users: [{ user: "nobody", password: "p" }] };
  await withEmbedded({ authorization, tls: { ...certified, verifyAndMap: true } }, async (server) => {
    const client = await overTls(server, clientIdentity, true);
    assert.equal(await client.ask(quietConnect({ user: "nobody", pass: "p" })), violation);
    await client.close();
  });
});

Deno.test("security: handshake_first says nothing before TLS; with a delay it waits for either", async () => {
  await withEmbedded({ tls: { ...certified, timeout: 500, handshakeFirst: true } }, async (server) => {
    const client = await overTls(server, {}, false);
    assert.equal(client.info["tls_required"], true);
    assert.equal(await client.ask(quietConnect()), "");
    await client.close();
    const plain = await RawNatsClient.connect(server.address.port, false);
    await plain.send(quietConnect());
    assert.equal((await plain.untilClosed()).includes("INFO"), false);
    await plain.close();
  });
  await withEmbedded({ tls: { ...certified, timeout: 500, handshakeFirst: 50 } }, async (server) => {
    const first = await overTls(server, {}, false);
    assert.equal(await first.ask(quietConnect()), "");
    const later = await overTls(server, {}, true);
    assert.equal(await later.ask(quietConnect()), "");
    await first.close();
    await later.close();
  });
});

Deno.test("security: allow_non_tls takes both kinds on one port", async () => {
  await withEmbedded({ tls: { ...certified, allowNonTls: true } }, async (server) => {
    const plain = await RawNatsClient.connect(server.address.port);
    assert.equal(plain.info["tls_available"], true);
    assert.equal("tls_required" in plain.info, false);
    assert.equal(await plain.ask(quietConnect() + "SUB a 1\r\n"), "");
    const secured = await overTls(server, {}, true);
    await secured.ask(quietConnect() + "PUB a 1\r\nx\r\n");
    assert.equal(await plain.ask(""), "MSG a 1 1\r\nx\r\n");
    await plain.close();
    await secured.close();
  });
});
