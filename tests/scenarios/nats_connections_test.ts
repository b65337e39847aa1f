/** Several clients at the embedded NATS server: spec nats-server, section 7, scenarios 1 to 47 that take more than one probe. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { eventually } from "../support/deadline.ts";
import { bytesOf, quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { startEmbedded, withEmbedded } from "../support/embedded_nats.ts";
import { ownMemory } from "../support/own_memory.ts";
import { TurnWatch } from "../support/turn_watch.ts";

async function withClients(
  options: Parameters<typeof withEmbedded>[0],
  count: number,
  test: (clients: RawNatsClient[], server: NatsServer) => Promise<void>,
): Promise<void> {
  await withEmbedded(options, async (server) => {
    const clients: RawNatsClient[] = [];
    try {
      for (let i = 0; i < count; i++) clients.push(await RawNatsClient.connect(server.address.port));
      await test(clients, server);
    } finally {
      for (const client of clients) await client.close();
    }
  });
}

/** The page as an object. */
function page(server: NatsServer, path: string, query = ""): Record<string, unknown> {
  return JSON.parse(server.monitoring(path, new URLSearchParams(query))!.body);
}

/** Small pseudo-random numbers from a seed, so that a failure can be replayed. */
function* numbersFrom(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

Deno.test("client port 1: a new connection gets one INFO line", async () => {
  await withEmbedded({ serverName: "me" }, async (server) => {
    const client = await RawNatsClient.connect(server.address.port, false);
    const line = await client.until((text) => text.endsWith("\r\n"));
    assert.match(line, /^INFO \{[^\r\n]*\} \r\n$/);
    const info = JSON.parse(line.slice(5));
    assert.match(info.server_id, /^N[A-Z2-7]{55}$/);
    assert.equal(info.server_name, "me");
    assert.match(info.version, /^\d+\.\d+\.\d+$/);
    const { proto, headers, max_payload, client_ip, client_id, port } = info;
    assert.deepEqual([proto, headers, max_payload, client_ip], [1, true, 1_048_576, "127.0.0.1"]);
    assert.equal(port, server.address.port);
    assert.equal(client_id, 1);
    for (const absent of ["auth_required", "tls_required", "nonce", "jetstream", "connect_urls", "ldm"]) {
      assert.equal(absent in info, false, absent);
    }
    await client.close();
  });
});

Deno.test("client port 6: without echo, own messages go to others only", async () => {
  await withClients({}, 2, async ([a, b]) => {
    await a!.ask(quietConnect({ echo: false }) + "SUB x 1\r\n");
    await b!.ask(quietConnect() + "SUB x 1\r\n");
    assert.equal(await a!.ask("PUB x 1\r\n1\r\n"), "");
    assert.equal(await b!.ask(""), "MSG x 1 1\r\n1\r\n");
  });
});

Deno.test("client port 12 and 13: a change of topology is told after the first PONG, to protocol 1 only", async () => {
  await withClients({ cluster: { name: "c", host: "127.0.0.1", port: 0 } }, 3, async ([early, modern, old], server) => {
    await modern!.ask(quietConnect({ protocol: 1 }));
    await old!.ask(quietConnect({ protocol: 0 }));
    server.setCluster({ name: "c", peerUrls: ["10.0.0.2:4222"] });
    const told = await modern!.until((text) => text.endsWith("\r\n"));
    const info = JSON.parse(told.slice("INFO ".length));
    assert.deepEqual(info.connect_urls, [`127.0.0.1:${server.address.port}`, "10.0.0.2:4222"]);
    assert.equal(info.client_id, modern!.info["client_id"]);
    assert.equal(await old!.ask(""), "");
    await early!.send(quietConnect({ protocol: 1 }) + "PING\r\n");
    const answer = await early!.until((text) => text.includes("INFO") && text.endsWith("\r\n"));
    assert.match(answer, /^PONG\r\nINFO \{/);
    server.setCluster({ name: "c", peerUrls: [] });
    const shrunk = await early!.until((text) => text.split("INFO").length === 3 && text.endsWith("\r\n"));
    assert.deepEqual(JSON.parse(shrunk.slice(shrunk.lastIndexOf("INFO ") + 5)).connect_urls.length, 1);
  });
});

Deno.test("client port 18: random splits of a large mixed script give the same output", async () => {
  const numbers = numbersFrom(7);
  const next = (bound: number) => numbers.next().value % bound;
  let script = quietConnect({ headers: true, no_responders: true }) + "SUB a.> 1\r\nSUB a.b 2\r\nSUB inbox.* 3\r\n";
  for (let i = 0; i < 6_000; i++) {
    const payload = String.fromCharCode(33 + next(90)).repeat(next(400));
    const kind = next(6);
    if (kind === 0) script += `PUB a.b ${payload.length}\r\n${payload}\r\n`;
    else if (kind === 1) script += `pub\ta.c.${next(50)}  r ${payload.length} \n${payload}\r\n`;
    else if (kind === 2) script += `HPUB a.b 12 ${12 + payload.length}\r\nNATS/1.0\r\n\r\n${payload}\r\n`;
    else if (kind === 3) script += `PUB nobody inbox.${i} 0\r\n\r\n`;
    else if (kind === 4) script += `SUB a.${next(9)} s${i}\r\nUNSUB s${i} ${1 + next(3)}\r\n`;
    else script += `PING\r\n`;
  }
  const bytes = bytesOf(script);
  await withEmbedded({}, async (server) => {
    const whole = await RawNatsClient.connect(server.address.port);
    const expected = await whole.ask(bytes);
    assert.ok(expected.length > 1_000_000, `${expected.length} bytes`);
    await whole.close();
    for (let round = 0; round < 20; round++) {
      const client = await RawNatsClient.connect(server.address.port);
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + 1 + next(round < 10 ? 60_000 : 3_000));
        await client.send(bytes.subarray(at, end));
        at = end;
      }
      await client.send("PING\r\n");
      await client.until((text) => text.length >= expected.length + 6);
      assert.ok(client.received === `${expected}PONG\r\n`, `round ${round} differs`);
      await client.close();
    }
  });
});

Deno.test("client port 19: random bytes on many connections harm nobody", async () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(
      fc.constantFrom("PUB ", "SUB a 1\r\n", "HPUB a", " 5\r\n", "\r\n", "x", "CONNECT {", "}", "PING\r\n", "999999 "),
    )
      .map((parts) => bytesOf(parts.join(""))),
  );
  await withClients({ authorization: { timeout: 500 } }, 1, async ([watcher], server) => {
    await watcher!.ask(quietConnect() + "SUB heart.beat 1\r\n");
    const inputs = fc.sample(noise, { numRuns: 10_000, seed: 42 });
    const before = ownMemory();
    for (let at = 0; at < inputs.length; at += 50) {
      await Promise.all(
        inputs.slice(at, at + 50).map(async (input) => {
          const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
          try {
            await connection.write(input);
          } catch {
            // The server may have seen enough.
          }
          connection.close();
        }),
      );
      if (at % 1_000 === 0) {
        assert.equal(await watcher!.ask("PUB heart.beat 1\r\nx\r\n"), "MSG heart.beat 1 1\r\nx\r\n");
      }
    }
    for (let i = 0; i < 100 && page(server, "/varz")["connections"] !== 1; i++) await watcher!.ask("");
    assert.equal(page(server, "/varz")["connections"], 1);
    assert.equal(page(server, "/subsz")["num_subscriptions"], 1);
    const grown = ownMemory() - before;
    assert.ok(grown < 200e6, `memory grew by ${grown} bytes`);
  });
});

Deno.test("client port 25: what is announced and not sent takes no memory", async () => {
  await withClients({}, 0, async (_, server) => {
    const liars: Deno.Conn[] = [];
    const before = Deno.memoryUsage();
    for (let i = 0; i < 300; i++) {
      const liar = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
      await liar.write(bytesOf(quietConnect() + "PUB a 1048576\r\nx"));
      liars.push(liar);
    }
    const last = await RawNatsClient.connect(server.address.port);
    await last.ask(quietConnect());
    const after = Deno.memoryUsage();
    const grown = after.external - before.external;
    assert.ok(grown < 20e6, `300 announcements took ${grown} bytes`);
    await last.close();
    for (const liar of liars) liar.close();
  });
});

Deno.test("client port 30: a message published to a pattern reaches the patterns that match it as a text", async () => {
  await withClients({}, 1, async ([client]) => {
    await client!.ask(quietConnect() + "SUB foo.* 1\r\nSUB foo.> 2\r\nSUB foo.bar 3\r\n");
    const answer = await client!.ask("PUB foo.* 1\r\nx\r\n");
    assert.deepEqual(answer.match(/MSG \S+ \d/g)!.sort(), ["MSG foo.* 1", "MSG foo.* 2"]);
  });
});

Deno.test("client port 35: who does not know headers gets the message without them", async () => {
  await withClients({}, 2, async ([knows, not]) => {
    await not!.ask(quietConnect() + "SUB a 1\r\n");
    await knows!.ask(quietConnect({ headers: true }) + "SUB a 9\r\n");
    const sent = "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHPUB a rr 12 12\r\nNATS/1.0\r\n\r\n\r\n";
    const full = "HMSG a 9 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG a 9 rr 12 12\r\nNATS/1.0\r\n\r\n\r\n";
    assert.equal(await knows!.ask(sent), full);
    assert.equal(await not!.ask(""), "MSG a 1 2\r\nhi\r\nMSG a 1 rr 0\r\n\r\n");
  });
});

Deno.test("client port 39: one connection more than allowed is told so", async () => {
  await withClients({ maxConnections: 2 }, 2, async ([first], server) => {
    const third = await RawNatsClient.connect(server.address.port);
    assert.equal(third.info["client_id"], 3);
    assert.equal(await third.untilClosed(), "-ERR 'maximum connections exceeded'\r\n");
    await third.close();
    await first!.close();
    await eventually(() => server.sessions.size === 1 || undefined, "the end of two sessions");
    const fourth = await RawNatsClient.connect(server.address.port);
    assert.equal(await fourth.ask(quietConnect()), "");
    await fourth.close();
  });
});

Deno.test("client port 40: subscriptions are limited per connection", async () => {
  await withClients({ maxSubscriptions: 3 }, 2, async ([client, other]) => {
    await client!.ask(quietConnect());
    const full = "-ERR 'maximum subscriptions exceeded'\r\n";
    assert.equal(await client!.ask("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4\r\n"), full);
    assert.equal(await client!.ask("UNSUB 2\r\nSUB d 4\r\n"), "");
    assert.equal(await other!.ask(quietConnect() + "SUB a 1\r\n"), "");
  });
});

Deno.test("client port: subjects of too many tokens are refused where that is limited", async () => {
  await withClients({ maxSubscriptionTokens: 2 }, 1, async ([client]) => {
    const text = `-ERR 'Permissions Violation for Subscription to "a.b.c", too many tokens'\r\n`;
    assert.equal(await client!.ask(quietConnect() + "SUB a.b 1\r\nSUB a.b.c 2\r\n"), text);
  });
});

Deno.test("client port 42: who answers no pings is stale; who sends data is not pinged", async () => {
  await withClients({ pingInterval: 500, pingMax: 2 }, 2, async ([mute, busy]) => {
    await busy!.ask(quietConnect());
    const begun = performance.now();
    await mute!.send(quietConnect());
    const chatter = setInterval(() => void busy!.send("PUB a 1\r\nx\r\nPONG\r\n"), 25);
    const answer = await mute!.untilClosed(20_000);
    clearInterval(chatter);
    assert.equal(answer, "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    assert.ok(performance.now() - begun > 1_200);
    assert.equal(busy!.closed, false);
    assert.ok(busy!.received.split("PING").length <= 3, busy!.received);
  });
});

Deno.test("client port 43: a consumer that does not read is dropped at max_pending; others lose nothing", async () => {
  await withClients({ maxPending: 1_048_576, maxPayload: 65_536 }, 2, async ([publisher, other], server) => {
    await other!.ask(quietConnect() + "SUB flood 1\r\n");
    const stuck = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await stuck.write(bytesOf(quietConnect() + "SUB flood 1\r\n"));
    for (let i = 0; i < 100 && page(server, "/subsz")["num_subscriptions"] !== 2; i++) await other!.ask("");
    const message = bytesOf(`PUB flood 65536\r\n${"x".repeat(65_536)}\r\n`);
    await publisher!.ask(quietConnect());
    const count = 400;
    for (let i = 0; i < count; i++) await publisher!.send(message);
    const size = "MSG flood 1 65536\r\n".length + 65_538;
    await other!.until((text) => text.length >= count * size, 20_000);
    assert.equal((await other!.ask("")).length, count * size);
    assert.equal(await publisher!.ask(""), "");
    assert.equal(page(server, "/varz")["slow_consumers"], 1);
    const closed = page(server, "/connz", "state=closed")["connections"] as { reason: string }[];
    assert.deepEqual(closed.map(({ reason }) => reason), ["Slow Consumer (Pending Bytes)"]);
    // What is left in the socket is whole messages cut off somewhere, and no word of explanation.
    const rest = new Uint8Array(65_536);
    let tail = "";
    for (let n: number | null = 1; n !== null;) {
      n = await stuck.read(rest).catch(() => null);
      if (n !== null) tail = new TextDecoder().decode(rest.subarray(Math.max(0, n - 100), n));
    }
    assert.equal(tail.includes("-ERR"), false);
    stuck.close();
  });
});

Deno.test("client port 43: a client that asks and asks and reads no answer is dropped at max_pending", async () => {
  for (const question of ["PING\r\n", "SUB a..b 2\r\n", "PUB nobody inbox.with.a.long.name 0\r\n\r\n"]) {
    await withClients({ maxPending: 100_000 }, 0, async (_, server) => {
      const deaf = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
      await deaf.write(bytesOf(quietConnect({ headers: true, no_responders: true }) + "SUB inbox.> 1\r\n"));
      const questions = bytesOf(question.repeat(20_000));
      let highest = 0;
      // Its socket takes some megabytes before the server has to keep anything.
      for (let i = 0; i < 400 && page(server, "/varz")["slow_consumers"] === 0; i++) {
        await deaf.write(questions).catch(() => 0);
        for (const session of server.sessions.values()) highest = Math.max(highest, session.outbox.pending);
      }
      assert.equal(page(server, "/varz")["slow_consumers"], 1, question);
      assert.ok(highest <= 100_000, `${highest} bytes pending`);
      deaf.close();
    });
  }
});

Deno.test("client port 43: a message that ends its own publisher reaches the others whole", async () => {
  await withClients({ maxPending: 100_000, maxPayload: 65_536 }, 1, async ([other], server) => {
    // `self` gets each message twice before `other` does, and never reads.
    const self = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await self.write(bytesOf(quietConnect({ headers: true, no_responders: true }) + "SUB flood 1\r\nSUB flood 2\r\n"));
    for (let i = 0; i < 100 && page(server, "/subsz")["num_subscriptions"] !== 2; i++) await other!.ask("");
    await other!.ask(quietConnect() + "SUB flood 3\r\n");
    const payload = "y".repeat(60_000);
    const message = `PUB flood back 60000\r\n${payload}\r\n`;
    // What its session has queued stays there: the publisher's bytes come in one go, and its end with them.
    await self.write(bytesOf(message)).catch(() => 0);
    await self.write(bytesOf(message)).catch(() => 0);
    const whole = `MSG flood 3 back 60000\r\n${payload}\r\n`;
    await other!.until((text) => text.length >= whole.length);
    assert.ok((await other!.ask("")).startsWith(whole));
    self.close();
  });
});

Deno.test("client port 44: a write that is stuck for too long ends the connection", async () => {
  await withClients({ writeDeadline: 300 }, 1, async ([publisher], server) => {
    const stuck = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await stuck.write(bytesOf(quietConnect() + "SUB flood 1\r\n"));
    for (let i = 0; i < 100 && page(server, "/subsz")["num_subscriptions"] !== 1; i++) await publisher!.ask("");
    const message = bytesOf(`PUB flood 1000000\r\n${"x".repeat(1_000_000)}\r\n`);
    await publisher!.ask(quietConnect());
    for (let i = 0; i < 20; i++) await publisher!.send(message);
    await publisher!.ask("");
    await eventually(() => server.sessions.size === 1 || undefined, "the end of the slow session");
    const closed = page(server, "/connz", "state=closed")["connections"] as { reason: string }[];
    assert.deepEqual(closed.map(({ reason }) => reason), ["Slow Consumer (Write Deadline)"]);
    assert.equal(page(server, "/varz")["slow_consumers"], 1);
    stuck.close();
  });
});

Deno.test("client port 45: a lame duck refuses the new, tells the present, and closes them over time", async () => {
  const server = await startEmbedded({
    lameDuckGrace: 50,
    lameDuckDuration: 60_000,
    cluster: { name: "c", host: "127.0.0.1", port: 0 },
  });
  const clients: RawNatsClient[] = [];
  for (let i = 0; i < 3; i++) clients.push(await RawNatsClient.connect(server.address.port));
  for (const client of clients) await client.ask(quietConnect({ protocol: 1 }));
  const left = server.lameDuck();
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: server.address.port }));
  for (const client of clients) {
    const info = JSON.parse((await client.until((text) => text.endsWith("\r\n"))).slice(5));
    assert.equal(info.ldm, true);
    assert.equal("connect_urls" in info, false);
  }
  assert.equal(server.monitoring("/healthz", new URLSearchParams())!.status, 503);
  const texts = await Promise.all(clients.map((client) => client.untilClosed(10_000)));
  assert.ok(texts.every((text) => !text.includes("-ERR")));
  await left;
  for (const client of clients) await client.close();
  await server.close();
});

Deno.test("client port 46: a connection with 200,000 subscriptions goes without holding others up", async () => {
  await withClients({}, 1, async ([watcher], server) => {
    await watcher!.ask(quietConnect() + "SUB alive 1\r\n");
    const heavy = await RawNatsClient.connect(server.address.port);
    await heavy.ask(quietConnect());
    for (let from = 0; from < 200_000; from += 50_000) {
      let lines = "";
      for (let i = from; i < from + 50_000; i++) lines += `SUB ${i % 2 === 0 ? "one.subject" : `many.${i}`} ${i}\r\n`;
      await heavy.ask(lines);
    }
    assert.equal(page(server, "/subsz")["num_subscriptions"], 200_001);
    const turns = new TurnWatch();
    await heavy.close();
    const end = performance.now() + 40_000;
    const { tree } = server.globalAccount;
    while (tree.localCount > 1 && performance.now() < end) await watcher!.ask("PUB alive 1\r\nx\r\n");
    assert.equal(tree.localCount, 1);
    const longest = turns.longest();
    await turns.end();
    assert.equal(await watcher!.ask("PUB one.subject 1\r\nx\r\nPUB many.1 1\r\nx\r\n"), "");
    assert.ok(longest <= 50, `the longest turn took ${longest} ms`);
  });
});

Deno.test("client port 47: a million subjects used once leave nothing behind", async () => {
  await withClients({}, 1, async ([client], server) => {
    await client!.ask(quietConnect() + "SUB once.> 1\r\n");
    let least = Infinity;
    let most = 0;
    for (let round = 0; round < 50; round++) {
      let batch = "";
      for (let i = 0; i < 20_000; i++) batch += `PUB once.${round}.${i} 0\r\n\r\n`;
      await client!.send(batch + "PING\r\n");
      const answer = await client!.until((text) => text.endsWith("PONG\r\n"), 40_000);
      assert.equal(answer.split("MSG once.").length - 1, 20_000);
      client!.received = "";
      // What a collection of garbage leaves shows in the lowest figure of several rounds.
      if (round < 10) least = Math.min(least, ownMemory());
      else if (round >= 40) most = most === 0 ? ownMemory() : Math.min(most, ownMemory());
    }
    assert.ok((page(server, "/subsz")["num_cache"] as number) <= 4_096);
    assert.equal(page(server, "/varz")["in_msgs"], 1_000_000);
    assert.ok(most - least < 30e6, `from ${least} to ${most} bytes`);
  });
});

Deno.test("queue groups: each message goes to one member of each group, whatever the pattern; shares are even", async () => {
  await withClients({}, 3, async ([a, b, publisher]) => {
    await a!.ask(quietConnect() + "SUB work.* q 1\r\n");
    await b!.ask(quietConnect() + "SUB work.> q 1\r\nSUB work.x other 2\r\nSUB work.x 3\r\n");
    await publisher!.ask(quietConnect() + "PUB work.x 1\r\nx\r\n".repeat(1_000));
    const first = (await a!.ask("")).split("MSG work.x 1 ").length - 1;
    const answer = await b!.ask("");
    const second = answer.split("MSG work.x 1 ").length - 1;
    assert.equal(first + second, 1_000);
    assert.ok(first > 400 && first < 600, `${first} of 1000`);
    assert.equal(answer.split("MSG work.x 2 ").length - 1, 1_000);
    assert.equal(answer.split("MSG work.x 3 ").length - 1, 1_000);
  });
});

Deno.test("queue groups: a member without echo is passed over for its own messages", async () => {
  await withClients({}, 2, async ([a, b]) => {
    await a!.ask(quietConnect({ echo: false }) + "SUB work q 1\r\n");
    await b!.ask(quietConnect() + "SUB work q 1\r\n");
    await a!.ask("PUB work 1\r\nx\r\n".repeat(100));
    assert.equal((await b!.ask("")).split("MSG").length - 1, 100);
  });
});

Deno.test("a server that closes says nothing to its clients", async () => {
  const server = await startEmbedded();
  const client = await RawNatsClient.connect(server.address.port);
  await client.ask(quietConnect());
  await server.close();
  assert.equal(await client.untilClosed(), "");
  await client.close();
});
