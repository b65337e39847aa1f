/** Whatever comes on the route port: the server lives, other connections notice nothing, little is kept. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { withEmbedded } from "../../../../tests/support/embedded_nats.ts";
import { quietConnect, RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";
import { joinMesh, peerConnect, peerInfo } from "../../../../tests/support/raw_route_peer.ts";
import { ownMemory } from "../../../../tests/support/own_memory.ts";

const word = fc.oneof(
  fc.constantFrom(
    "$G",
    "nope",
    "foo",
    "foo.*",
    ">",
    "a..b",
    "q",
    "|",
    "+",
    "0",
    "2",
    "12",
    "999999999",
    "1234567890",
    "-1",
    "\0",
    "\r",
  ),
  fc.string({ unit: "binary-ascii", maxLength: 8 }),
);
const verb = fc.constantFrom(
  "RS+",
  "RS-",
  "RMSG",
  "HMSG",
  "INFO",
  "CONNECT",
  "PING",
  "PONG",
  "+OK",
  "-ERR",
  "SUB",
  "PUB",
  "LS+",
  "A+",
  "",
);
const line = fc.tuple(verb, fc.array(word, { maxLength: 7 }), fc.constantFrom("\r\n", "\n", "", "\r\nhi\r\n"))
  .map(([verb, words, end]) => [verb, ...words].join(" ") + end);
const json = fc.json({ maxDepth: 2 }).chain((text) => fc.constantFrom(`INFO ${text}\r\n`, `CONNECT ${text}\r\n`));
const known = fc.constantFrom(
  "RS+ $G fuzz.>\r\n",
  "RS+ $G fuzz q 1000000000000\r\n",
  "RMSG $G fuzz 2\r\nhi\r\n",
  "HMSG $G fuzz + r q 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
  'INFO {"server_id":"NOTHER","host":"127.0.0.1","port":1,"connect_urls":[1,null,"x"]}\r\n',
);
const script = fc.tuple(fc.boolean(), fc.array(fc.oneof(line, json, known), { maxLength: 10 }), fc.nat(400));

Deno.test("the route port survives arbitrary lines, cut anywhere, and disturbs nobody", async () => {
  await withEmbedded({ serverName: "us", cluster: { name: "c1", host: "127.0.0.1", port: 0 } }, async (server) => {
    const { port } = server.routes.address!;
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(quietConnect() + "SUB calm 1\r\n");
    const { peer: calm, burst } = await joinMesh(port, { server_id: "NCALM", server_name: "calm" });
    assert.equal(burst, "RS+ $G calm\r\n");
    const before = ownMemory();
    await fc.assert(
      fc.asyncProperty(script, async ([introduced, lines, cut]) => {
        const peer = await RawNatsClient.connect(port);
        const text = (introduced ? peerConnect() + peerInfo() : "") + lines.join("");
        await peer.send(text.slice(0, cut));
        await peer.send(text.slice(cut));
        await calm.ask("RMSG $G calm 1\r\nx\r\n");
        assert.ok((await client.ask("")).includes("MSG calm 1 1\r\nx\r\n"));
        await peer.close();
      }),
      { numRuns: 400, seed: 5 },
    );
    assert.equal(calm.closed, false);
    assert.ok(ownMemory() - before < 150e6, "memory grew");
    while (server.routes.list().length > 1) await client.ask("");
    assert.equal(server.globalAccount.tree.remoteCount, 0);
    await Promise.all([client.close(), calm.close()]);
  });
});
