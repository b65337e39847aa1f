/** The route port, line by line: a hand-made peer says something, and what comes back is what the reference answers. */
import assert from "node:assert/strict";
import { joinMesh, peerConnect, peerInfo } from "../../../../tests/support/raw_route_peer.ts";
import { probeRoute, quietClient, withCluster } from "../../../../tests/support/route_port.ts";
import { RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";

const hello = () => peerConnect() + peerInfo();
const wrongName = (name: string) => `-ERR 'Rejecting connection, cluster name "${name}" does not match "c1"'\r\n`;

/** What is said, what comes back, whether the server hangs up; as the fixture of 2.9.10 has it. */
const probes: [what: string, text: () => string, answer: string, closed: boolean][] = [
  ["CONNECT and INFO", hello, "", false],
  ["INFO, then CONNECT", () => peerInfo() + peerConnect(), "", false],
  ["INFO alone", () => peerInfo(), "", false],
  ["CONNECT alone", () => peerConnect(), "", false],
  ["PING before anything", () => "", "", false],
  [
    "a client at the wrong port",
    () => peerConnect({ lang: "go" }),
    "-ERR 'attempted to connect to route port'\r\n",
    true,
  ],
  ["another cluster in CONNECT", () => peerConnect({ cluster: "zz" }), wrongName("zz"), true],
  ["no cluster in CONNECT", () => peerConnect({ cluster: undefined }), wrongName(""), true],
  ["another cluster in INFO", () => peerInfo({ cluster: "zz" }), "", true],
  ["no cluster in INFO", () => peerInfo({ cluster: undefined }), "", false],
  [
    "a gateway",
    () => peerConnect({ gateway: "G" }),
    "-ERR 'Rejecting connection from gateway \"G\" on the Route port'\r\n",
    true,
  ],
  ["this server's name", () => peerInfo({ server_name: "us" }), "", true],
  ["an INFO that is no JSON", () => "INFO {x\r\n", "", true],
  ["a CONNECT that is no JSON", () => "CONNECT {x\r\n", "", true],
  ["RS+ for an unknown account", () => hello() + "RS+ nope foo\r\n", "", false],
  ["RS+ with one argument", () => hello() + "RS+ $G\r\n", "", true],
  ["RS+ with a group and no weight", () => hello() + "RS+ $G foo q\r\n", "", true],
  ["RS+ with an impossible subject", () => hello() + "RS+ $G a..b\r\n", "-ERR 'Invalid Subscription'\r\n", false],
  ["RS- for what was never wanted", () => hello() + "RS- $G foo\r\n", "", false],
  ["RMSG for an unknown account", () => hello() + "RMSG nope foo 2\r\nhi\r\n", "", false],
  ["RMSG that nobody wants", () => hello() + "RMSG $G foo 2\r\nhi\r\n", "", false],
  ["RMSG with two arguments", () => hello() + "RMSG $G 2\r\nhi\r\n", "", true],
  ["RMSG with a long indicator", () => hello() + "RMSG $G foo || q 2\r\nhi\r\n", "", true],
  ["RMSG with another indicator", () => hello() + "RMSG $G foo * q 2\r\nhi\r\n", "", true],
  ["RMSG with a size that is none", () => hello() + "RMSG $G foo x\r\nhi\r\n", "", true],
  [
    "RMSG with a payload of another length",
    () => hello() + "RMSG $G foo 2\r\nhello\r\n",
    "-ERR 'Unknown Protocol Operation'\r\n",
    true,
  ],
  ["SUB", () => hello() + "SUB foo 1\r\n", "", false],
  ["PUB", () => hello() + "PUB foo 2\r\nhi\r\n", "", false],
  ["-ERR", () => hello() + "-ERR 'x'\r\n", "", true],
  ["+OK", () => hello() + "+OK\r\n", "", false],
  ["garbage", () => hello() + "GARBAGE\r\n", "-ERR 'Unknown Protocol Operation'\r\n", true],
  ["a wish for +OK", () => peerConnect({ verbose: true }) + peerInfo(), "+OK\r\n", false],
  ["lower case", () => hello() + "rs+ $G foo\r\n", "", false],
  ["RS+ before INFO", () => "RS+ $G foo\r\n" + hello(), "", false],
  ["a connection for one account alone", () => peerConnect() + peerInfo({ route_account: "$SYS" }), "", false],
];

Deno.test("the route port answers what the reference answers", async (t) => {
  await withCluster({}, async (_server, port) => {
    for (const [what, text, answer, closed] of probes) {
      await t.step(what, async () => assert.deepEqual(await probeRoute(port, text()), [answer, closed]));
    }
  });
});

Deno.test("INFO on a route tells what other servers need, and nothing that newer ones misread", async () => {
  await withCluster({}, async (server, port) => {
    const peer = await RawNatsClient.connect(port);
    assert.deepEqual(peer.info, {
      server_id: server.serverId,
      server_name: "us",
      version: "2.9.24",
      proto: 2,
      go: "deno",
      host: "127.0.0.1",
      port,
      headers: true,
      max_payload: 1048576,
      cluster: "c1",
      connect_urls: [`127.0.0.1:${server.address.port}`],
    });
    await peer.close();
  });
});

Deno.test("a route to itself and a second route to the same server are closed without a word", async () => {
  await withCluster({}, async (server, port) => {
    assert.deepEqual(await probeRoute(port, peerConnect() + peerInfo({ server_id: server.serverId })), ["", true]);
    const first = await joinMesh(port, { server_id: "NSAME" });
    assert.deepEqual(await probeRoute(port, peerConnect() + peerInfo({ server_id: "NSAME" })), ["", true]);
    assert.equal(await first.peer.ask(""), "");
    assert.equal(server.routes.list().length, 1);
    await first.peer.close();
  });
});

Deno.test("a new route is told all that is wanted, groups with their weight", async () => {
  await withCluster({}, async (server, port) => {
    const one = await quietClient(server);
    const two = await quietClient(server);
    await one.ask("SUB foo 1\r\nSUB foo 2\r\nSUB foo q 3\r\nSUB foo q2 4\r\nSUB a.*.> 5\r\n");
    await two.ask("SUB foo q 1\r\nSUB foo 2\r\n");
    const { peer, burst } = await joinMesh(port);
    assert.deepEqual(burst.split("\r\n").sort(), [
      "",
      "RS+ $G a.*.>",
      "RS+ $G foo",
      "RS+ $G foo q 2",
      "RS+ $G foo q2 1",
    ]);
    await Promise.all([one.close(), two.close(), peer.close()]);
  });
});

Deno.test("changes are told: plain ones at the first and the last, groups each time, a leaving client once", async () => {
  await withCluster({}, async (server, port) => {
    const { peer } = await joinMesh(port);
    const one = await quietClient(server);
    const two = await quietClient(server);
    const told = async () => await peer.ask("");
    await one.ask("SUB foo 1\r\nSUB foo 2\r\n");
    assert.equal(await told(), "RS+ $G foo\r\n");
    await two.ask("SUB foo 1\r\n");
    await one.ask("UNSUB 1\r\nUNSUB 2\r\n");
    assert.equal(await told(), "");
    await two.ask("UNSUB 1\r\n");
    assert.equal(await told(), "RS- $G foo\r\n");
    await one.ask("SUB w q 7\r\n");
    await two.ask("SUB w q 7\r\n");
    assert.equal(await told(), "RS+ $G w q 1\r\nRS+ $G w q 2\r\n");
    await one.ask("UNSUB 7\r\n");
    assert.equal(await told(), "RS+ $G w q 1\r\n");
    await two.ask("UNSUB 7\r\n");
    assert.equal(await told(), "RS- $G w q\r\n");
    await one.ask("SUB i.* 8\r\nUNSUB 8 1\r\n");
    assert.equal(await told(), "RS+ $G i.*\r\n", "the limit of an UNSUB is this server's own affair");
    await two.ask("SUB x 1\r\nSUB x 2\r\nSUB y 3\r\nSUB x q 4\r\n");
    await told();
    await two.close();
    await peer.until((text) => text.split("\r\n").length === 4);
    assert.deepEqual((await told(), peer.received.split("\r\n").sort().slice(1)), []);
    await Promise.all([one.close(), peer.close()]);
  });
});

/** `RMSG` variants to a server with: plain 1 on foo, group q 2 and group q2 3 on foo. */
const incoming: [line: string, wanted: string][] = [
  ["RMSG $G foo 2\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\n"],
  ["RMSG $G foo r 0000002\r\nhi\r\n", "MSG foo 1 r 0000002\r\nhi\r\n"],
  ["RMSG $G foo | q 2\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\nMSG foo 2 2\r\nhi\r\n"],
  ["RMSG $G foo | q q2 2\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\nMSG foo 2 2\r\nhi\r\nMSG foo 3 2\r\nhi\r\n"],
  ["RMSG $G foo + r q2 2\r\nhi\r\n", "MSG foo 1 r 2\r\nhi\r\nMSG foo 3 r 2\r\nhi\r\n"],
  ["RMSG $G foo | other 2\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\n"],
  ["rmsg\t$G  foo  +  r  q  2 \nhi\r\n", "MSG foo 1 r 2\r\nhi\r\nMSG foo 2 r 2\r\nhi\r\n"],
  ["RMSG $G foo 0\r\n\r\n", "MSG foo 1 0\r\n\r\n"],
  ["HMSG $G foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG foo 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"],
  ["HMSG $G foo r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG foo 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"],
  [
    "HMSG $G foo + r q 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    "HMSG foo 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG foo 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
  ],
  ["HMSG $G foo | q 0 2\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\nMSG foo 2 2\r\nhi\r\n"],
];

Deno.test("messages from a route reach plain subscriptions and one member of each group named", async (t) => {
  await withCluster({}, async (server, port) => {
    const listener = await quietClient(server);
    await listener.ask("SUB foo 1\r\nSUB foo q 2\r\nSUB foo q2 3\r\n");
    const { peer } = await joinMesh(port);
    for (const [line, wanted] of incoming) {
      await t.step(JSON.stringify(line), async () => {
        assert.equal(await peer.ask(line), "");
        assert.equal(await listener.ask(""), wanted);
      });
      await t.step(`${JSON.stringify(line)}, byte by byte`, async () => {
        for (const byte of line) await peer.send(byte);
        assert.equal(await peer.ask(""), "");
        assert.equal(await listener.ask(""), wanted);
      });
    }
    await Promise.all([listener.close(), peer.close()]);
  });
});

/** What a client publishes, and the one line that a peer gets that wants `foo`, group q and group q2 of it. */
const outgoing: [command: string, wanted: RegExp][] = [
  ["PUB foo 2\r\nhi\r\n", /^RMSG \$G foo \| q q2 2\r\nhi\r\n$/],
  ["PUB foo r 0000002\r\nhi\r\n", /^RMSG \$G foo \+ r q q2 0000002\r\nhi\r\n$/],
  ["HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", /^HMSG \$G foo \| q q2 12 14\r\nNATS\/1.0\r\n\r\nhi\r\n$/],
  ["PUB bar 2\r\nhi\r\n", /^RMSG \$G bar 2\r\nhi\r\n$/],
  ["pub  bar\tr 2 \nhi\r\n", /^RMSG \$G bar r 2\r\nhi\r\n$/],
  ["HPUB bar r 12 12\r\nNATS/1.0\r\n\r\n\r\n", /^HMSG \$G bar r 12 12\r\nNATS\/1.0\r\n\r\n\r\n$/],
  ["PUB other 2\r\nhi\r\n", /^$/],
];

Deno.test("a message leaves once for each route, whatever wants it there", async (t) => {
  await withCluster({}, async (server, port) => {
    const { peer } = await joinMesh(port);
    await peer.ask("RS+ $G foo\r\nRS+ $G foo q 1\r\nRS+ $G foo q2 3\r\nRS+ $G bar\r\nRS+ $G *\r\nRS- $G *\r\n");
    const publisher = await quietClient(server);
    for (const [command, wanted] of outgoing) {
      await t.step(JSON.stringify(command), async () => {
        await publisher.ask(command);
        assert.match(await peer.ask(""), wanted);
      });
    }
    await t.step("a peer without headers gets none", async () => {
      const { peer: old } = await joinMesh(port, { headers: false });
      await old.ask("RS+ $G old\r\nRS+ $G old q 1\r\n");
      await publisher.ask("HPUB old r 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB old 1\r\nx\r\n");
      assert.equal(await old.ask(""), "RMSG $G old + r q 2\r\nhi\r\nRMSG $G old | q 1\r\nx\r\n");
      await old.close();
    });
    await Promise.all([publisher.close(), peer.close()]);
  });
});

Deno.test("somebody on another server counts as a responder, a group without members does not, and a lost route no more", async () => {
  await withCluster({}, async (server, port) => {
    const requester = await quietClient(server);
    await requester.ask("SUB _I.* 9\r\n");
    const none = "HMSG _I.1 9 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
    const request = () => requester.ask("PUB bar _I.1 2\r\nhi\r\n");
    assert.equal(await request(), none);
    const { peer } = await joinMesh(port);
    assert.equal(await request(), none);
    await peer.ask("RS+ $G bar\r\n");
    assert.equal(await request(), "");
    assert.equal(await peer.ask("RS- $G bar\r\nRS+ $G bar wq 2\r\n"), "RMSG $G bar _I.1 2\r\nhi\r\n");
    assert.equal(await request(), "");
    assert.equal(await peer.ask("RS+ $G bar wq 0\r\n"), "RMSG $G bar + _I.1 wq 2\r\nhi\r\n");
    assert.equal(await request(), none);
    await peer.ask("RS+ $G bar wq 1\r\n");
    assert.equal(await request(), "");
    await peer.close();
    while (server.routes.list().length > 0) await requester.ask("");
    assert.equal(await request(), none);
    await requester.close();
  });
});

Deno.test("a group spread over servers gets its messages by the number of members", async () => {
  await withCluster({}, async (server, port) => {
    const member = await quietClient(server);
    await member.ask("SUB work q 1\r\n");
    const { peer } = await joinMesh(port);
    await peer.ask("RS+ $G work q 3\r\n");
    const publisher = await quietClient(server);
    await publisher.ask("PUB work 1\r\nx\r\n".repeat(2000));
    const here = (await member.ask("")).split("MSG work").length - 1;
    const there = (await peer.ask("")).split("RMSG $G work | q").length - 1;
    assert.equal(here + there, 2000);
    assert.ok(here > 400 && here < 600, `${here} of 2000 stayed here`);
    await Promise.all([member.close(), peer.close(), publisher.close()]);
  });
});

Deno.test("what comes by a route goes to no other, and to no group that has no member here", async () => {
  await withCluster({}, async (_server, port) => {
    const first = await joinMesh(port);
    const second = await joinMesh(port);
    await second.peer.ask("RS+ $G foo\r\nRS+ $G foo q 1\r\n");
    await first.peer.ask("RMSG $G foo | q 2\r\nhi\r\n");
    assert.equal(await second.peer.ask(""), "");
    assert.equal((await first.peer.ask("")).includes("RMSG"), false);
    await Promise.all([first.peer.close(), second.peer.close()]);
  });
});
