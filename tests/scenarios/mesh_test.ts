/** Embedded NATS servers in a mesh (spec nats-server, section 7, scenarios 55 to 80). */
import assert from "node:assert/strict";
import { authority, serverIdentity } from "../support/certificates.ts";
import { eventually } from "../support/deadline.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import {
  bytes,
  closeAll,
  everybodyHearsEverybody,
  freePort,
  gather,
  meshed,
  responds,
  routePort,
  serve,
  startMember,
} from "../support/mesh.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { joinMesh, peerInfo } from "../support/raw_route_peer.ts";
import { TurnWatch } from "../support/turn_watch.ts";

Deno.test("55. two servers with routes to each other, started at once: one route, and it stays", async () => {
  for (let round = 0; round < 5; round++) {
    const ports = [freePort(), freePort()];
    const [a, b] = await Promise.all([
      startMember("a", [ports[1]!], { port: ports[0]! }),
      startMember("b", [ports[0]!], { port: ports[1]! }),
    ]);
    await meshed(a, b);
    // The second of two connections that have crossed may come a moment later.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await meshed(a, b);
    const ids = () => [...a.routes.list(), ...b.routes.list()].map((route) => route.id).join();
    const before = ids();
    await everybodyHearsEverybody(a, b);
    if (round === 0) {
      // Past the first pings and the times to dial again.
      const pinged = () => [a, b].every((server) => server.routes.list().every(({ roundTrip }) => roundTrip > 0));
      await eventually(() => pinged() || undefined, "the answers to the first pings");
    }
    assert.equal(ids(), before, "the route flapped");
    await closeAll(a, b);
  }
});

Deno.test("56. three servers with one seed: a full mesh", async () => {
  const seed = await startMember("seed", []);
  const b = await startMember("b", [routePort(seed)]);
  const c = await startMember("c", [routePort(seed)]);
  await meshed(seed, b, c);
  await everybodyHearsEverybody(seed, b, c);
  assert.deepEqual(
    b.routes.list().map((route) => [route.remoteName, route.isConfigured]).sort(),
    [["c", false], ["seed", true]],
  );
  // A lost server is forgotten, and found again when it is back.
  const port = routePort(seed);
  await seed.close();
  await meshed(b, c);
  const again = await startMember("seed", [], { port });
  await meshed(again, b, c);
  await everybodyHearsEverybody(again, b, c);
  await closeAll(again, b, c);
});

Deno.test("two servers that know each other by gossip only find each other again", async () => {
  const seed = await startMember("seed", []);
  const b = await startMember("b", [routePort(seed)]);
  const c = await startMember("c", [routePort(seed)]);
  await meshed(seed, b, c);
  // The connection between them breaks; nobody tells them of each other again.
  const between = b.routes.list().find((route) => route.remoteName === "c") as unknown as {
    close(reason: string): void;
  };
  between.close("Read Error");
  assert.equal(b.routes.list().length, 1);
  await meshed(seed, b, c);
  await everybodyHearsEverybody(seed, b, c);
  await closeAll(seed, b, c);
});

Deno.test("57. a peer that restarts again and again leaves nothing behind", async () => {
  const a = await startMember("a", []);
  const here = a.openBus("here");
  const seen = gather(here, "from.b");
  serve(here, "at.a", "a");
  for (let round = 0; round < 20; round++) {
    const b = await startMember("b", [routePort(a)]);
    const there = b.openBus("there");
    serve(there, "at.b", "b");
    await responds(there, "at.a");
    await responds(here, "at.b");
    there.publish(bytes("from.b"), bytes(String(round)));
    await eventually(() => seen.length === round + 1 || undefined, "the message");
    await b.close();
    await eventually(() => a.routes.list().length === 0 || undefined, "the loss of the route");
    assert.equal((await here.request("at.b", bytes("?"), 5_000)).kind, "no responders");
  }
  assert.deepEqual(seen, Array.from({ length: 20 }, (_, i) => String(i)));
  assert.equal(a.globalAccount.tree.remoteCount, 0);
  await a.close();
});

Deno.test("58. a connection cut in the middle of a message delivers nothing of it", async () => {
  const a = await startMember("a", []);
  const seen = gather(a.openBus("here"), "cut");
  const first = await joinMesh(routePort(a), { server_id: "NX", server_name: "x" });
  assert.equal(first.burst, "RS+ $G cut\r\n");
  await first.peer.ask("RS+ $G over.there\r\n");
  await first.peer.send("RMSG $G cut 10\r\nhalf");
  await first.peer.close();
  await eventually(() => a.routes.list().length === 0 || undefined, "the loss of the route");
  assert.equal(a.globalAccount.tree.remoteCount, 0);
  const second = await joinMesh(routePort(a), { server_id: "NX", server_name: "x" });
  assert.equal(second.burst, "RS+ $G cut\r\n");
  await second.peer.ask("RMSG $G cut 5\r\nwhole\r\n");
  assert.deepEqual(seen, ["whole"]);
  await second.peer.close();
  await a.close();
});

Deno.test("63. a member that leaves while messages are on their way: none comes twice", async () => {
  const a = await startMember("a", []);
  const b = await startMember("b", [routePort(a)]);
  await meshed(a, b);
  const [stays, leaves] = [await RawNatsClient.connect(a.address.port), await RawNatsClient.connect(b.address.port)];
  await stays.ask(quietConnect() + "SUB work q 1\r\n");
  await leaves.ask(quietConnect() + "SUB work q 1\r\n");
  const publisher = await RawNatsClient.connect(a.address.port);
  await publisher.ask(quietConnect());
  await eventually(() => a.globalAccount.tree.remoteCount === 1 || undefined, "the other member");
  let commands = "";
  for (let i = 0; i < 2_000; i++) commands += `PUB work 4\r\n${String(i).padStart(4, "0")}\r\n`;
  await Promise.all([publisher.send(commands), leaves.send("UNSUB 1\r\n")]);
  await publisher.ask("");
  await eventually(() => a.globalAccount.tree.remoteCount === 0 || undefined, "the member's leave");
  await leaves.ask("");
  const got = [...(await stays.ask("")).matchAll(/MSG work 1 4\r\n(\d{4})/g)].map((match) => match[1]);
  const gotThere = [...leaves.received.matchAll(/MSG work 1 4\r\n(\d{4})/g)].map((match) => match[1]);
  const all = [...got, ...gotThere];
  assert.equal(new Set(all).size, all.length, "a message came twice");
  assert.ok(got.length > 900, `only ${got.length} came`);
  await Promise.all([stays.close(), leaves.close(), publisher.close(), closeAll(a, b)]);
});

Deno.test("64. a request across servers is answered; when the service has gone, nobody responds", async () => {
  const a = await startMember("a", []);
  const b = await startMember("b", [routePort(a)]);
  const [asking, serving] = [a.openBus("asking"), b.openBus("serving")];
  const service = serve(serving, "service", "answer");
  await responds(asking, "service");
  service.unsubscribe();
  await eventually(async () => {
    return (await asking.request("service", bytes("?"), 1_000)).kind === "no responders" || undefined;
  }, "the service's end");
  await closeAll(a, b);
});

Deno.test("66. a malformed line ends the route, which is dialed again; clients notice nothing", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const ours = await startMember("ours", [(listener.addr as Deno.NetAddr).port]);
  const client = await RawNatsClient.connect(ours.address.port);
  await client.ask(quietConnect() + "SUB calm 1\r\n");
  for (const line of ["RS+ $G foo q\r\n", "RMSG $G 2\r\nhi\r\n", "RMSG $G calm * q 2\r\nhi\r\n"]) {
    const peer = new RawNatsClient(await listener.accept());
    await peer.send(peerInfo({ server_id: "NBAD", server_name: "bad" }));
    await peer.until((text) => text.includes("RS+ $G calm\r\n"));
    await peer.send("RS+ $G there\r\n" + line);
    assert.doesNotMatch(await peer.untilClosed(), /-ERR/);
    assert.equal(await client.ask("PUB calm 1\r\nx\r\n"), "MSG calm 1 1\r\nx\r\n");
    assert.deepEqual([ours.routes.list().length, ours.globalAccount.tree.remoteCount], [0, 0]);
    await peer.close();
  }
  listener.close();
  await client.close();
  await ours.close();
});

Deno.test("69. cluster names: others are refused again and again, generated ones give way", async (t) => {
  await t.step("c1 and c2", async () => {
    const log = new RecordingLog();
    const a = await startMember("a", [], {}, {}, log);
    const b = await startMember("b", [routePort(a)], { name: "c2" });
    await log.untilLines(/cluster name "c2" does not match "c1"/, 3);
    assert.deepEqual([a.routes.list().length, b.routes.list().length], [0, 0]);
    assert.deepEqual([a.cluster.name, b.cluster.name], ["c1", "c2"]);
    await closeAll(a, b);
  });
  await t.step("generated and c1, either dialing", async () => {
    for (const dialing of ["named", "unnamed"]) {
      const first = await startMember("first", [], dialing === "named" ? { name: "" } : {});
      const second = await startMember("second", [routePort(first)], dialing === "named" ? {} : { name: "" });
      await meshed(first, second);
      assert.deepEqual([first.cluster.name, second.cluster.name], ["c1", "c1"]);
      await closeAll(first, second);
    }
  });
  await t.step("three generated ones agree on the largest", async () => {
    const seed = await startMember("seed", [], { name: "" });
    const others = [
      await startMember("b", [routePort(seed)], { name: "" }),
      await startMember("c", [routePort(seed)], { name: "" }),
    ];
    const largest = [seed, ...others].map((server) => server.cluster.name!).sort().at(-1)!;
    await meshed(seed, ...others);
    for (const server of [seed, ...others]) assert.equal(server.cluster.name, largest);
    await everybodyHearsEverybody(seed, ...others);
    await closeAll(seed, ...others);
  });
});

Deno.test("70. a server of the same name is refused; a route to oneself is no loop", async () => {
  const port = freePort();
  const log = new RecordingLog();
  const a = await startMember("same", [port], { port }, {}, log);
  const b = await startMember("same", [port]);
  await log.untilLines(/Remote server has a duplicate name: "same"/, 2);
  assert.deepEqual([a.routes.list().length, b.routes.list().length], [0, 0]);
  const c = await startMember("other", [port]);
  await meshed(a, c);
  assert.ok(a.routes.list()[0]!.id < 12, "it dialed itself all the time");
  await closeAll(a, b, c);
});

Deno.test("75. a route that takes nothing: publishers go on, and it is closed at the write deadline", async () => {
  const a = await startMember("a", [], {}, { writeDeadline: 3_000, maxPending: 8 << 20 });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: routePort(a) });
  const peer = new RawNatsClient(
    { read: () => new Promise(() => {}), write: (data: Uint8Array) => connection.write(data) } as unknown as Deno.Conn,
  );
  await peer.send(
    `CONNECT {"cluster":"c1"}\r\nINFO {"server_id":"NSTUCK","server_name":"stuck","cluster":"c1","headers":true} \r\nRS+ $G flood\r\n`,
  );
  await eventually(() => a.globalAccount.tree.remoteCount === 1 || undefined, "the interest");
  const publisher = await RawNatsClient.connect(a.address.port);
  await publisher.ask(quietConnect());
  const batch = `PUB flood 60000\r\n${"x".repeat(60_000)}\r\n`.repeat(10);
  const start = performance.now();
  let sent = 0;
  while (a.routes.list().length > 0) {
    assert.equal(await publisher.ask(batch), "");
    sent += 10;
    assert.ok(performance.now() - start < 20_000, "the route was never closed");
  }
  assert.ok(sent > 100, `the publisher was held up after ${sent} messages`);
  connection.close();
  await publisher.close();
  await a.close();
});

Deno.test("76. two hundred thousand subscriptions are told, heard of and forgotten a part at a time", async () => {
  const count = 200_000;
  const a = await startMember("a", []);
  const client = await RawNatsClient.connect(a.address.port);
  await client.ask(quietConnect());
  const lines = (verb: string, from: number) =>
    Array.from({ length: 10_000 }, (_, i) => `${verb}some.rather.long.subject.${from + i}`);
  for (let from = 0; from < count; from += 10_000) {
    await client.send(lines("SUB ", from).map((line, i) => `${line} ${from + i}\r\n`).join(""));
  }
  assert.equal(await client.ask(""), "");
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: routePort(a) });
  await connection.write(
    bytes(`CONNECT {"cluster":"c1"}\r\nINFO {"server_id":"NX","server_name":"x","cluster":"c1"} \r\n`),
  );
  const turns = new TurnWatch();
  // As long as the peer reads nothing, little is kept for it, and clients are served.
  await eventually(() => a.routes.list().length === 1 || undefined, "the route");
  for (let i = 0; i < 50; i++) assert.equal(await client.ask("PUB nobody 1\r\nx\r\n"), "");
  assert.ok(a.routes.list()[0]!.pendingBytes < 4e6, `${a.routes.list()[0]!.pendingBytes} bytes are kept`);
  let told = 0;
  const buffer = new Uint8Array(1 << 20);
  while (told < count + 1) {
    const read = await connection.read(buffer);
    assert.ok(read !== null);
    for (let i = 0; i < read; i++) if (buffer[i] === 10) told++;
  }
  const telling = turns.longest();
  for (let from = 0; from < count; from += 10_000) {
    const text = bytes(lines("RS+ $G ", from).join("\r\n") + "\r\n");
    turns.longest();
    for (let at = 0; at < text.length;) at += await connection.write(text.subarray(at));
  }
  const { tree } = a.globalAccount;
  await eventually(() => tree.remoteCount === count || undefined, "its interest");
  const hearing = turns.longest();
  connection.close();
  await eventually(() => a.routes.list().length === 0 || undefined, "the route's end");
  // What is not forgotten yet counts no more.
  await client.ask("SUB inbox x\r\n");
  const request = "PUB some.rather.long.subject.199999 inbox 0\r\n\r\n";
  await client.ask(quietConnect({ headers: true, no_responders: true }) + "UNSUB 199999\r\n");
  assert.match(await client.ask(request), /503/);
  await eventually(() => tree.remoteCount === 0 || undefined, "everything forgotten");
  const forgetting = turns.longest();
  await turns.end();
  for (const time of [telling, hearing, forgetting]) {
    assert.ok(time <= 50, `turns of ${telling}, ${hearing} and ${forgetting} ms`);
  }
  await client.close();
  await a.close();
});

Deno.test("78. TLS on routes: first of all, with certificates on both sides", async () => {
  const tls = { certificate: serverIdentity.certificate, key: serverIdentity.key, authorities: authority };
  const a = await startMember("a", [], { tls });
  const plain = await Deno.connect({ hostname: "127.0.0.1", port: routePort(a) });
  const b = await startMember("b", [routePort(a)], { tls });
  const c = await startMember("c", [routePort(a)], { tls });
  await meshed(a, b, c);
  await everybodyHearsEverybody(a, b, c);
  await plain.write(bytes("CONNECT {}\r\n"));
  const answer = new Uint8Array(64);
  const read = await plain.read(answer).catch(() => null);
  assert.ok(read === null || answer[0] === 0x15, "something but a TLS alert came to a plain peer");
  plain.close();
  const log = new RecordingLog();
  const stranger = await startMember("stranger", [routePort(a)], {}, {}, log);
  await log.untilLines(/Router connection closed/);
  assert.equal(stranger.routes.list().length, 0);
  await closeAll(a, b, c, stranger);
});

Deno.test("79. a lame duck of three: its peers' clients are sent to the others", async () => {
  const a = await startMember("a", [], {}, { lameDuckGrace: 10, lameDuckDuration: 50 });
  const b = await startMember("b", [routePort(a)]);
  const c = await startMember("c", [routePort(a)]);
  await meshed(a, b, c);
  const url = (server: NatsServer) => `127.0.0.1:${server.address.port}`;
  const clients = [await RawNatsClient.connect(b.address.port), await RawNatsClient.connect(c.address.port)];
  for (const client of clients) await client.ask(quietConnect({ protocol: 1 }));
  assert.deepEqual((clients[0]!.info["connect_urls"] as string[]).sort(), [a, b, c].map(url).sort());
  const leaving = a.lameDuck();
  for (const client of clients) {
    const told = await client.until((text) => text.includes("INFO") && text.endsWith("\r\n"));
    const { connect_urls: urls, ldm } = JSON.parse(told.slice(5)) as { connect_urls: string[]; ldm?: boolean };
    assert.deepEqual([urls.sort(), ldm], [[b, c].map(url).sort(), undefined]);
  }
  await leaving;
  for (const client of clients) await client.close();
  await closeAll(a, b, c);
});
