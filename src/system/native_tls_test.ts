import assert from "node:assert/strict";
import { authority, clientIdentity, serverIdentity } from "../../tests/support/certificates.ts";
import type { Connection } from "../ports/network.ts";
import { systemNetwork } from "./network.ts";
import { secureNatively } from "./native_tls.ts";
import { isCurrentRuntime } from "./runtime_version.ts";

const network = systemNetwork();

async function pair(run: (server: Connection, client: Connection) => Promise<void>): Promise<void> {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const [server, client] = await Promise.all([listener.accept(), network.dial(listener.address, { timeout: 2000 })]);
  try {
    await run(server!, client);
  } finally {
    server!.close();
    client.close();
    listener.close();
  }
}

Deno.test(
  "secureNatively() speaks with our server side",
  { ignore: !isCurrentRuntime },
  () =>
    pair(async (plainServer, plainClient) => {
      const [server, client] = await Promise.all([
        network.secureServer(plainServer, serverIdentity),
        secureNatively(plainClient, { authorities: authority, serverName: "localhost" }),
      ]);
      await client.write(new TextEncoder().encode("hello"));
      const into = new Uint8Array(5);
      for (let at = 0; at < into.length;) at += await server.read(into.subarray(at));
      assert.equal(new TextDecoder().decode(into), "hello");
      client.close();
      server.close();
    }),
);

Deno.test(
  "secureNatively() refuses a server that its authorities do not know",
  { ignore: !isCurrentRuntime },
  () =>
    pair(async (plainServer, plainClient) => {
      const server = network.secureServer(plainServer, serverIdentity).catch(() => undefined);
      await assert.rejects(secureNatively(plainClient, { serverName: "localhost" }), { name: "NetworkFailed" });
      (await server)?.close();
    }),
);

Deno.test("secureNatively() says what it cannot do", () =>
  pair(async (_server, client) => {
    await assert.rejects(secureNatively(client, clientIdentity), { code: "ENOTSUP", message: /needs Deno 2\.9/ });
    await assert.rejects(secureNatively(client, { verify: false }), { code: "ENOTSUP" });
  }));
