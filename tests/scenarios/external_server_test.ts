/** Whole servers on an external NATS server: secured in each way, restarted, missing. */
import assert from "node:assert/strict";
import { certificatePath } from "../support/certificates.ts";
import { freePort } from "../support/mesh.ts";
import { makeCredentials, makeUserKey } from "../support/nats_credentials.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";
import { type Scenario, scenario } from "../support/scenario.ts";
import type { ServerProcess } from "../support/server_process.ts";

const ignore = natsServerPath === undefined;

/** The reference's line once it serves. */
const ready = /STREAM: Streaming Server is ready$/;

async function nats(world: Scenario, config = "", port?: number) {
  const server = await startNatsServer({ config, ...(port === undefined ? {} : { port }) });
  world.finally(() => server.stop());
  return server;
}

/** Starts a server with a configuration file of these streaming settings. */
function launch(world: Scenario, name: string, streaming: string): ServerProcess {
  const file = `${world.folder}/${name}.conf`;
  Deno.writeTextFileSync(file, `streaming { id: ${name}\n ${streaming} }`);
  return world.launch(["-c", file]);
}

scenario("users, a token, an nkey and credentials are what the server says they are", async (world) => {
  const { seed, publicKey } = makeUserKey();
  const users = await nats(world, `authorization { users: [{ user: me, password: pw }, { nkey: ${publicKey} }] }`);
  const token = await nats(world, `authorization { token: s3cr3t }`);
  const { config, credentials } = makeCredentials();
  const operator = await nats(world, config);
  Deno.writeTextFileSync(`${world.folder}/user.seed`, `${seed}\n`);
  Deno.writeTextFileSync(`${world.folder}/user.creds`, credentials);
  const to = (port: number) => `nats_server_url: "nats://127.0.0.1:${port}"\n`;
  const servers = [
    launch(world, "by-user", `${to(users.port)} username: me, password: pw`),
    launch(world, "by-url", `nats_server_url: "nats://me:pw@127.0.0.1:${users.port}"`),
    launch(world, "by-nkey", `${to(users.port)} nkey_seed_file: "${world.folder}/user.seed"`),
    launch(world, "by-token", `${to(token.port)} token: s3cr3t`),
    launch(world, "by-creds", `${to(operator.port)} credentials: "${world.folder}/user.creds"`),
  ];
  for (const server of servers) await server.line(ready);
  // What the flags say comes before the file.
  const flags = ["-nats_server", `nats://127.0.0.1:${users.port}`, "-cid", "by-flags", "-user", "me", "-pass", "pw"];
  await world.launch(flags).line(ready);
  const refused = launch(world, "refused", `${to(users.port)} username: me, password: wrong`);
  await refused.line(/\[FTL\] STREAM: Failed to start: nats: Authorization Violation$/);
  assert.equal(await refused.exit(), 1);
}, { ignore });

scenario("mutual TLS; without the authority the start fails and says why", async (world) => {
  const [cert, key, ca] = ["server.pem", "server.key", "authority.pem"].map(certificatePath);
  const server = await nats(world, `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", verify: true }`);
  const url = `nats_server_url: "nats://127.0.0.1:${server.port}"\n`;
  const [clientCert, clientKey] = [certificatePath("client.pem"), certificatePath("client.key")];
  const tls = `tls { client_ca: "${ca}", client_cert: "${clientCert}", client_key: "${clientKey}" }`;
  await launch(world, "trusting", url + tls).line(ready);
  const careless = launch(
    world,
    "careless",
    `${url} tls { client_cert: "${clientCert}", client_key: "${clientKey}", insecure: true }`,
  );
  await careless.line(
    /\[WRN\] STREAM: TLS certificate chain and hostname will not be verified. DO NOT USE IN PRODUCTION!$/,
  );
  await careless.line(ready);
  const strict = launch(world, "strict", `${url} secure: true`);
  await strict.line(/\[FTL\] STREAM: Failed to start: x509: certificate signed by unknown authority$/);
  assert.equal(await strict.exit(), 1);
}, { ignore });

scenario("the NATS server restarts: the streaming server comes back and serves its clients", async (world) => {
  const port = freePort();
  const first = await nats(world, "", port);
  const url = `nats://127.0.0.1:${port}`;
  const server = await world.launch(["-nats_server", url]).ready();
  const before = await world.client(url, "before", { reconnect: true });
  await before.publishMany("foo", 10);
  await first.stop();
  await server.line(/\[ERR\] STREAM: connection "_NSS-test-cluster-\w+" has been disconnected: /);
  await nats(world, "", port);
  const [, where] = await server.line(
    /STREAM: connection "_NSS-test-cluster-\w+" reconnected to NATS Server at "(.*)"$/,
  );
  assert.equal(where, url);
  const after = await world.client(url, "after");
  await after.publishMany("foo", 10, 11);
  const subscription = await after.subscribe("foo", { start: "first" });
  const got = await subscription.take(20);
  assert.deepEqual(got.map(({ text }) => text), Array.from({ length: 20 }, (_, i) => String(i + 1)));
  await after.close();
}, { ignore });

scenario("a dead server first in the list does no harm; no server at all ends the start at once", async (world) => {
  const dead = freePort();
  const alive = await nats(world);
  const list = `nats://127.0.0.1:${dead}, nats://127.0.0.1:${alive.port}`;
  await world.launch(["-nats_server", list]).ready();
  const alone = world.launch(["-nats_server", `nats://127.0.0.1:${dead}`, "-cid", "alone"]);
  await alone.line(/\[FTL\] STREAM: Failed to start: nats: no servers available for connection$/);
  assert.equal(await alone.exit(), 1);
}, { ignore });
