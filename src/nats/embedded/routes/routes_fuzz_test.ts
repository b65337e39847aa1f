/** Whatever comes on the route port: the server lives, other connections notice nothing, little is kept. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { withEmbedded } from "../../../../tests/support/embedded_nats.ts";
import { quietConnect, RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";
import { joinMesh, peerConnect, peerInfo } from "../../../../tests/support/raw_route_peer.ts";
import { framed, hostileObject } from "../../../../tests/support/hostile.ts";
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

const infoKeys = [
  "server_id",
  "server_name",
  "version",
  "proto",
  "host",
  "port",
  "headers",
  "auth_required",
  "cluster",
  "cluster_dynamic",
  "connect_urls",
  "ip",
  "ldm",
  "route_account",
  "go",
];
const connectKeys = ["user", "pass", "name", "cluster", "cluster_dynamic", "verbose", "lang", "gateway", "headers"];
const groups = fc.array(fc.constantFrom("q", "q2", "nobody", ">", "+", "|", "\xff"), { maxLength: 5 });
const target = fc.tuple(fc.constantFrom("$G", "nope"), fc.constantFrom("fuzz", "fuzz.a", "calm.x", "a..b", ">", "*"))
  .map((words) => words.join(" "));
const forms = fc.oneof(
  target,
  target.map((start) => `${start} reply`),
  fc.tuple(target, groups).map(([start, names]) => [start, "|", ...names].join(" ")),
  fc.tuple(target, groups).map(([start, names]) => [start, "+", "reply", ...names].join(" ")),
  fc.tuple(target, fc.constantFrom("||", "*", "-", "+|"), groups).map(([a, b, names]) => [a, b, ...names].join(" ")),
);
const interest = fc.tuple(
  fc.constantFrom("RS+", "RS-"),
  target,
  fc.constantFrom("", " q", " q 1", " q 0", " q -5", " q 1e9", " q 99999999999999999999", " q 1 1"),
).map(([verb, what, more]) => `${verb} ${what}${more}\r\n`);
const said = fc.oneof(
  framed(forms.map((form) => `RMSG ${form}`), false),
  framed(forms.map((form) => `HMSG ${form}`), true),
  interest,
  hostileObject(infoKeys).map((json) => `INFO ${json}\r\n`),
  hostileObject(connectKeys).map((json) => `CONNECT ${json}\r\n`),
);

Deno.test("the route port survives hostile messages, interest and INFO, from strangers and from a route", async () => {
  const options = { serverName: "us", cluster: { name: "", host: "127.0.0.1", port: 0 } };
  await withEmbedded(options, async (server) => {
    const { port } = server.routes.address!;
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(quietConnect({ headers: true }) + "SUB calm 1\r\nSUB fuzz.> q 2\r\nSUB fuzz q2 3\r\n");
    const before = ownMemory();
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(said, { maxLength: 8 }), fc.nat(2_000), async (known, lines, cut) => {
        const peer = await RawNatsClient.connect(port);
        const { cluster } = peer.info;
        const text = (known ? peerConnect({ cluster }) + peerInfo({ cluster }) : "") + lines.join("");
        await peer.send(text.slice(0, cut));
        await peer.send(text.slice(cut));
        // When this is answered, the server has had all of it, or has hung up.
        await Promise.race([peer.ask(""), peer.untilClosed(), new Promise((resolve) => setTimeout(resolve, 20))]);
        await client.send("PUB calm 1\r\nx\r\n");
        await client.until((received) => received.includes("MSG calm 1 1\r\nx\r\n"));
        client.received = "";
        await peer.close();
      }),
      { numRuns: 300, seed: 9 },
    );
    assert.equal(client.closed, false);
    while (server.routes.list().length > 0) await client.ask("");
    assert.equal(server.globalAccount.tree.remoteCount, 0);
    const grown = ownMemory() - before;
    assert.ok(grown < 150e6, `memory grew by ${grown} bytes`);
    assert.ok(server.cluster.name!.length <= 256);
    await client.close();
  });
});

Deno.test("what a stranger says on the route port without an end, or announces, is not kept", async () => {
  await withEmbedded({ serverName: "us", cluster: { name: "c1", host: "127.0.0.1", port: 0 } }, async (server) => {
    const { port } = server.routes.address!;
    for (const start of ['INFO {"server_id":"', "CONNECT {", "RS+ $G ", "RMSG $G foo 999999999\r\n"]) {
      const peer = await RawNatsClient.connect(port);
      const part = "x".repeat(1 << 18);
      await peer.send(start);
      for (let i = 0; i < 8 && !peer.closed; i++) await peer.send(part);
      assert.equal(await peer.untilClosed(), "", start);
      await peer.close();
    }
    // A route may have long lines, but not endless ones.
    const { peer } = await joinMesh(port);
    assert.equal(await peer.ask(`RS- $G ${"y".repeat(2 << 20)}\r\n`), "");
    const part = "x".repeat(1 << 20);
    await peer.send("RS+ $G ");
    for (let i = 0; i < 20 && !peer.closed; i++) await peer.send(part);
    await peer.untilClosed();
    await peer.close();
  });
});
