import assert from "node:assert/strict";
import type { Connection, Listener } from "../ports/network.ts";
import { systemNetwork } from "./network.ts";

const network = systemNetwork();

async function pair(): Promise<{ server: Connection; client: Connection; listener: Listener }> {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const [server, client] = await Promise.all([listener.accept(), network.dial(listener.address, { timeout: 2000 })]);
  return { server: server!, client, listener };
}

Deno.test("bytes arrive in order, also when they are many", async () => {
  const { server, client, listener } = await pair();
  assert.deepEqual(client.remote, listener.address);
  assert.deepEqual(server.remote, client.local);
  const sent = new Uint8Array(3_000_000);
  for (let i = 0; i < sent.length; i++) sent[i] = (i * 31) % 251;
  const writing = client.write(sent).then(() => client.close());
  const received = new Uint8Array(sent.length);
  const buffer = new Uint8Array(65536);
  let at = 0;
  for (let count = await server.read(buffer); count > 0; count = await server.read(buffer)) {
    received.set(buffer.subarray(0, count), at);
    at += count;
  }
  await writing;
  assert.equal(at, sent.length);
  assert.deepEqual(received, sent);
  server.close();
  listener.close();
});

Deno.test("a read that waits answers 0 when the connection is closed here", async () => {
  const { server, client, listener } = await pair();
  const reading = server.read(new Uint8Array(10));
  server.close();
  server.close();
  assert.equal(await reading, 0);
  assert.equal(await server.read(new Uint8Array(10)), 0);
  await assert.rejects(server.write(new Uint8Array(1)), { name: "NetworkFailed" });
  client.close();
  listener.close();
});

Deno.test("accept() answers undefined once the listener is closed", async () => {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  listener.close();
  assert.equal(await accepting, undefined);
  assert.equal(await listener.accept(), undefined);
});

Deno.test("listen() on a port in use is EADDRINUSE", async () => {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  await assert.rejects(network.listen(listener.address), { name: "NetworkFailed", code: "EADDRINUSE" });
  listener.close();
});

Deno.test("dial() to nobody is ECONNREFUSED", async () => {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  listener.close();
  await assert.rejects(network.dial(listener.address, { timeout: 2000 }), {
    name: "NetworkFailed",
    code: "ECONNREFUSED",
  });
});

Deno.test("dial() finds a server by name", async () => {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const address = { host: "localhost", port: listener.address.port };
  const [server, client] = await Promise.all([listener.accept(), network.dial(address, { timeout: 2000 })]);
  server!.close();
  client.close();
  listener.close();
});

Deno.test("a write to a peer that reset the connection fails in the end", async () => {
  const { server, client, listener } = await pair();
  client.close();
  await assert.rejects(async () => {
    for (let i = 0; i < 1000; i++) await server.write(new Uint8Array(65536));
  }, { name: "NetworkFailed" });
  server.close();
  listener.close();
});

Deno.test("addresses() are those that other machines can reach", () => {
  for (const address of network.addresses()) {
    assert.match(address, /^[0-9a-f.:]+$/i);
    assert.doesNotMatch(address, /^(127\.|169\.254\.|::1$|fe80)/);
  }
});
