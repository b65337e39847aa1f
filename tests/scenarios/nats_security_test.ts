/** Who may connect to the embedded NATS server and what they may do: spec nats-server, section 7, scenarios 41 and 48 to 54. */
import assert from "node:assert/strict";
import type { AuthorizationOptions, NatsServer } from "../../src/nats/embedded/mod.ts";
import { Buffer } from "node:buffer";
import { createUser, fromSeed } from "@nats-io/nkeys";
import { hash } from "bcryptjs";
import { quietConnect, RawNatsClient } from "../support/raw_nats_client.ts";
import { SkippingClock } from "../support/skipping_clock.ts";
import { withEmbedded } from "../support/embedded_nats.ts";

const violation = "-ERR 'Authorization Violation'\r\n";

/** What a connection gets that sends this, and whether it stays open. */
async function outcome(server: NatsServer, send: string): Promise<string> {
  const client = await RawNatsClient.connect(server.address.port);
  const answer = await client.ask(send);
  const closed = client.closed;
  await client.close();
  return closed ? `${answer}closed` : answer;
}

const login = (credentials: object) => quietConnect(credentials);

Deno.test("security 41: nothing but the right credentials opens the door", async () => {
  const authorization = { user: "me", password: "secret", timeout: 300 };
  await withEmbedded({ authorization }, async (server) => {
    const client = await RawNatsClient.connect(server.address.port);
    assert.equal(client.info["auth_required"], true);
    const begun = performance.now();
    assert.equal(await client.untilClosed(), "-ERR 'Authentication Timeout'\r\n");
    assert.ok(performance.now() - begun > 200);
    await client.close();
    const refused = `${violation}closed`;
    assert.equal(await outcome(server, "PING\r\n"), refused);
    assert.equal(await outcome(server, "SUB a 1\r\n"), refused);
    assert.equal(await outcome(server, login({})), refused);
    assert.equal(await outcome(server, login({ user: "me", pass: "wrong" })), refused);
    assert.equal(await outcome(server, login({ user: "you", pass: "secret" })), refused);
    assert.equal(await outcome(server, login({ auth_token: "secret" })), refused);
    assert.equal(await outcome(server, login({ user: "me", pass: "secret" })), "");
    const reasons = JSON.parse(server.monitoring("/connz", new URLSearchParams("state=closed"))!.body).connections;
    assert.equal(reasons[0].reason, "Authentication Timeout");
    assert.equal(reasons[1].reason, "Authentication Failure");
  });
});

Deno.test("security: a token is taken as auth_token only", async () => {
  await withEmbedded({ authorization: { token: "t0ken" } }, async (server) => {
    assert.equal(await outcome(server, login({ auth_token: "t0ken" })), "");
    assert.equal(await outcome(server, login({ user: "t0ken" })), `${violation}closed`);
    assert.equal(await outcome(server, login({ pass: "t0ken" })), `${violation}closed`);
  });
});

Deno.test("security 48: bcrypt in all its prefixes; messages do not wait for it", async () => {
  const made = await hash("secret", 5);
  const users = ["a", "b", "x", "y"].map((letter) => ({
    user: letter,
    password: made.replace(/^\$2.\$/, `$2${letter}$`),
  }));
  const open = { user: "open", password: "door" };
  const slow = { user: "slow", password: await hash("secret", 11) };
  await withEmbedded({ authorization: { users: [...users, open, slow] } }, async (server) => {
    for (const { user, password } of users) {
      assert.equal(await outcome(server, login({ user, pass: "secret" })), "", user);
      assert.equal(await outcome(server, login({ user, pass: password })), `${violation}closed`, user);
    }
    assert.equal(await outcome(server, login({ user: "a", pass: "wrong" })), `${violation}closed`);
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(login({ user: "open", pass: "door" }) + "SUB a 1\r\n");
    let done = false;
    const logins = Promise.all([1, 2, 3].map(() => outcome(server, login({ user: "slow", pass: "secret" }))))
      .then(() => done = true);
    let messages = 0;
    for (; !done; messages++) {
      assert.equal(await client.ask("PUB a 1\r\nx\r\n"), "MSG a 1 1\r\nx\r\n");
    }
    await logins;
    await client.close();
    // Three checks in one go each would let three messages through.
    assert.ok(messages > 20, `${messages} messages while passwords were checked`);
  });
  await withEmbedded({ authorization: { token: made } }, async (server) => {
    assert.equal(await outcome(server, login({ auth_token: "secret" })), "");
    assert.equal(await outcome(server, login({ auth_token: made })), `${violation}closed`);
  });
});

Deno.test("security: a queue of slow checks lets nobody run out of time", async () => {
  const password = await hash("secret", 10);
  await withEmbedded({ authorization: { user: "a", password, timeout: 800 } }, async (server) => {
    const logins = Array.from({ length: 24 }, () => outcome(server, login({ user: "a", pass: "secret" })));
    assert.deepEqual(await Promise.all(logins), logins.map(() => ""));
  });
});

Deno.test("security: commands behind a slow CONNECT wait for it", async () => {
  const password = await hash("secret", 6);
  await withEmbedded({ authorization: { user: "a", password } }, async (server) => {
    const send = login({ user: "a", pass: "secret" }) + "SUB a 1\r\nPUB a 1\r\nx\r\n";
    assert.equal(await outcome(server, send), "MSG a 1 1\r\nx\r\n");
  });
});

Deno.test("security 49: nkeys sign the challenge of their own connection", async () => {
  const key = createUser();
  const other = createUser();
  const nkey = key.getPublicKey();
  const authorization = { nkeys: [{ nkey }], users: [{ user: "u", password: "p" }] };
  await withEmbedded({ authorization }, async (server) => {
    const attempt = async (sign: (nonce: string) => object) => {
      const client = await RawNatsClient.connect(server.address.port);
      const nonce = client.info["nonce"] as string;
      assert.match(nonce, /^[A-Za-z0-9_-]{15}$/);
      const answer = await client.ask(login(sign(nonce)));
      await client.close();
      return answer;
    };
    const sign = (pair: { sign(data: Uint8Array): Uint8Array }, text: string) =>
      Buffer.from(pair.sign(new TextEncoder().encode(text)));
    const again = fromSeed(key.getSeed());
    assert.equal(await attempt((nonce) => ({ nkey, sig: sign(again, nonce).toString("base64url") })), "");
    assert.equal(await attempt((nonce) => ({ nkey, sig: sign(key, nonce).toString("base64") })), "");
    assert.equal(await attempt(() => ({ nkey, sig: sign(key, "AAAAAAAAAAAAAAA").toString("base64url") })), violation);
    assert.equal(await attempt(() => ({ nkey, sig: "" })), violation);
    assert.equal(await attempt((nonce) => ({ nkey, sig: sign(other, nonce).toString("base64url") })), violation);
    const stranger = other.getPublicKey();
    const signed = (nonce: string) => sign(other, nonce).toString("base64url");
    assert.equal(await attempt((nonce) => ({ nkey: stranger, sig: signed(nonce) })), violation);
    assert.equal(await attempt(() => ({ user: "u", pass: "p" })), "");
    // The key decides, whatever else is right.
    assert.equal(await attempt(() => ({ nkey, sig: "", user: "u", pass: "p" })), violation);
  });
});

const denied = {
  publish: (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`,
  subscribe: (subject: string) => `-ERR 'Permissions Violation for Subscription to "${subject}"'\r\n`,
  group: (subject: string, queue: string) =>
    `-ERR 'Permissions Violation for Subscription to "${subject}" using queue "${queue}"'\r\n`,
};

const people: AuthorizationOptions = {
  users: [
    {
      user: "a",
      password: "a",
      permissions: {
        publish: { allow: ["foo.*", "any.>"], deny: ["foo.bad"] },
        subscribe: { allow: ["bar.>", "q.x grp", "both", "both v.*", "many.*"], deny: ["bar.no"] },
      },
    },
    { user: "r", password: "r", permissions: { subscribe: { allow: ["req"] }, responses: {} } },
    { user: "r2", password: "r2", permissions: { responses: { max: 2, expires: 60_000 } } },
    { user: "brief", password: "brief", permissions: { responses: { max: 2, expires: 20_000 } } },
    { user: "d", password: "d", permissions: { publish: { deny: ["x"] }, subscribe: { deny: ["y", "w dq"] } } },
    { user: "e", password: "e", permissions: { publish: { allow: [] }, subscribe: { allow: [] } } },
    { user: "root", password: "root" },
    { user: "def", password: "def" },
  ],
};

async function as(server: NatsServer, user: string, more: object = {}): Promise<RawNatsClient> {
  const client = await RawNatsClient.connect(server.address.port);
  await client.ask(login({ user, pass: user, ...more }));
  return client;
}

Deno.test("security 50: what may be published and subscribed to", async () => {
  await withEmbedded({ authorization: people }, async (server) => {
    const a = await as(server, "a");
    const root = await as(server, "root");
    const publish = (subject: string) => a.ask(`PUB ${subject} 1\r\nA\r\n`);
    for (const good of ["foo.x", "any.a.b", "foo.*"]) assert.equal(await publish(good), "", good);
    for (const bad of ["foo.bad", "bar", "foo.x.y", ">", "any"]) assert.equal(await publish(bad), denied.publish(bad));
    assert.equal(await a.ask("SUB bar.a 1\r\nSUB bar.* 3\r\nSUB bar.> 4\r\nSUB many.* 5\r\n"), "");
    for (const bad of ["bar.no", ">", "bar", "*.a", "a..b", "many.>"]) {
      assert.equal(await a.ask(`SUB ${bad} 9\r\n`), denied.subscribe(bad));
    }
    await root.ask("PUB bar.a 1\r\nA\r\nPUB bar.no 1\r\nB\r\n");
    const got = await a.ask("");
    assert.deepEqual(got.match(/MSG \S+ \d/g)!.sort(), ["MSG bar.a 1", "MSG bar.a 3", "MSG bar.a 4"]);
    const d = await as(server, "d");
    assert.equal(
      await d.ask("PUB x 1\r\nX\r\nSUB y 1\r\nSUB * 2\r\nPUB ok 1\r\nX\r\n"),
      denied.publish("x") + denied.subscribe("y") + "MSG ok 2 1\r\nX\r\n",
    );
    await root.ask("PUB y 1\r\nY\r\nPUB yy 1\r\nQ\r\n");
    assert.equal(await d.ask(""), "MSG yy 2 1\r\nQ\r\n");
    const e = await as(server, "e");
    assert.equal(await e.ask("SUB a 1\r\nPUB a 1\r\nX\r\n"), "MSG a 1 1\r\nX\r\n");
    for (const client of [a, root, d, e]) await client.close();
  });
});

Deno.test("security 51: entries with a queue are for that group", async () => {
  await withEmbedded({ authorization: people }, async (server) => {
    const a = await as(server, "a");
    assert.equal(await a.ask("SUB q.x grp 1\r\nSUB bar.q any 2\r\nSUB both 3\r\nSUB both v.1 4\r\n"), "");
    assert.equal(await a.ask("SUB q.x 5\r\n"), denied.subscribe("q.x"));
    assert.equal(await a.ask("SUB q.x other 5\r\n"), denied.group("q.x", "other"));
    const d = await as(server, "d");
    assert.equal(await d.ask("SUB w 1\r\nSUB w ok 2\r\n"), "");
    assert.equal(await d.ask("SUB w dq 3\r\n"), denied.group("w", "dq"));
    await a.close();
    await d.close();
  });
});

Deno.test("security 52: replies may be sent to requests that came, so many and so long", async () => {
  const clock = new SkippingClock();
  await withEmbedded({ authorization: people }, async (server) => {
    const root = await as(server, "root");
    const r = await as(server, "r");
    const reply = (client: RawNatsClient, subject: string) => client.ask(`PUB ${subject} 1\r\nR\r\n`);
    await r.ask("SUB req 1\r\n");
    assert.equal(await reply(r, "rep.1"), denied.publish("rep.1"));
    await root.ask("PUB req rep.1 1\r\nq\r\n");
    assert.equal(await r.ask(""), "MSG req 1 rep.1 1\r\nq\r\n");
    assert.equal(await reply(r, "rep.1"), "");
    assert.equal(await reply(r, "rep.1"), denied.publish("rep.1"));
    const r2 = await as(server, "r2");
    const brief = await as(server, "brief");
    await r2.ask("SUB req 1\r\n");
    await brief.ask("SUB req 1\r\n");
    await root.ask("PUB req rep.1 1\r\nq\r\n");
    await r2.ask("");
    assert.equal(await brief.ask(""), "MSG req 1 rep.1 1\r\nq\r\n");
    assert.deepEqual([await reply(r2, "rep.1"), await reply(r2, "rep.1")], ["", ""]);
    assert.equal(await reply(r2, "rep.1"), denied.publish("rep.1"));
    assert.equal(await reply(brief, "rep.1"), "");
    clock.skip(20_001);
    assert.equal(await reply(brief, "rep.1"), denied.publish("rep.1"));
    for (const client of [root, r, r2, brief]) await client.close();
  }, { clock });
});

Deno.test("security: a refusal takes the place of +OK and of a 503", async () => {
  await withEmbedded({ authorization: people }, async (server) => {
    const d = await as(server, "d", { verbose: true });
    assert.equal(
      await d.ask("PUB x 1\r\nX\r\nSUB y 1\r\nSUB z 2\r\n"),
      denied.publish("x") + denied.subscribe("y") + "+OK\r\n",
    );
    const asking = await as(server, "d", { headers: true, no_responders: true });
    assert.equal(await asking.ask("SUB inbox 1\r\nPUB x inbox 1\r\nX\r\n"), denied.publish("x"));
    await d.close();
    await asking.close();
  });
});

Deno.test("security: default permissions are for users without their own", async () => {
  const authorization = { ...people, defaultPermissions: { publish: { allow: ["only.this"] } } };
  await withEmbedded({ authorization }, async (server) => {
    const def = await as(server, "def");
    assert.equal(await def.ask("PUB only.this 1\r\nx\r\nPUB x 1\r\nx\r\n"), denied.publish("x"));
    const d = await as(server, "d");
    assert.equal(await d.ask("PUB other 1\r\nx\r\n"), "");
    await def.close();
    await d.close();
  });
});

Deno.test("security 54: connections without credentials become the no_auth_user", async () => {
  const authorization: AuthorizationOptions = {
    users: [
      { user: "guest", password: "g", permissions: { publish: { allow: ["guests.>"] } } },
      { user: "member", password: "m" },
    ],
    noAuthUser: "guest",
  };
  await withEmbedded({ authorization }, async (server) => {
    const client = await RawNatsClient.connect(server.address.port);
    assert.equal("auth_required" in client.info, false);
    assert.equal(await client.ask("PUB guests.a 1\r\nx\r\nPUB a 1\r\nx\r\n"), "+OK\r\n" + denied.publish("a"));
    await client.close();
    assert.equal(await outcome(server, login({}) + "PUB a 1\r\nx\r\n"), denied.publish("a"));
    assert.equal(await outcome(server, login({ user: "member", pass: "m" }) + "PUB a 1\r\nx\r\n"), "");
    assert.equal(await outcome(server, login({ user: "wrong" })), `${violation}closed`);
    assert.equal(await outcome(server, login({ pass: "m" })), `${violation}closed`);
  });
});

Deno.test("security: accounts do not see each other", async () => {
  const authorization = {
    users: [
      { user: "a", password: "a", account: "A" },
      { user: "a2", password: "a2", account: "A" },
      { user: "b", password: "b", account: "B" },
      { user: "g", password: "g" },
    ],
  };
  await withEmbedded({ authorization, accounts: [{ name: "A" }, { name: "B" }] }, async (server) => {
    const [a, a2, b, g] = [await as(server, "a"), await as(server, "a2"), await as(server, "b"), await as(server, "g")];
    for (const client of [a, a2, b, g]) await client.ask("SUB > 1\r\n");
    await a.ask("PUB only.a 1\r\nx\r\n");
    assert.equal(await a2.ask(""), "MSG only.a 1 1\r\nx\r\n");
    assert.deepEqual([await b.ask(""), await g.ask("")], ["", ""]);
    let heard = 0;
    const bus = server.openBus("global");
    bus.subscribe("only.>", () => heard++);
    await a.ask("PUB only.a 1\r\nx\r\n");
    assert.equal(heard, 0);
    await g.ask("PUB only.g 1\r\nx\r\n");
    assert.equal(heard, 1);
    const rows = JSON.parse(server.monitoring("/connz", new URLSearchParams("auth=1&acc=A"))!.body).connections;
    assert.deepEqual(rows.map((row: Record<string, unknown>) => [row["authorized_user"], row["account"]]), [
      ["a", "A"],
      ["a2", "A"],
    ]);
    for (const client of [a, a2, b, g]) await client.close();
  });
});

Deno.test("security: a reload that changes no rights leaves everybody as they are", async () => {
  const authorization: AuthorizationOptions = {
    users: [
      { user: "old", password: "o", account: "A" },
      { user: "r", password: "r", permissions: { subscribe: { allow: ["req"] }, responses: {} } },
      { user: "root", password: "root" },
    ],
  };
  const base = { host: "127.0.0.1", port: 0, accounts: [{ name: "A", maxPayload: 100 }, { name: "B" }], authorization };
  await withEmbedded(base, async (server) => {
    const [r, root] = [await as(server, "r"), await as(server, "root")];
    const old = await RawNatsClient.connect(server.address.port);
    await old.ask(login({ user: "old", pass: "o" }) + "SUB a 1\r\n");
    await r.ask("SUB req 1\r\n");
    await root.ask("PUB req rep 1\r\nq\r\n");
    await r.ask("");
    server.reload({ ...base, maxPayload: 50 });
    // The right to answer is still there, and the stricter limit holds for those who are connected.
    assert.equal(await r.ask("PUB rep 1\r\nR\r\n"), "");
    assert.equal(await root.ask("PUB x 51\r\n"), "-ERR 'Maximum Payload Violation'\r\n");
    server.reload({ ...base, accounts: [{ name: "A", maxPayload: 10 }, { name: "B" }] });
    assert.equal(await old.ask("PUB a 10\r\n0123456789\r\n"), "MSG a 1 10\r\n0123456789\r\n");
    assert.equal(await old.ask("PUB a 11\r\n"), "-ERR 'Maximum Payload Violation'\r\n");
    for (const client of [r, root, old]) await client.close();
  });
});

Deno.test("security: a user who is gone or moved loses its connection without a word; a wrong password has one", async () => {
  const user = (name: string, password: string, account: string) => ({ user: name, password, account });
  const accounts = [{ name: "A" }, { name: "B" }];
  const base = { host: "127.0.0.1", port: 0, accounts };
  const users = [user("gone", "gone", "A"), user("moved", "moved", "A"), user("other", "other", "A")];
  await withEmbedded({ ...base, authorization: { users } }, async (server) => {
    const clients = [await as(server, "gone"), await as(server, "moved"), await as(server, "other")];
    server.reload({ ...base, authorization: { users: [user("moved", "moved", "B"), user("other", "new", "A")] } });
    const texts = await Promise.all(clients.map((client) => client.untilClosed()));
    assert.deepEqual(texts, ["", "", violation]);
    for (const client of clients) await client.close();
  });
});

Deno.test("security: a reload takes users, rights and subscriptions away while they are connected", async () => {
  const base = { host: "127.0.0.1", port: 0 };
  const user = (name: string, allow: string[]) => ({
    user: name,
    password: name,
    permissions: { subscribe: { allow } },
  });
  await withEmbedded({ authorization: { users: [user("stays", ["a", "b"]), user("goes", ["a"])] } }, async (server) => {
    const stays = await as(server, "stays", { protocol: 1 });
    const goes = await as(server, "goes");
    await stays.ask("SUB a 1\r\nSUB b 2\r\n");
    const users = [user("stays", ["a"])];
    assert.deepEqual(server.reload({ ...base, port: 4, maxPayload: 10, authorization: { users } }), ["port"]);
    assert.equal(await goes.untilClosed(), "");
    const told = await stays.ask("");
    assert.match(told, /-ERR 'Permissions Violation for Subscription to "b" \(sid "2"\)'\r\n/);
    assert.match(told, /INFO \{.*"max_payload":10,/);
    assert.equal(server.globalAccount.tree.localCount, 1);
    assert.equal(await stays.ask("PUB a 11\r\n"), "-ERR 'Maximum Payload Violation'\r\n");
    await stays.close();
    await goes.close();
  });
});
