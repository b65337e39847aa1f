/** NATS clients from npm doing their ordinary work against the embedded server. */
import assert from "node:assert/strict";
import { authority, certificatePath, clientIdentity, serverIdentity } from "../support/certificates.ts";
import * as modern from "@nats-io/transport-node";
import * as previous from "nats";
import { createUser } from "@nats-io/nkeys";
import type { EmbeddedNatsOptions, NatsServer } from "../../src/nats/embedded/mod.ts";
import { hash } from "bcryptjs";
import { Buffer } from "node:buffer";
import { eventually } from "../support/deadline.ts";
import { meshed, routePort, startMember } from "../support/mesh.ts";
import { startEmbedded, withEmbedded } from "../support/embedded_nats.ts";

const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** What the two generations of nats.js have in common, as far as these tests go. */
interface Client {
  connect(options: object): Promise<previous.NatsConnection>;
  headers(): previous.MsgHdrs;
  nkeyAuthenticator(seed: Uint8Array): unknown;
}

const clients: Record<string, Client> = {
  "@nats-io/transport-node": modern as unknown as Client,
  "nats 2": previous as unknown as Client,
};

async function connected(
  client: Client,
  server: NatsServer,
  options: object,
  work: (connection: previous.NatsConnection) => Promise<void>,
): Promise<void> {
  const connection = await client.connect({ servers: server.url, ...options });
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}

/** Takes so many messages of a subscription. */
async function take(subscription: previous.Subscription, count: number): Promise<string[]> {
  const taken: string[] = [];
  for await (const message of subscription) if (taken.push(text(message.data)) === count) break;
  return taken;
}

for (const [name, client] of Object.entries(clients)) {
  const test = (
    title: string,
    work: (server: NatsServer) => Promise<void>,
    options: Partial<EmbeddedNatsOptions> = {},
  ) =>
    Deno.test({
      name: `${name}: ${title}`,
      fn: () => withEmbedded(options, work),
      // The libraries leave timers of their own behind for a moment.
      sanitizeOps: false,
      sanitizeResources: false,
    });

  test("publishes, subscribes with wildcards, unsubscribes after so many", async (server) => {
    await connected(client, server, {}, async (connection) => {
      const all = connection.subscribe("foo.>");
      const some = connection.subscribe("foo.*", { max: 2 });
      for (let i = 0; i < 5; i++) connection.publish("foo.bar", String(i));
      await connection.flush();
      assert.deepEqual(await take(all, 5), ["0", "1", "2", "3", "4"]);
      assert.deepEqual(await take(some, 2), ["0", "1"]);
      all.unsubscribe();
      await connection.flush();
      assert.equal(server.globalAccount.tree.localCount, 0);
    });
  });

  test("requests: many at once, to nobody, too late; headers come through", async (server) => {
    await connected(client, server, {}, async (service) => {
      service.subscribe("service", {
        callback: (_error, message) => {
          const headers = client.headers();
          headers.set("answer", message.headers?.get("question") ?? "none");
          message.respond(message.data, { headers });
        },
      });
      service.subscribe("silent", { callback() {} });
      await service.flush();
      await connected(client, server, {}, async (asker) => {
        const answers = await Promise.all(
          Array.from({ length: 200 }, (_, i) => {
            const headers = client.headers();
            headers.set("question", `q${i}`);
            return asker.request("service", String(i), { timeout: 5_000, headers });
          }),
        );
        assert.deepEqual(answers.map(({ data }) => text(data)), Array.from({ length: 200 }, (_, i) => String(i)));
        assert.equal(answers[7]!.headers!.get("answer"), "q7");
        await assert.rejects(asker.request("nobody", "", { timeout: 5_000 }), /503|no responders/i);
        await assert.rejects(asker.request("silent", "", { timeout: 50 }), /timeout/i);
        const old = await asker.request("service", "x", { timeout: 5_000, noMux: true, reply: "my.own.inbox" });
        assert.equal(text(old.data), "x");
      });
    });
  });

  test("queue groups share, drain loses nothing", async (server) => {
    await connected(client, server, {}, async (publisher) => {
      const workers = [
        await client.connect({ servers: server.url }),
        await client.connect({ servers: server.url }),
      ];
      const counts = [0, 0];
      for (const [i, worker] of workers.entries()) {
        worker.subscribe("work", { queue: "q", callback: () => counts[i]!++ });
        await worker.flush();
      }
      for (let i = 0; i < 1_000; i++) publisher.publish("work", "x");
      await publisher.flush();
      await workers[0]!.drain();
      for (let i = 0; i < 100; i++) publisher.publish("work", "x");
      await publisher.flush();
      await workers[1]!.drain();
      assert.equal(counts[0]! + counts[1]!, 1_100);
      assert.ok(counts[0]! > 300 && counts[1]! > 400, counts.join(", "));
    });
  });

  test("large payloads and many subjects", async (server) => {
    await connected(client, server, {}, async (connection) => {
      const got: number[] = [];
      connection.subscribe("size.*", { callback: (_error, message) => got.push(message.data.length) });
      const sizes = [0, 1, 100, 4_095, 65_536, 300_000, 1_048_576];
      for (const size of sizes) connection.publish(`size.${size}`, new Uint8Array(size));
      await connection.flush();
      assert.deepEqual(got, sizes);
    });
  });

  test("user and password, plain and bcrypt; a token", async (server) => {
    await connected(client, server, { user: "a", pass: "p" }, (connection) => connection.flush());
    await connected(client, server, { user: "b", pass: "secret" }, (connection) => connection.flush());
    await assert.rejects(
      client.connect({ servers: server.url, user: "a", pass: "q", reconnect: false }),
      /authorization/i,
    );
    await assert.rejects(client.connect({ servers: server.url, reconnect: false }), /authorization/i);
    await withEmbedded({ authorization: { token: "t" } }, async (tokens) => {
      await connected(client, tokens, { token: "t" }, (connection) => connection.flush());
    });
  }, { authorization: { users: [{ user: "a", password: "p" }, { user: "b", password: await hash("secret", 5) }] } });

  const key = createUser();
  test("nkeys", async (server) => {
    await connected(client, server, { authenticator: client.nkeyAuthenticator(key.getSeed()) }, async (connection) => {
      await connection.flush();
    });
    const stranger = client.nkeyAuthenticator(createUser().getSeed());
    const refused = client.connect({ servers: server.url, authenticator: stranger, reconnect: false });
    await assert.rejects(refused, /authorization/i);
  }, { authorization: { nkeys: [{ nkey: key.getPublicKey() }] } });

  test("TLS with client certificates", async (server) => {
    const tls = {
      caFile: certificatePath("authority.pem"),
      certFile: certificatePath("client.pem"),
      keyFile: certificatePath("client.key"),
    };
    await connected(client, server, { tls }, async (connection) => {
      const subscription = connection.subscribe("a");
      connection.publish("a", new Uint8Array(200_000));
      connection.publish("a", "end");
      assert.equal((await take(subscription, 2))[1], "end");
    });
    await assert.rejects(
      client.connect({ servers: server.url, reconnect: false, timeout: 1_000, tls: { caFile: tls.caFile } }),
    );
  }, { tls: { ...serverIdentity, authorities: authority, verify: true } });

  test("permission errors reach the one who asked", async (server) => {
    await connected(client, server, {}, async (connection) => {
      const refused = connection.subscribe("secret");
      const error = await (async () => {
        for await (const _ of refused);
      })().then(() => undefined, (cause: Error) => cause);
      assert.match(String(error?.message), /permissions violation/i);
      assert.equal(connection.isClosed(), false);
      await connection.flush();
    });
  }, {
    authorization: {
      users: [{ user: "u", password: "p", permissions: { subscribe: { deny: ["secret"] } } }],
      noAuthUser: "u",
    },
  });

  Deno.test({
    name: `${name}: comes back after the server was away, with its subscriptions`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const first = await startEmbedded();
      const connection = await client.connect({ servers: first.url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
      const got: string[] = [];
      connection.subscribe("a", { callback: (_error, message) => got.push(text(message.data)) });
      await connection.flush();
      await first.close();
      const second = await startEmbedded({ port: first.address.port });
      await eventually(() => second.globalAccount.tree.localCount > 0 || undefined, "the subscription");
      second.openBus("test").publish(new TextEncoder().encode("a"), new TextEncoder().encode("again"));
      await connection.flush();
      assert.deepEqual(got, ["again"]);
      await connection.close();
      await second.close();
    },
  });
}

for (const [name, client] of Object.entries(clients)) {
  Deno.test({
    name: `${name}: moves to another server of the cluster, which it was told of`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const first = await startMember("first", []);
      const connection = await client.connect({ servers: first.url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
      const got: string[] = [];
      connection.subscribe("a", { callback: (_error, message) => got.push(text(message.data)) });
      await connection.flush();
      const second = await startMember("second", [routePort(first)]);
      await meshed(first, second);
      await connection.flush();
      await first.close();
      await eventually(() => second.globalAccount.tree.localCount === 1 || undefined, "its subscription");
      second.openBus("test").publish(new TextEncoder().encode("a"), new TextEncoder().encode("here"));
      await connection.flush();
      assert.deepEqual(got, ["here"]);
      await connection.close();
      await second.close();
    },
  });

  Deno.test({
    name: `${name}: hears that its server is a lame duck, and leaves it`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const first = await startMember("first", [], {}, { lameDuckGrace: 50, lameDuckDuration: 100 });
      const second = await startMember("second", [routePort(first)]);
      await meshed(first, second);
      const connection = await client.connect({ servers: first.url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
      const heard: string[] = [];
      void (async () => {
        for await (const status of connection.status()) heard.push(status.type);
      })();
      connection.subscribe("a", { callback() {} });
      await connection.flush();
      await first.lameDuck();
      await eventually(() => second.globalAccount.tree.localCount === 1 || undefined, "its subscription");
      assert.ok(heard.includes("ldm"), heard.join());
      await connection.close();
      await first.close();
      await second.close();
    },
  });

  Deno.test({
    name: `${name}: noEcho, and an own message in a queue of others`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () =>
      withEmbedded({}, async (server) => {
        const quiet = await client.connect({ servers: server.url, noEcho: true });
        const other = await client.connect({ servers: server.url });
        const counts = { quiet: 0, other: 0 };
        quiet.subscribe("work", { queue: "q", callback: () => counts.quiet++ });
        other.subscribe("work", { queue: "q", callback: () => counts.other++ });
        await Promise.all([quiet.flush(), other.flush()]);
        for (let i = 0; i < 100; i++) quiet.publish("work");
        await quiet.flush();
        await other.flush();
        assert.deepEqual(counts, { quiet: 0, other: 100 });
        await Promise.all([quiet.close(), other.close()]);
      }),
  });
}

Deno.test({
  name: "nats 1.4, which STAN clients use: publish, subscribe, request in both styles, queue, reconnect",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const { default: old } = await import("nats-1");
    const server = await startEmbedded({ authorization: { user: "u", password: "p" } });
    const port = server.address.port;
    for (const useOldRequestStyle of [false, true]) {
      const connection = old.connect({
        url: `nats://u:p@127.0.0.1:${port}`,
        useOldRequestStyle,
        reconnectTimeWait: 50,
        maxReconnectAttempts: -1,
      });
      await new Promise((resolve) => connection.once("connect", resolve));
      const got: string[] = [];
      connection.subscribe(
        "foo.*",
        (message: string, _reply: string, subject: string) => got.push(`${subject} ${message}`),
      );
      connection.subscribe(
        "help",
        { queue: "q" },
        (message: string, reply: string) => connection.publish(reply, `${message}!`),
      );
      for (let i = 0; i < 3; i++) connection.publish("foo.bar", String(i));
      await new Promise((resolve) => connection.flush(resolve));
      assert.deepEqual(got, ["foo.bar 0", "foo.bar 1", "foo.bar 2"]);
      const ask = (payload: string) =>
        new Promise((resolve) => connection.request("help", payload, { max: 1, timeout: 5_000 }, resolve));
      assert.deepEqual(
        await Promise.all(Array.from({ length: 50 }, (_, i) => ask(String(i)))),
        Array.from({ length: 50 }, (_, i) => `${i}!`),
      );
      connection.close();
    }
    const staying = old.connect({
      url: `nats://u:p@127.0.0.1:${port}`,
      reconnectTimeWait: 50,
      maxReconnectAttempts: -1,
    });
    await new Promise((resolve) => staying.once("connect", resolve));
    const heard = new Promise((resolve) => staying.subscribe("after", resolve));
    const back = new Promise((resolve) => staying.once("reconnect", resolve));
    await server.close();
    const again = await startEmbedded({ port, authorization: { user: "u", password: "p" } });
    await back;
    await new Promise((resolve) => staying.flush(resolve));
    again.openBus("test").publish(new TextEncoder().encode("after"), new TextEncoder().encode("yes"));
    assert.equal(await heard, "yes");
    staying.close();
    await again.close();
  },
});

Deno.test({
  name: "nats 1.4 over TLS",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const { default: old } = await import("nats-1");
    await withEmbedded({ tls: { ...serverIdentity, authorities: authority, verify: true } }, async (server) => {
      const connection = old.connect({
        url: `tls://localhost:${server.address.port}`,
        tls: { ca: [authority], cert: clientIdentity.certificate, key: clientIdentity.key },
      });
      await new Promise((resolve, reject) => {
        connection.once("connect", resolve);
        connection.once("error", reject);
      });
      const got = new Promise((resolve) => connection.subscribe("a", resolve));
      connection.publish("a", "x");
      assert.equal(await got, "x");
      connection.close();
    });
  },
});

/** Connects the old client, and rejects with its first error. */
async function connectOld(options: object): Promise<import("nats-1").Client> {
  const { default: old } = await import("nats-1");
  const connection = old.connect(options);
  await new Promise((resolve, reject) => {
    connection.once("connect", resolve);
    connection.once("error", reject);
  });
  return connection;
}

const oldTest = (title: string, fn: () => Promise<void>) =>
  Deno.test({ name: `nats 1.4: ${title}`, sanitizeOps: false, sanitizeResources: false, fn });

oldTest("a token; a wrong one", () =>
  withEmbedded({ authorization: { token: "t" } }, async (server) => {
    const connection = await connectOld({ url: server.url, token: "t" });
    await new Promise((resolve) => connection.flush(resolve));
    connection.close();
    await assert.rejects(connectOld({ url: server.url, token: "u", reconnect: false }), /authorization/i);
  }));

oldTest("a bcrypt password", async () => {
  const users = [{ user: "u", password: await hash("secret", 5) }];
  await withEmbedded({ authorization: { users } }, async (server) => {
    const connection = await connectOld({ url: server.url, user: "u", pass: "secret" });
    connection.close();
  });
});

oldTest("an nkey", async () => {
  const key = createUser();
  const nkey = key.getPublicKey();
  await withEmbedded({ authorization: { nkeys: [{ nkey }] } }, async (server) => {
    const nonceSigner = (nonce: Uint8Array) => Buffer.from(key.sign(nonce));
    const connection = await connectOld({ url: server.url, nkey, nonceSigner });
    await new Promise((resolve) => connection.flush(resolve));
    connection.close();
    const wrong = { url: server.url, nkey, nonceSigner: () => Buffer.alloc(64), reconnect: false };
    await assert.rejects(connectOld(wrong), /authorization/i);
  });
});

oldTest("unsubscribing after so many, no echo, large payloads, drain", () =>
  withEmbedded({}, async (server) => {
    const connection = await connectOld({ url: server.url, preserveBuffers: true });
    const quiet = await connectOld({ url: server.url, noEcho: true });
    const got: number[] = [];
    const few: number[] = [];
    let own = 0;
    connection.subscribe("size.>", (message: Uint8Array) => got.push(message.length));
    connection.subscribe("size.*", { max: 2 }, (message: Uint8Array) => few.push(message.length));
    quiet.subscribe("size.*", () => own++);
    await new Promise((resolve) => connection.flush(resolve));
    for (const size of [0, 1, 70_000, 1_048_576]) quiet.publish("size.a", Buffer.alloc(size));
    await new Promise((resolve) => quiet.flush(resolve));
    await new Promise((resolve) => connection.flush(resolve));
    assert.deepEqual([got, few, own], [[0, 1, 70_000, 1_048_576], [0, 1], 0]);
    for (let i = 0; i < 1_000; i++) quiet.publish("size.b", Buffer.alloc(3));
    await new Promise((resolve) => quiet.flush(resolve));
    await new Promise((resolve) => connection.drain(resolve));
    assert.equal(got.length, 1_004);
    connection.close();
    quiet.close();
  }));

oldTest("a refused subscription is told, and the connection stays", async () => {
  const users = [{ user: "u", password: "p", permissions: { subscribe: { deny: ["secret"] } } }];
  await withEmbedded({ authorization: { users } }, async (server) => {
    const connection = await connectOld({ url: server.url, user: "u", pass: "p" });
    const refused = new Promise<Error>((resolve) => connection.once("permission_error", resolve));
    connection.subscribe("secret", () => {});
    assert.match((await refused).message, /permissions violation/i);
    await new Promise((resolve) => connection.flush(resolve));
    connection.close();
  });
});
