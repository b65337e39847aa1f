/** What routes are told, who may be one, and what they may cost: gossip, INFO, authorization, permissions, limits. */
import assert from "node:assert/strict";
import { hashSync } from "bcryptjs";
import { withEmbedded } from "../../../../tests/support/embedded_nats.ts";
import { joinMesh, peerConnect, peerInfo } from "../../../../tests/support/raw_route_peer.ts";
import { probeRoute, quietClient, withCluster } from "../../../../tests/support/route_port.ts";
import { RawNatsClient } from "../../../../tests/support/raw_nats_client.ts";
import { eventually } from "../../../../tests/support/deadline.ts";
import { ownMemory } from "../../../../tests/support/own_memory.ts";

Deno.test("an old route is told of a new peer; the new one is not told of the old", async () => {
  await withCluster({}, async (server, port) => {
    const old = await joinMesh(port, { server_id: "NOLD", server_name: "old" });
    const more = {
      server_id: "NNEW",
      server_name: "new",
      port: 7,
      nonce: "n",
      route_pool_size: 3,
      compression: "off",
      gossip_mode: 1,
    };
    const { peer, burst } = await joinMesh(port, { ...more, connect_urls: ["1.2.3.4:5"] });
    assert.equal(burst, "");
    const told = await old.peer.ask("");
    assert.ok(told.startsWith("INFO {") && told.endsWith("}\r\n"), told);
    assert.deepEqual(JSON.parse(told.slice(5)), {
      server_id: "NNEW",
      server_name: "new",
      version: "2.9.10",
      proto: 2,
      host: "127.0.0.1",
      port: 7,
      headers: true,
      max_payload: 1048576,
      cluster: "c1",
      connect_urls: ["1.2.3.4:5"],
      ip: "nats-route://127.0.0.1:7/",
    });
    const third = await joinMesh(port, { ip: "nats-route://9.9.9.9:9/" });
    const again = JSON.parse((await old.peer.ask("")).slice(5)) as Record<string, unknown>;
    assert.equal(again["ip"], "nats-route://9.9.9.9:9/");
    assert.deepEqual(server.cluster, { name: "c1", peerUrls: ["1.2.3.4:5"] });
    await Promise.all([old.peer.close(), peer.close(), third.peer.close()]);
  });
});

Deno.test("clients hear of peers that come, turn lame, and go", async () => {
  await withCluster({}, async (server, port) => {
    const listener = await quietClient(server);
    const own = `127.0.0.1:${server.address.port}`;
    const told = async () =>
      (JSON.parse((await listener.until((text) => text.includes("INFO "))).split("INFO ").at(-1)!) as {
        connect_urls: string[];
      }).connect_urls;
    const info = { server_id: "NX", server_name: "x", connect_urls: ["5.5.5.5:5"] };
    const { peer } = await joinMesh(port, info);
    assert.deepEqual(await told(), [own, "5.5.5.5:5"]);
    listener.received = "";
    await peer.send(peerInfo({ ...info, ldm: true }));
    assert.deepEqual(await told(), [own]);
    listener.received = "";
    await peer.send(peerInfo(info));
    assert.deepEqual(await told(), [own, "5.5.5.5:5"]);
    listener.received = "";
    await peer.close();
    assert.deepEqual(await told(), [own]);
    await listener.close();
  });
});

Deno.test("a server that listens everywhere tells the addresses at which it is reached", async () => {
  const localAddresses = ["192.0.2.7", "2001:db8::7"];
  await withCluster({}, async (server, port) => {
    const { peer } = await joinMesh(port);
    assert.deepEqual(peer.info["connect_urls"], [`192.0.2.7:${server.address.port}`]);
    await peer.close();
  }, { host: "0.0.0.0", localAddresses });
  await withCluster({ noAdvertise: true }, async (_server, port) => {
    const { peer } = await joinMesh(port);
    assert.equal(peer.info["connect_urls"], undefined);
    await peer.close();
  }, { host: "0.0.0.0", localAddresses });
});

Deno.test("a lame duck tells its routes and keeps its own URLs there", async () => {
  await withCluster({}, async (server, port) => {
    const { peer } = await joinMesh(port);
    const leaving = server.lameDuck();
    const line = await peer.until((text) => text.includes("\r\n"));
    const info = JSON.parse(line.slice(5)) as Record<string, unknown>;
    assert.deepEqual([info["ldm"], info["connect_urls"]], [true, [`127.0.0.1:${server.address.port}`]]);
    await leaving;
    await peer.close();
  }, { lameDuckGrace: 0, lameDuckDuration: 10 });
});

Deno.test("cluster authorization: plain and hashed passwords, wrong, missing and late", async (t) => {
  const hash = hashSync("rp", 4);
  const violation = "-ERR 'Authorization Violation'\r\n";
  for (const password of ["rp", hash]) {
    await withCluster({ authorization: { user: "ru", password, timeout: 200 } }, async (server, port) => {
      await t.step(password === hash ? "hashed" : "plain", async () => {
        const late = await RawNatsClient.connect(port);
        assert.equal(late.info["auth_required"], true);
        const right = peerConnect({ user: "ru", pass: "rp" });
        const peer = await RawNatsClient.connect(port);
        assert.equal(await peer.ask(right + peerInfo()), "");
        assert.equal(server.routes.list().length, 1);
        assert.deepEqual(await probeRoute(port, peerConnect({ user: "ru", pass: "no" }) + peerInfo()), [
          violation,
          true,
        ]);
        assert.deepEqual(await probeRoute(port, peerConnect({ user: "x", pass: "rp" })), [violation, true]);
        assert.deepEqual(await probeRoute(port, peerConnect()), [violation, true]);
        assert.deepEqual(await probeRoute(port, peerInfo()), [violation, true]);
        assert.equal(await late.untilClosed(), "-ERR 'Authentication Timeout'\r\n");
        assert.equal(peer.closed, false);
        await Promise.all([late.close(), peer.close()]);
      });
    });
  }
});

Deno.test("cluster permissions filter what is told and what is honoured, not the messages", async () => {
  const permissions = { import: { allow: ["imp.>"], deny: ["imp.no"] }, export: { allow: ["exp.>"] } };
  await withCluster({ permissions }, async (server, port) => {
    const local = await quietClient(server);
    await local.ask("SUB imp.a 1\r\nSUB imp.no 2\r\nSUB other 3\r\nSUB imp.* 4\r\nSUB > 5\r\n");
    const { peer, burst } = await joinMesh(port);
    assert.deepEqual(burst.split("\r\n").sort(), ["", "RS+ $G imp.*", "RS+ $G imp.a"]);
    await local.ask("SUB imp.no 6\r\nSUB imp.b 7\r\n");
    assert.equal(await peer.ask("RS+ $G exp.x\r\nRS+ $G nope\r\n"), "RS+ $G imp.b\r\n");
    await local.ask("PUB exp.x 1\r\nx\r\nPUB nope 1\r\nx\r\n");
    assert.equal(await peer.ask(""), "RMSG $G exp.x 1\r\nx\r\n");
    await peer.ask("RMSG $G other 1\r\ny\r\n");
    assert.equal((await local.ask("")).split("MSG other").length - 1, 2);
    await Promise.all([local.close(), peer.close()]);
  });
});

Deno.test("accounts travel with the messages", async () => {
  const users = [{ user: "a", password: "a", account: "A" }, { user: "b", password: "b", account: "B" }];
  await withCluster({}, async (server, port) => {
    const inA = await quietClient(server, { user: "a", pass: "a" });
    const inB = await quietClient(server, { user: "b", pass: "b" });
    const { peer } = await joinMesh(port);
    await inA.ask("SUB foo 1\r\n");
    await inB.ask("SUB foo 1\r\n");
    assert.equal(await peer.ask(""), "RS+ A foo\r\nRS+ B foo\r\n");
    await peer.ask("RMSG A foo 1\r\na\r\nRS+ B bar\r\nRS+ A quux\r\n");
    assert.equal(await inA.ask("PUB bar 1\r\nx\r\n"), "MSG foo 1 1\r\na\r\n");
    assert.equal(await inB.ask("PUB bar 1\r\ny\r\n"), "");
    assert.equal(await peer.ask(""), "RMSG B bar 1\r\ny\r\n");
    await Promise.all([inA.close(), inB.close(), peer.close()]);
  }, { accounts: [{ name: "A" }, { name: "B" }], authorization: { users } });
});

Deno.test("routes are pinged soon, and given up when they never answer", async () => {
  await withCluster({}, async (_server, port) => {
    const { peer } = await joinMesh(port);
    assert.equal(await peer.untilClosed(), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    await peer.close();
  }, { pingInterval: 50 });
});

Deno.test("a configured route that leads to a client port is no route, and is tried again", async () => {
  await withEmbedded({}, async (elsewhere) => {
    const routes = [`nats-route://127.0.0.1:${elsewhere.address.port}`];
    await withCluster({ routes }, async (server) => {
      const visitors = () => JSON.parse(elsewhere.monitoring("/varz", new URLSearchParams())!.body).total_connections;
      await eventually(() => visitors() >= 2 || undefined, "the second attempt");
      assert.deepEqual([server.routes.list(), server.cluster.peerUrls], [[], []]);
    });
  });
});

Deno.test("strangers on the route port are limited in number and in what they make this server keep", async () => {
  await withCluster({}, async (_server, port) => {
    const peers = await Promise.all(Array.from({ length: 256 }, () => RawNatsClient.connect(port)));
    const surplus = await RawNatsClient.connect(port, false);
    assert.equal(await surplus.untilClosed(), "");
    await Promise.all([...peers, surplus].map((peer) => peer.close()));
    // A size is announced that never comes: nothing is reserved for it.
    const before = ownMemory();
    const { peer } = await joinMesh(port);
    await peer.send("RMSG $G foo 999999999\r\n" + "x".repeat(100_000));
    const other = await joinMesh(port);
    assert.equal(await other.peer.ask(""), "");
    assert.ok(ownMemory() - before < 100e6);
    await Promise.all([peer.close(), other.peer.close()]);
  });
});
