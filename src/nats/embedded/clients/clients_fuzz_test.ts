/** Whatever comes on the client port: the server lives, other connections notice nothing, little is kept. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { framed, hostileObject } from "../../../../tests/support/hostile.ts";
import { ownMemory } from "../../../../tests/support/own_memory.ts";
import { quietConnect, RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";
import { withEmbedded } from "../../../../tests/support/embedded_nats.ts";

const connectKeys = [
  "verbose",
  "Pedantic",
  "echo",
  "headers",
  "no_responders",
  "protocol",
  "user",
  "pass",
  "auth_token",
  "nkey",
  "sig",
  "jwt",
  "name",
  "lang",
  "version",
  "account",
  "new_account",
  "tls_required",
];
const subject = fc.constantFrom("fuzz", "fuzz.a", "calm.x", "a..b", ">", "*", "\0", "\xff", "_R_.x", "x".repeat(4_000));
const pair = fc.tuple(subject, subject).map((words) => words.join(" "));
const odd = fc.tuple(subject, subject, subject, subject).map((words) => words.join(" "));
const sid = fc.constantFrom("1", "2", "999999999999", "-1", "a b", "");
const said = fc.oneof(
  framed(fc.oneof(subject, pair, odd).map((words) => `PUB ${words}`), false),
  framed(fc.oneof(subject, pair, odd).map((words) => `HPUB ${words}`), true),
  fc.tuple(subject, sid).map(([to, as]) => `SUB ${to} ${as}\r\n`),
  fc.tuple(subject, subject, sid).map(([to, group, as]) => `SUB ${to} ${group} ${as}\r\n`),
  fc.tuple(sid, fc.constantFrom("", "1", "0", "-1", "1e9", "99999999999")).map(([as, max]) => `UNSUB ${as} ${max}\r\n`),
  hostileObject(connectKeys).map((json) => `CONNECT ${json}\r\n`),
  hostileObject(["server_id"]).map((json) => `INFO ${json}\r\n`),
  fc.constantFrom(
    "PING\r\n",
    "PONG\r\n",
    "+OK\r\n",
    "-ERR 'x'\r\n",
    "RMSG $G calm 1\r\nx\r\n",
    "MSG calm 1 1\r\nx\r\n",
  ),
);

Deno.test("the client port survives hostile messages and CONNECT, and disturbs nobody", async () => {
  await withEmbedded({ serverName: "us" }, async (server) => {
    const { port } = server.address;
    const client = await RawNatsClient.connect(port);
    await client.ask(quietConnect({ headers: true }) + "SUB calm 1\r\nSUB fuzz.> q 2\r\n");
    const before = ownMemory();
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(said, { maxLength: 10 }), fc.nat(2_000), async (known, lines, cut) => {
        const guest = await RawNatsClient.connect(port);
        const text = (known ? quietConnect({ headers: true, no_responders: true }) : "") + lines.join("");
        await guest.send(text.slice(0, cut));
        await guest.send(text.slice(cut));
        await client.send("PUB calm 1\r\nx\r\n");
        await client.until((received) => received.includes("MSG calm 1 1\r\nx\r\n"));
        client.received = "";
        await guest.close();
      }),
      { numRuns: 500, seed: 4 },
    );
    assert.equal(client.closed, false);
    while (server.sessions.size > 1) await client.ask("");
    assert.equal(server.globalAccount.tree.localCount, 2);
    const grown = ownMemory() - before;
    assert.ok(grown < 150e6, `memory grew by ${grown} bytes`);
    await client.close();
  });
});
