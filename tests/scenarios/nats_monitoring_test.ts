/** The monitoring pages of the embedded NATS server: spec nats-server, section 7, scenarios 81 to 84, and the reference's own pages. */
import assert from "node:assert/strict";
import { eventually } from "../support/deadline.ts";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import type { NatsServer } from "../../src/nats/embedded/mod.ts";
import { withEmbedded } from "../support/embedded_nats.ts";

const fixtures = new URL("../../../shared/fixtures/monitoring/", import.meta.url);

function hasFixtures(): boolean {
  try {
    return Deno.statSync(fixtures).isDirectory;
  } catch {
    console.warn("SKIPPED: the reference's monitoring pages are not beside this checkout");
    return false;
  }
}

function get(server: NatsServer, path: string, query = "") {
  const page = server.monitoring(path, new URLSearchParams(query));
  assert.ok(page !== undefined, `${path} is a page`);
  return page;
}

// deno-lint-ignore no-explicit-any
function json(server: NatsServer, path: string, query = ""): any {
  const page = get(server, path, query);
  assert.equal(page.status, 200, page.body);
  assert.equal(page.headers["Content-Type"], "application/json");
  return JSON.parse(page.body);
}

/** Two clients with subscriptions and traffic, and one that has gone. */
async function withTraffic(test: (server: NatsServer, clients: RawNatsClient[]) => Promise<void>): Promise<void> {
  await withEmbedded(
    { serverName: "capture", usage: () => ({ memory: 5_000, cores: 2, cpu: 3.5 }) },
    async (server) => {
      const clients: RawNatsClient[] = [];
      for (const name of ["alice", "bob", "carol"]) {
        const client = await RawNatsClient.connect(server.address.port);
        await client.ask(quietConnect({ name, lang: "go", version: "1.31.0" }));
        clients.push(client);
      }
      const [alice, bob, carol] = clients as [RawNatsClient, RawNatsClient, RawNatsClient];
      await alice.ask("SUB foo.> 1\r\nSUB work q 2\r\nUNSUB 2 10\r\nPONG\r\n");
      await bob.ask("SUB foo.<x> 1\r\nPUB foo.bar 5\r\nhello\r\nPUB work 2\r\nhi\r\nPUB nobody 1\r\nx\r\n");
      await carol.ask("SUB gone 1\r\n");
      await carol.close();
      for (let i = 0; i < 100 && server.sessions.size > 2; i++) await alice.ask("");
      await test(server, clients);
      for (const client of clients) await client.close();
    },
  );
}

/** Keys and kinds of values, nested; arrays by their first element. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));
}

Deno.test("monitoring 81: /varz has what nats-top reads, and the figures move", async () => {
  await withTraffic(async (server, [, bob]) => {
    const before = json(server, "/varz");
    assert.deepEqual([before.in_msgs, before.in_bytes, before.out_msgs, before.out_bytes], [3, 8, 2, 7]);
    assert.deepEqual([before.connections, before.total_connections, before.subscriptions], [2, 3, 3]);
    assert.deepEqual([before.mem, before.cores, before.cpu, before.slow_consumers], [5_000, 2, 3.5, 0]);
    assert.match(before.uptime, /^\d+s$/);
    assert.match(before.now, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
    assert.deepEqual(before.http_req_stats, { "/varz": 1 });
    await bob!.ask("PUB foo.bar 5\r\nhello\r\n");
    const after = json(server, "/varz");
    assert.deepEqual([after.in_msgs - before.in_msgs, after.out_bytes - before.out_bytes], [1, 5]);
    assert.ok(after.now > before.now);
    await bob!.close();
    await eventually(() => server.sessions.size === 1 || undefined, "the end of the session");
    assert.equal(json(server, "/varz").in_msgs, after.in_msgs);
  });
});

Deno.test("monitoring 82: /connz sorts, cuts and filters", async () => {
  await withTraffic((server) => {
    const rows = (query: string) => json(server, "/connz", query).connections;
    const names = (query: string) => rows(query).map((row: { name: string }) => row.name);
    assert.deepEqual(names(""), ["alice", "bob"]);
    assert.deepEqual(names("sort=msgs_to"), ["alice", "bob"]);
    assert.deepEqual(names("sort=msgs_from"), ["bob", "alice"]);
    assert.deepEqual(names("sort=subs"), ["alice", "bob"]);
    assert.deepEqual(names("sort=bytes_from&limit=1"), ["bob"]);
    assert.deepEqual(names("offset=1"), ["bob"]);
    assert.deepEqual(names("cid=1"), ["alice"]);
    assert.deepEqual(names("cid=3"), ["carol"]);
    assert.deepEqual(names("state=any"), ["alice", "bob", "carol"]);
    for (const sort of ["cid", "start", "pending", "bytes_to", "last", "idle", "uptime", "rtt"]) rows(`sort=${sort}`);
    const page = json(server, "/connz", "subs=1&sort=msgs_to&limit=5");
    assert.deepEqual([page.num_connections, page.total, page.offset, page.limit], [2, 2, 0, 5]);
    assert.deepEqual(page.connections[0].subscriptions_list, ["foo.>", "work"]);
    const detail = rows("subs=detail")[0].subscriptions_list_detail;
    assert.deepEqual(detail, [
      { subject: "foo.>", sid: "1", msgs: 1, cid: 1 },
      { subject: "work", qgroup: "q", sid: "2", msgs: 1, max: 10, cid: 1 },
    ]);
    assert.ok(get(server, "/connz", "subs=1").body.includes('"foo.\\u003cx\\u003e"'));
    return Promise.resolve();
  });
});

Deno.test("monitoring 83: a closed connection is shown with its reason", async () => {
  await withTraffic((server) => {
    const page = json(server, "/connz", "state=closed&sort=stop");
    const [row] = page.connections;
    assert.deepEqual([row.name, row.reason, row.cid], ["carol", "Client Closed", 3]);
    assert.ok(row.stop >= row.start);
    assert.equal(json(server, "/connz", "state=closed&sort=reason").connections.length, 1);
    return Promise.resolve();
  });
});

Deno.test("monitoring 84: parameters that cannot be taken are named", async () => {
  await withEmbedded({}, (server) => {
    const bad: [string, string, string][] = [
      ["/connz", "limit=x", `Error decoding int for 'limit': strconv.Atoi: parsing "x": invalid syntax`],
      ["/connz", "offset=x", `Error decoding int for 'offset': strconv.Atoi: parsing "x": invalid syntax`],
      ["/connz", "cid=x", `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "x": invalid syntax`],
      ["/connz", "sort=foo", "invalid sorting option: foo"],
      ["/connz", "sort=stop", "sort by stop only valid on closed connections"],
      ["/connz", "sort=reason&state=any", "sort by reason only valid on closed connections"],
      ["/connz", "state=x", "Error decoding state for x"],
      ["/connz", "subs=x", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`],
      ["/connz", "auth=x", `Error decoding boolean for 'auth': strconv.ParseBool: parsing "x": invalid syntax`],
      ["/subsz", "subs=x", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`],
      ["/subsz", "test=*", "invalid test subject, must be valid publish subject: *"],
      ["/routez", "subs=x", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`],
      ["/accountz", "acc=zz", "Account zz does not exist"],
    ];
    for (const [path, query, text] of bad) {
      const page = get(server, path, query);
      assert.deepEqual([page.status, page.body], [400, text]);
      assert.equal(page.headers["Content-Type"], "text/plain; charset=utf-8");
    }
    assert.deepEqual(json(server, "/connz", "limit=-1&offset=-5").limit, 1_024);
    return Promise.resolve();
  });
});

Deno.test("monitoring: /subsz counts and lists, and tests a subject", async () => {
  await withTraffic((server) => {
    const page = json(server, "/subsz");
    assert.deepEqual([page.num_subscriptions, page.num_inserts, page.num_removes], [3, 4, 1]);
    assert.equal("subscriptions_list" in page, false);
    const all = json(server, "/subscriptionsz", "subs=1");
    assert.deepEqual([all.total, all.offset, all.limit, all.subscriptions_list.length], [3, 0, 1_024, 3]);
    const found = json(server, "/subsz", "subs=1&test=foo.bar").subscriptions_list;
    assert.deepEqual(found, [{ account: "$G", subject: "foo.>", sid: "1", msgs: 1, cid: 1 }]);
    assert.equal("subscriptions_list" in json(server, "/subsz", "subs=1&test=none"), false);
    assert.equal(json(server, "/subsz", "subs=1&limit=1&offset=1").subscriptions_list.length, 1);
    return Promise.resolve();
  });
});

Deno.test("monitoring: health, index, callbacks, unknown pages", async () => {
  await withEmbedded({ serverName: "me" }, async (server) => {
    assert.deepEqual([get(server, "/healthz").status, get(server, "/healthz").body], [200, '{"status":"ok"}']);
    assert.match(get(server, "/").body, /<a href="\/varz">/);
    const call = get(server, "/varz", "callback=cb");
    assert.equal(call.headers["Content-Type"], "application/javascript");
    assert.match(call.body, /^cb\(\{\n {2}"server_id": [\s\S]*\}\)$/);
    assert.equal(server.monitoring("/nothing", new URLSearchParams()), undefined);
    assert.equal(server.monitoring("/varz/", new URLSearchParams()), undefined);
    await server.close();
    assert.equal(get(server, "/healthz").status, 503);
  });
});

Deno.test({
  name: "monitoring: pages have the keys, the order and the kinds of values that the reference's have",
  ignore: !hasFixtures(),
  fn: async () => {
    const reference = (name: string) => shapeOf(JSON.parse(Deno.readTextFileSync(new URL(name, fixtures))));
    const without = (shape: unknown, ...keys: string[]) =>
      Object.fromEntries(Object.entries(shape as object).filter(([key]) => !keys.includes(key)));
    await withTraffic((server) => {
      const ours = (path: string, query = "") => shapeOf(json(server, path, query));
      // Exactly the same text: the order of keys counts too.
      const same = (a: unknown, b: unknown) => assert.equal(JSON.stringify(a, null, 1), JSON.stringify(b, null, 1));
      json(server, "/varz");
      same(
        without(ours("/varz"), "http_req_stats"),
        without(reference("standalone_varz.json"), "http_req_stats", "system_account"),
      );
      same(ours("/connz", "cid=1"), reference("standalone_connz.json"));
      same(ours("/connz", "state=closed"), ours("/connz", "state=closed"));
      same(ours("/subsz"), reference("standalone_subsz.json"));
      same(ours("/subsz", "subs=1&test=foo.bar"), reference("standalone_subsz_test.json"));
      same(ours("/routez"), reference("standalone_routez.json"));
      same(ours("/leafz"), reference("standalone_leafz.json"));
      same(ours("/gatewayz"), reference("standalone_gatewayz.json"));
      same(without(ours("/accountz")), without(reference("standalone_accountz.json"), "system_account"));
      same(ours("/accstatz"), reference("standalone_accstatz.json"));
      const closed = reference("standalone_connz_state_closed.json") as { connections: [Record<string, unknown>] };
      const mine = ours("/connz", "state=closed") as { connections: [Record<string, unknown>] };
      same(without(mine.connections[0], "rtt"), without(closed.connections[0], "rtt"));
      return Promise.resolve();
    });
  },
});
