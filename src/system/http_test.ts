import assert from "node:assert/strict";
import { authority, serverIdentity } from "../../tests/support/certificates.ts";
import { type HttpHandler, type HttpOptions, serveHttp } from "./http.ts";

async function serving(
  options: Partial<HttpOptions>,
  handler: HttpHandler,
  run: (port: number) => Promise<void>,
): Promise<void> {
  const server = await serveHttp({ host: "127.0.0.1", port: 0, ...options }, handler);
  try {
    await run(server.address.port);
  } finally {
    await server.close();
    await server.close();
  }
}

/** Sends a request by hand, so that nothing tidies its target. */
async function raw(port: number, head: string): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`${head}\r\nHost: x\r\nConnection: close\r\n\r\n`));
  return await new Response(connection.readable).text();
}

Deno.test("the handler gets method, path and query and its answer arrives", () =>
  serving({}, ({ method, path, query }) => ({
    status: 201,
    headers: { "X-Seen": `${method} ${path} ${query.get("a")}` },
    body: "text",
  }), async (port) => {
    const response = await fetch(`http://127.0.0.1:${port}/some/path?a=1%20b&c`, { method: "POST" });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("X-Seen"), "POST /some/path 1 b");
    assert.equal(await response.text(), "text");
  }));

Deno.test("paths arrive as they were sent", async () => {
  const paths: string[] = [];
  await serving({}, ({ path }) => {
    paths.push(path);
    return { status: 200, headers: {}, body: "" };
  }, async (port) => {
    for (const path of ["//x", "/./x", "/a/../b", "/"]) await raw(port, `GET ${path} HTTP/1.1`);
  });
  assert.deepEqual(paths, ["//x", "/./x", "/a/../b", "/"]);
});

Deno.test("HEAD is answered without a body", () =>
  serving({}, () => ({ status: 200, headers: {}, body: "body" }), async (port) => {
    const answer = await raw(port, "HEAD / HTTP/1.1");
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.ok(answer.endsWith("\r\n\r\n"));
  }));

Deno.test("a handler that fails gives a 500 and the server goes on", async () => {
  const errors: unknown[] = [];
  let calls = 0;
  await serving({ onError: (error) => errors.push(error) }, () => {
    if (calls++ === 0) throw new Error("broken");
    return { status: 200, headers: {}, body: "fine" };
  }, async (port) => {
    const failed = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(failed.status, 500);
    await failed.text();
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "fine");
  });
  assert.deepEqual(errors.map((error) => (error as Error).message), ["broken"]);
});

Deno.test("with a key and a certificate it speaks HTTPS", () =>
  serving({ tls: serverIdentity }, () => ({ status: 200, headers: {}, body: "sealed" }), async (port) => {
    const client = Deno.createHttpClient({ caCerts: [authority] });
    const response = await fetch(`https://localhost:${port}/`, { client });
    assert.equal(await response.text(), "sealed");
    client.close();
  }));

Deno.test("a port in use is EADDRINUSE", () =>
  serving({}, () => ({ status: 200, headers: {}, body: "" }), async (port) => {
    await assert.rejects(serveHttp({ host: "127.0.0.1", port }, () => ({ status: 200, headers: {}, body: "" })), {
      name: "NetworkFailed",
      code: "EADDRINUSE",
    });
  }));
