/** A mesh with real servers of every version that was found, line by line on the wire between (spec nats-server, section 7). */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { closeAll, freePort, gather, routePort, serve, startMember } from "../support/mesh.ts";
import { goServer, routed, routeTo, talks, versions } from "../support/go_mesh.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import type { RealNatsServer } from "../support/nats_server.ts";
import { Tap } from "../support/tap.ts";

const path = Object.values(versions)[0]!;
const ignore = Object.keys(versions).length === 0;

async function client(server: { port: number } | NatsServer, more: object = {}): Promise<RawNatsClient> {
  const connected = await RawNatsClient.connect("address" in server ? server.address.port : server.port);
  await connected.ask(quietConnect({ headers: true, no_responders: true, ...more }));
  return connected;
}

async function closeClients(...clients: RawNatsClient[]): Promise<void> {
  await Promise.all(clients.map((one) => one.close()));
}

/** Lines about one subject, other accounts' and pings aside. */
function linesOf(text: string, subject: string): string[] {
  return text.split("\r\n").filter((line) => line.split(" ")[2] === subject && /^(RS[+-]|[RH]MSG)/.test(line));
}

/** One of ours and a real one with a tap on the route between them. `ours` is always who dials, so `said` is ours. */
async function tapped(
  version: string,
  test: (ours: NatsServer, theirs: RealNatsServer, tap: Tap) => Promise<void>,
): Promise<void> {
  const port = freePort();
  const theirs = await goServer(versions[version]!, "go", { port });
  const tap = new Tap(port);
  const ours = await startMember("ours", [tap.port]);
  try {
    await routed(ours, 1);
    await test(ours, theirs, tap);
  } finally {
    await closeAll(ours);
    tap.close();
    await theirs.stop();
  }
}

const count = (client: RawNatsClient, what: string) => client.received.split(what).length - 1;

for (const version of Object.keys(versions)) {
  Deno.test(`59. interest crosses at 0 and 1, groups with every change (${version})`, async () => {
    await tapped(version, async (ours, theirs, tap) => {
      for (const [server, text] of [[ours, () => tap.said], [theirs, () => tap.told]] as const) {
        const subject = server === ours ? "plain.ours" : "plain.theirs";
        const [one, two] = [await client(server), await client(server)];
        const after = async (lines: string[]) => {
          await eventually(() => linesOf(text(), subject).length >= lines.length || undefined, lines.join());
          assert.deepEqual(linesOf(text(), subject), lines);
        };
        await one.ask(`SUB ${subject} 1\r\n`);
        await after([`RS+ $G ${subject}`]);
        await two.ask(`SUB ${subject} 1\r\n`);
        await two.ask("UNSUB 1\r\n");
        await one.ask("UNSUB 1\r\n");
        await after([`RS+ $G ${subject}`, `RS- $G ${subject}`]);
        tap.clear();
        const group = `${subject} q`;
        await one.ask(`SUB ${group} 2\r\n`);
        await two.ask(`SUB ${group} 2\r\n`);
        await two.ask("UNSUB 2\r\n");
        await one.ask("UNSUB 2\r\n");
        const weights = [`RS+ $G ${group} 1`, `RS+ $G ${group} 2`, `RS+ $G ${group} 1`, `RS- $G ${group}`];
        await after(weights);
        await closeClients(one, two);
      }
    });
  });

  Deno.test(`61, 64. one line serves plain interest and all groups; a request finds its way back (${version})`, async () => {
    await tapped(version, async (ours, theirs, tap) => {
      for (const [here, there, text] of [[ours, theirs, () => tap.said], [theirs, ours, () => tap.told]] as const) {
        const subject = here === ours ? "many.a" : "many.b";
        const receiver = await client(there);
        const publisher = await client(here);
        await receiver.ask(`SUB ${subject} 1\r\nSUB ${subject} q1 2\r\nSUB ${subject} q2 3\r\nSUB ${subject} q2 4\r\n`);
        await publisher.ask(`SUB inbox.${subject} 9\r\n`);
        const got = () => count(receiver, `MSG ${subject} `);
        await eventually(async () => {
          receiver.received = "";
          tap.clear();
          await publisher.ask(`HPUB ${subject} inbox.${subject} 12 14\r\nNATS/1.0\r\n\r\nhi\r\n`);
          await new Promise((resolve) => setTimeout(resolve, 50));
          return got() === 3 || undefined;
        }, "all three");
        assert.equal(linesOf(text(), subject).length, 1);
        assert.match(linesOf(text(), subject)[0]!, /^HMSG \$G many\.[ab] \+ inbox\.many\.[ab] q[12] q[12] 12 14$/);
        await receiver.ask(`PUB inbox.${subject} 2\r\nok\r\n`);
        await publisher.until((received) => received.includes(`MSG inbox.${subject} 9 2\r\nok\r\n`));
        await closeClients(receiver, publisher);
      }
    });
  });

  Deno.test(`62. a group of one here and three there shares by a quarter, from either side (${version})`, async () => {
    await tapped(version, async (ours, theirs) => {
      const weightOf = (subject: string) => ours.globalAccount.tree.match(subject).groups[0]?.remoteWeight;
      for (const [here, there] of [[ours, theirs], [theirs, ours]] as const) {
        const subject = here === ours ? "jobs.a" : "jobs.b";
        const [one, three] = [await client(here), await client(there)];
        await one.ask(`SUB ${subject} q 1\r\n`);
        await three.ask(`SUB ${subject} q 1\r\nSUB ${subject} q 2\r\nSUB ${subject} q 3\r\n`);
        await eventually(() => weightOf(subject) === (here === ours ? 3 : 1) || undefined, "the members");
        const publisher = await client(here);
        // The real server tells nobody when it knows of the members; until then this side gets all.
        await eventually(async () => {
          await publisher.ask(`PUB ${subject} 4\r\nknow\r\n`.repeat(20));
          return await three.until((text) => text.includes("know"), 100).catch(() => undefined);
        }, "the members known");
        // What is still on its way has come before the answer on the same route.
        await new Promise((resolve) => setTimeout(resolve, 50));
        await publisher.ask(`PUB ${subject} 4\r\nwork\r\n`.repeat(2_000));
        const work = () => [count(one, "work\r\n"), count(three, "work\r\n")] as const;
        await eventually(() => work()[0] + work()[1] >= 2_000 || undefined, "the work");
        const [few, many] = work();
        assert.equal(few + many, 2_000);
        assert.ok(few > 400 && few < 600, `${few} and ${many}`);
        await closeClients(one, three, publisher);
      }
    });
  });

  Deno.test(`65, 67. what is of other accounts or impossible does no harm to the route (${version})`, async () => {
    const users = "SYS: { users: [{ user: s, password: s }] }, X: { users: [{ user: x, password: x }] }";
    const port = freePort();
    const theirs = await goServer(versions[version]!, "go", {
      port,
      more: `accounts { ${users} }\nsystem_account: SYS`,
    });
    const ours = await startMember("ours", [port]);
    await routed(ours, 1);
    const id = ours.routes.list()[0]!.id;
    const [foreign, system] = [
      await client(theirs, { user: "x", pass: "x" }),
      await client(theirs, { user: "s", pass: "s" }),
    ];
    const here = await client(ours);
    await here.ask("SUB > 1\r\n");
    assert.match(await foreign.ask("SUB foreign.> 1\r\nPUB foreign.a 2\r\nhi\r\n"), /MSG foreign\.a/);
    await system.ask("SUB $SYS.> 1\r\nSUB deep.* q 2\r\n");
    await here.ask("PUB foreign.a 2\r\nhi\r\n");
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    assert.equal(await foreign.ask(""), "");
    assert.deepEqual(ours.routes.list().map((route) => route.id), [id]);
    assert.equal(ours.globalAccount.tree.remoteCount, 0);
    await closeClients(foreign, system, here);
    await closeAll(ours);
    await theirs.stop();
  });

  Deno.test(`57. a real peer is killed and comes back twenty times (${version})`, async () => {
    const port = freePort();
    const ours = await startMember("ours", []);
    const bus = ours.openBus("here");
    serve(bus, "at.ours", "here");
    const got = gather(bus, "from.theirs");
    const begun = performance.now();
    for (let round = 0; round < 20; round++) {
      const theirs = await goServer(versions[version]!, "go", { port, routes: [routeTo(ours)] });
      await routed(ours, 1);
      const there = await client(theirs);
      await there.ask("SUB at.theirs 1\r\nSUB inbox.* 2\r\n");
      await eventually(async () => {
        await there.send("PUB at.ours inbox.1 1\r\n?\r\n");
        return await there.until((text) => text.includes("here\r\n"), 100).catch(() => undefined);
      }, "the service here");
      await there.ask(`PUB from.theirs ${String(round).length}\r\n${round}\r\n`);
      await eventually(() => got.length === round + 1 || undefined, "the message");
      await eventually(() => ours.globalAccount.tree.match("at.theirs").remotes.length === 1 || undefined, "interest");
      await theirs.stop();
      await routed(ours, 0);
      assert.equal(ours.globalAccount.tree.remoteCount, 0);
      await there.close();
    }
    assert.deepEqual(got, Array.from({ length: 20 }, (_, i) => String(i)));
    console.log(`      20 restarts in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
    await closeAll(ours);
  });

  Deno.test(`77. routes with a wrong or missing password, either dialing, until it is right (${version})`, async () => {
    const authorization = { user: "ru", password: "rp" };
    const block = "name: c1, authorization { user: ru, password: rp }";
    const port = freePort();
    const strict = await goServer(versions[version]!, "go", { port, block });
    for (const credentials of ["", "ru:wrong@", "xx:rp@"]) {
      const ours = await startMember("ours", [], { routes: [`nats-route://${credentials}127.0.0.1:${port}`] });
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(ours.routes.list(), []);
      await closeAll(ours);
    }
    const ours = await startMember("ours", [], { authorization, routes: [`nats-route://ru:rp@127.0.0.1:${port}`] });
    await routed(ours, 1);
    const wrong = await goServer(versions[version]!, "wrong", {
      block: "name: c1",
      routes: [`nats-route://ru:wrong@127.0.0.1:${routePort(ours)}`],
    });
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    assert.deepEqual(ours.routes.list().map((route) => route.remoteName), ["go"]);
    await talks(ours, strict);
    await closeAll(ours);
    await Promise.all([strict.stop(), wrong.stop()]);
  });

  Deno.test(`69. other cluster names are refused again and again, without a trace (${version})`, async () => {
    const port = freePort();
    const theirs = await goServer(versions[version]!, "go", { port, block: "name: c2" });
    const tap = new Tap(port);
    const ours = await startMember("ours", [tap.port]);
    const back = await goServer(versions[version]!, "back", { block: "name: c3", routes: [routeTo(ours)] });
    const refused = () => tap.told.split(`Rejecting connection, cluster name "c1" does not match "c2"`).length - 1;
    await eventually(() => refused() >= 3 || undefined, "three refusals");
    assert.deepEqual([ours.routes.list().length, ours.cluster.name], [0, "c1"]);
    assert.equal(ours.globalAccount.tree.remoteCount, 0);
    await closeAll(ours);
    tap.close();
    await Promise.all([theirs.stop(), back.stop()]);
  });

  Deno.test(`68. a route that leads to a client port does no harm, either way (${version})`, async () => {
    const theirs = await goServer(versions[version]!, "go");
    const ours = await startMember("ours", [theirs.port]);
    const bus = ours.openBus("here");
    serve(bus, "at.ours", "here");
    const lost = await goServer(versions[version]!, "lost", {
      routes: [`nats-route://127.0.0.1:${ours.address.port}`],
    });
    const one = await client(ours);
    await one.ask("SUB inbox.* 1\r\n");
    for (let i = 0; i < 15; i++) {
      const answer = await one.ask("PUB at.ours inbox.1 1\r\n?\r\nPUB nobody inbox.2 1\r\n?\r\n");
      assert.match(answer, /MSG inbox\.1 1 4\r\nhere\r\nHMSG inbox\.2 1 16 16/);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(ours.routes.list(), []);
    await one.close();
    await closeAll(ours);
    await Promise.all([theirs.stop(), lost.stop()]);
  });

  Deno.test(`76, 80. a route comes up with 200,000 subscriptions on either side, and goes (${version})`, async () => {
    const size = 200_000;
    const port = freePort();
    const theirs = await goServer(versions[version]!, "go", { port });
    const [here, there] = [await startMember("ours", []), await client(theirs)];
    const one = await client(here);
    for (let from = 0; from < size; from += 10_000) {
      const lines = (where: string) => {
        let text = "";
        for (let i = from; i < from + 10_000; i++) text += `SUB ${where}.${i % 500}.${i} ${i}\r\n`;
        return text;
      };
      await one.ask(lines("ours"));
      await there.ask(lines("theirs"));
    }
    const watcher = await client(here, { protocol: 1 });
    const urls = [`127.0.0.1:${here.address.port}`, `127.0.0.1:${theirs.port}`];
    watcher.received = "";
    // The real one dials.
    const late = await goServer(versions[version]!, "late", {
      routes: [routeTo(here), `nats-route://127.0.0.1:${port}`],
    });
    await eventually(() => here.routes.list().length === 2 || undefined, "both", 60_000);
    await eventually(() => here.globalAccount.tree.remoteCount === size || undefined, "their interest", 60_000);
    await eventually(
      async () => {
        await there.ask("");
        const other = await client(theirs);
        await other.ask("SUB inbox.x 1\r\n");
        const answer = await other.ask("PUB ours.7.7 inbox.x 1\r\nx\r\n");
        await other.close();
        return !answer.includes("503") || undefined;
      },
      "our interest there",
      60_000,
    );
    const infos = () => watcher.received.split("\r\n").filter((line) => line.startsWith("INFO "));
    const shown = () => (JSON.parse(infos().at(-1)!.slice(5)) as { connect_urls: string[] }).connect_urls;
    await eventually(() => infos().length > 0 && urls.every((url) => shown().includes(url)) || undefined, "the URLs");
    await theirs.stop();
    await eventually(() => here.globalAccount.tree.remoteCount === 0 || undefined, "the end of their interest");
    await eventually(() => !shown().includes(urls[1]!) || undefined, "fewer URLs");
    await closeClients(one, there, watcher);
    await closeAll(here);
    await late.stop();
  });

  Deno.test(`72. default settings: one route, undisturbed for a minute (${version})`, async () => {
    const port = freePort();
    const dialed = await goServer(versions[version]!, "dialed", { port, block: "name: c1" });
    const ours = await startMember("ours", [port]);
    const dialing = await goServer(versions[version]!, "dialing", { routes: [routeTo(ours)] });
    await routed(ours, 2);
    const ids = () => ours.routes.list().map((route) => route.id).sort().join();
    const before = ids();
    for (const theirs of [dialed, dialing]) await talks(ours, theirs);
    for (let second = 0; second < 60; second++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      assert.equal(ids(), before, `after ${second} s`);
    }
    for (const theirs of [dialed, dialing]) await talks(ours, theirs);
    await closeAll(ours);
    await Promise.all([dialed.stop(), dialing.stop()]);
  });
}

Deno.test({ name: "60. a message reaches each of two other servers once, and is not passed on", ignore }, async () => {
  const paths = Object.values(versions);
  const ours = await startMember("ours", []);
  const [b, c] = [
    await goServer(path, "b", { routes: [routeTo(ours)] }),
    await goServer(paths.at(-1)!, "c", { routes: [routeTo(ours)] }),
  ];
  await routed(ours, 2);
  const clients = [await client(ours), await client(b), await client(c)];
  for (const [i, one] of clients.entries()) await one.ask(`SUB all 1\r\nSUB at.${i} 2\r\n`);
  // Everybody has a route to everybody when everybody's messages come.
  for (const [i, one] of clients.entries()) {
    for (const [j, other] of clients.entries()) {
      await eventually(async () => {
        await one.send(`PUB at.${j} 4\r\n${i} ${j}!\r\n`);
        return await other.until((text) => text.includes(`${i} ${j}!`), 100).catch(() => undefined);
      }, `${i} reaches ${j}`);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const one of clients) one.received = "";
  for (const [i, one] of clients.entries()) await one.send(`PUB all 1\r\n${i}\r\n`);
  await eventually(() => clients.every((one) => count(one, "MSG all 1 1\r\n") >= 3) || undefined, "all copies");
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (const one of clients) assert.equal(count(one, "MSG all 1 1\r\n"), 3);
  await closeClients(...clients);
  await closeAll(ours);
  await Promise.all([b.stop(), c.stop()]);
});
