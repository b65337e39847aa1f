import assert from "node:assert/strict";
import tls from "node:tls";
import { authority, serverIdentity } from "../../tests/support/certificates.ts";
import type { Connection } from "../ports/network.ts";
import { isCurrentRuntime } from "./runtime_version.ts";
import { openTlsPair } from "./tls_engine.ts";
import { secureNatively } from "./native_tls.ts";
import { systemNetwork } from "./network.ts";

const network = systemNetwork();

/** Both ends of a connection that became TLS; `plain` is what the client's end stands on. */
async function secured(
  run: (ends: { server: Connection; client: Connection; plain: Connection }) => Promise<void>,
): Promise<void> {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const [accepted, plain] = await Promise.all([listener.accept(), network.dial(listener.address, { timeout: 2000 })]);
  const [server, client] = await Promise.all([
    network.secureServer(accepted!, serverIdentity),
    secureNatively(plain, { authorities: authority, serverName: "localhost" }),
  ]);
  try {
    await run({ server, client, plain });
  } finally {
    client.close();
    await server.close();
    listener.close();
  }
}

Deno.test("spliced TLS: what was written before the end arrives, then the end", () =>
  secured(async ({ server, client }) => {
    const sent = new Uint8Array(700_000).fill(5);
    const writing = server.write(sent).then(() => server.close());
    const buffer = new Uint8Array(65_536);
    let received = 0;
    for (let count = await client.read(buffer); count > 0; count = await client.read(buffer)) received += count;
    assert.equal(received, sent.length);
    await writing;
  }));

Deno.test("spliced TLS: a client that ends its stream is heard to the end", () =>
  secured(async ({ server, client }) => {
    await client.write(new TextEncoder().encode("last words"));
    client.close();
    const buffer = new Uint8Array(100);
    assert.equal(new TextDecoder().decode(buffer.subarray(0, await server.read(buffer))), "last words");
    assert.equal(await server.read(buffer), 0);
    assert.equal(await server.read(buffer), 0);
  }));

Deno.test("spliced TLS: a read that waits answers 0 when the connection is closed here, and a write fails", () =>
  secured(async ({ server, client }) => {
    const reading = server.read(new Uint8Array(1));
    await server.close();
    assert.equal(await reading, 0);
    await assert.rejects(server.write(new Uint8Array(1)), { name: "NetworkFailed" });
    assert.equal(await client.read(new Uint8Array(1)), 0);
  }));

Deno.test("spliced TLS: a client that takes nothing cannot hold a closed connection open", () =>
  secured(async ({ server, client }) => {
    const chunk = new Uint8Array(65_536);
    let full = false;
    while (!full) {
      // Nobody reads: some write never ends.
      const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 200));
      full = await Promise.race([server.write(chunk).then(() => false, () => true), late]);
    }
    await server.close();
    const rest = new Uint8Array(1_000_000);
    // The stream was cut off: at its end there is no goodbye, or a reset.
    while (await client.read(rest).catch(() => 0) > 0);
  }));

Deno.test("spliced TLS: version and suite are those that the client sees", { ignore: !isCurrentRuntime }, async () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const listener = await network.listen({ host: "127.0.0.1", port: 0 });
    const client = tls.connect({
      port: listener.address.port,
      host: "127.0.0.1",
      ca: authority,
      minVersion: version,
      maxVersion: version,
    });
    const ready = new Promise<void>((resolve, reject) => client.once("secureConnect", resolve).once("error", reject));
    const server = await network.secureServer((await listener.accept())!, serverIdentity);
    await ready;
    const { standardName } = client.getCipher() as { standardName: string };
    assert.deepEqual({ ...server.tls }, { version, cipher: standardName });
    const closed = new Promise((resolve) => client.once("close", resolve));
    await server.close();
    client.destroy();
    await closed;
    listener.close();
  }
});

Deno.test("openTlsPair() keeps strangers out, and listens for a moment only", async () => {
  const listenTls = Deno.listenTls;
  let port = 0;
  let stranger: Promise<Deno.TcpConn> | undefined;
  Deno.listenTls = (options) => {
    const listener = listenTls(options);
    port = listener.addr.port;
    // First in the row.
    stranger = Deno.connect({ hostname: "127.0.0.1", port });
    return listener;
  };
  try {
    const pair = await openTlsPair(serverIdentity.certificate, serverIdentity.key);
    const { local } = pair.encrypted;
    assert.deepEqual({ ...pair.plain.remoteAddr }, { transport: "tcp", hostname: local.host, port: local.port });
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
    (await stranger!).close();
    pair.encrypted.close();
    pair.plain.close();
  } finally {
    Deno.listenTls = listenTls;
  }
});

Deno.test("a certificate that cannot be used fails the handshake", async () => {
  await assert.rejects(openTlsPair("no certificate", "no key"));
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const [server, client] = await Promise.all([listener.accept(), network.dial(listener.address, { timeout: 2000 })]);
  await assert.rejects(network.secureServer(server!, { certificate: "no", key: "no" }), { name: "NetworkFailed" });
  assert.equal(await client.read(new Uint8Array(1)).catch(() => 0), 0);
  client.close();
  listener.close();
});

Deno.test("where the loopback is closed off, node:tls stands in", { ignore: !isCurrentRuntime }, async () => {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const [accepted, plain] = await Promise.all([listener.accept(), network.dial(listener.address, { timeout: 2000 })]);
  const { connect } = Deno;
  let fail = () => {};
  const late = new Promise<never>((_, reject) => fail = () => reject(new Error("late")));
  Deno.connect = () => late;
  try {
    const [server, client] = await Promise.all([
      network.secureServer(accepted!, { ...serverIdentity, timeout: 300 }),
      secureNatively(plain, { authorities: authority, serverName: "localhost" }),
    ]);
    await client.write(new Uint8Array(3));
    assert.equal(await server.read(new Uint8Array(10)), 3);
    client.close();
    await server.close();
  } finally {
    Deno.connect = connect;
    fail();
    listener.close();
  }
});
