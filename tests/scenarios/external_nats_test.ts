/** The bus to an external NATS server, against the real `nats-server`: security, and what happens when it goes away. */
import assert from "node:assert/strict";
import { connect as connectWithLibrary } from "@nats-io/transport-node";
import { type ClientBusOptions, connectBus } from "../../src/nats/client/mod.ts";
import { type Log, silentLog } from "../../src/ports/log.ts";
import type { Inbound, MessageBus } from "../../src/ports/message_bus.ts";
import type { Connection, Network } from "../../src/ports/network.ts";
import { systemClock, systemNetwork, systemRandom } from "../../src/system/mod.ts";
import { authority, certificatePath, clientIdentity } from "../support/certificates.ts";
import { natsServerPath, type RealNatsServer, startNatsServer } from "../support/nats_server.ts";
import { makeCredentials, makeUserKey } from "../support/nats_credentials.ts";

const ignore = natsServerPath === undefined;
const ports = { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log: silentLog };

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function payloadOf(message: Inbound): string {
  return new TextDecoder().decode(message.buffer.slice(message.payloadStart, message.payloadEnd));
}

/** Runs `body` with a server of this configuration. */
async function withServer(config: string, body: (server: RealNatsServer) => Promise<void>): Promise<void> {
  const server = await startNatsServer({ config });
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

function at(server: RealNatsServer, rest: Partial<ClientBusOptions> = {}): ClientBusOptions {
  return { servers: [`nats://127.0.0.1:${server.port}`], name: "_NSS-test-cluster-send", ...rest };
}

/** Connects, proves that messages pass, closes. */
async function works(options: ClientBusOptions): Promise<void> {
  const bus = await connectBus(options, ports);
  try {
    const seen: string[] = [];
    bus.subscribe("works", (message) => seen.push(payloadOf(message)));
    bus.publish(bytes("works"), bytes("yes"));
    await bus.flush();
    assert.deepEqual(seen, ["yes"]);
  } finally {
    await bus.close();
  }
}

function refused(options: ClientBusOptions, message: string | RegExp, code: string): Promise<void> {
  return assert.rejects(connectBus(options, ports).then((bus) => bus.close()), { name: "NatsFailed", message, code });
}

/** Resolves with what the connection's listener is told next. */
function nextChange(bus: MessageBus): Promise<boolean> {
  return new Promise((resolve) => bus.onConnection(resolve));
}

Deno.test({ name: "users, in options and in URLs; a wrong one is refused", ignore }, async () => {
  await withServer(`authorization { users: [{ user: "me@x", password: "s:e/cret" }] }`, async (server) => {
    await works(at(server, { user: "me@x", password: "s:e/cret" }));
    await works(at(server, { servers: [`nats://me%40x:s%3Ae%2Fcret@127.0.0.1:${server.port}`] }));
    // What stands in the URL goes first.
    await works(
      at(server, { servers: [`nats://me%40x:s%3Ae%2Fcret@127.0.0.1:${server.port}`], user: "no", password: "no" }),
    );
    const text = "nats: Authorization Violation";
    await refused(at(server, { user: "me@x", password: "no" }), text, "AUTHORIZATION");
    await refused(at(server), text, "AUTHORIZATION");
  });
});

Deno.test({ name: "a token, in options and in the URL", ignore }, async () => {
  await withServer(`authorization { token: "s3cr3t" }`, async (server) => {
    await works(at(server, { token: "s3cr3t" }));
    await works(at(server, { servers: [`nats://s3cr3t@127.0.0.1:${server.port}`] }));
    await refused(at(server, { token: "other" }), "nats: Authorization Violation", "AUTHORIZATION");
  });
});

Deno.test({ name: "nkeys: the seed's file with and without its frame", ignore }, async () => {
  const { seed, publicKey } = makeUserKey();
  await withServer(`authorization { users: [{ nkey: ${publicKey} }] }`, async (server) => {
    await works(at(server, { nkeySeed: `${seed}\n` }));
    await works(at(server, { nkeySeed: `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n` }));
    await refused(at(server, { nkeySeed: makeUserKey().seed }), "nats: Authorization Violation", "AUTHORIZATION");
    await refused(at(server, { nkeySeed: "nothing here" }), "nats: no nkey seed found", "BAD_CREDENTIALS");
  });
});

Deno.test({ name: "a credentials file, in operator mode", ignore }, async () => {
  const { config, credentials } = makeCredentials();
  await withServer(config, async (server) => {
    await works(at(server, { credentials }));
    await refused(
      at(server, { credentials: makeCredentials().credentials }),
      "nats: Authorization Violation",
      "AUTHORIZATION",
    );
    await refused(at(server, { credentials: "x" }), /no user JWT found/, "BAD_CREDENTIALS");
  });
});

const serverTls = `cert_file: "${certificatePath("server.pem")}", key_file: "${certificatePath("server.key")}"`;

Deno.test({ name: "TLS: demanded by us, or by the server alone; certificates are checked", ignore }, async () => {
  await withServer(`tls { ${serverTls} }`, async (server) => {
    await works(at(server, { tls: { authorities: authority } }));
    await works(at(server, { servers: [`nats://localhost:${server.port}`], tls: { authorities: authority } }));
    await works(at(server, { tls: { insecure: true } }));
    const unknown = "x509: certificate signed by unknown authority";
    await refused(at(server), unknown, "CERTIFICATE");
    await refused(at(server, { tls: {} }), unknown, "CERTIFICATE");
    await refused(at(server, { servers: [`tls://127.0.0.1:${server.port}`] }), unknown, "CERTIFICATE");
    const otherName = at(server, { tls: { authorities: authority, serverName: "other" } });
    await refused(otherName, "x509: certificate is valid for localhost, not other", "CERTIFICATE");
  });
});

Deno.test({ name: "mutual TLS: our certificate is shown; without one the server refuses", ignore }, async () => {
  const config = `tls { ${serverTls}, ca_file: "${certificatePath("authority.pem")}", verify: true }`;
  await withServer(config, async (server) => {
    await works(at(server, { tls: { authorities: authority, ...clientIdentity } }));
    // The server's alert, unless its closing the connection overtakes it.
    const refusal = /^(remote error: tls: .*|nats: .*(reset|EOF).*)$/;
    await assert.rejects(connectBus(at(server, { tls: { authorities: authority } }), ports), {
      name: "NatsFailed",
      message: refusal,
    });
  });
});

Deno.test({ name: "TLS demanded by us from a server without it", ignore }, async () => {
  await withServer(
    "",
    (server) => refused(at(server, { tls: {} }), "nats: secure connection not available", "SECURE_NOT_AVAILABLE"),
  );
});

Deno.test({ name: "nobody listens: refused at once, without a second try", ignore }, async () => {
  const server = await startNatsServer();
  await server.stop();
  const dead = at(server, { servers: [`nats://127.0.0.1:${server.port}`, `nats://localhost:${server.port}`] });
  await refused(dead, "nats: no servers available for connection", "NO_SERVERS");
});

Deno.test({ name: "a list whose first server is dead", ignore }, async () => {
  const dead = await startNatsServer();
  await dead.stop();
  await withServer(
    "",
    (server) => works(at(server, { servers: [`nats://127.0.0.1:${dead.port}`, ...at(server).servers] })),
  );
});

Deno.test({ name: "the server restarts: refused while it is down, then everything is back", ignore }, async () => {
  const first = await startNatsServer();
  const lines: string[] = [];
  const log: Log = { ...silentLog, error: (text) => lines.push(text), notice: (text) => lines.push(text) };
  const bus = await connectBus(at(first, { reconnectWait: 50 }), { ...ports, log });
  const seen: string[] = [];
  const gone = bus.subscribe("gone", () => seen.push("never"));
  bus.subscribe("kept.*", (message) => seen.push(payloadOf(message)));
  bus.publish(bytes("kept.1"), bytes("before"));
  await bus.flush();
  const unanswered = bus.request("kept.1", bytes("asked"), 60_000);
  await bus.flush();

  const lost = nextChange(bus);
  const flushes = Array.from({ length: 2 }, () => bus.flush().then(() => "done", (error: Error) => error.message));
  await first.stop();
  assert.equal(await lost, false);
  assert.equal(bus.connected, false);
  assert.equal(bus.publish(bytes("kept.1"), bytes("lost")), false);
  assert.equal(bus.publishRequest(bytes("kept.1"), bytes("r"), bytes("lost")), false);
  assert.deepEqual(await unanswered, { kind: "disconnected" });
  assert.deepEqual(await bus.request("kept.1", bytes(""), 60_000), { kind: "disconnected" });
  await assert.rejects(bus.flush(), { code: "DISCONNECTED" });
  for (const outcome of await Promise.all(flushes)) assert.match(outcome, /^(done|nats: connection closed)$/);
  gone.unsubscribe();
  bus.subscribe("late", (message) => seen.push(payloadOf(message)));

  const back = nextChange(bus);
  const second = await startNatsServer({ port: first.port });
  try {
    assert.equal(await back, true);
    assert.equal(bus.connected, true);
    const other = await connectBus(at(second), ports);
    for (const subject of ["gone", "kept.2", "late"]) other.publish(bytes(subject), bytes(subject));
    await other.flush();
    await bus.flush();
    assert.deepEqual(seen, ["before", "asked", "kept.2", "late"]);
    assert.match(
      lines.shift()!,
      /^connection "_NSS-test-cluster-send" has been disconnected: (EOF|cannot read: .*reset.*)$/,
    );
    assert.deepEqual(lines, [
      `connection "_NSS-test-cluster-send" reconnected to NATS Server at "nats://127.0.0.1:${first.port}"`,
    ]);
    await other.close();
  } finally {
    await bus.close();
    await second.stop();
  }
});

Deno.test({
  name: "one of two servers dies: the other takes over; closing while nobody is there ends the tries",
  ignore,
}, async () => {
  const [first, second] = [await startNatsServer(), await startNatsServer()];
  const bus = await connectBus(
    at(first, { servers: [...at(first).servers, ...at(second).servers], reconnectWait: 20 }),
    ports,
  );
  assert.equal(bus.url, `nats://127.0.0.1:${first.port}`);
  const back = new Promise<void>((resolve) => bus.onConnection((connected) => connected && resolve()));
  await first.stop();
  await back;
  assert.equal(bus.url, `nats://127.0.0.1:${second.port}`);
  const lost = nextChange(bus);
  await second.stop();
  assert.equal(await lost, false);
  await bus.close();
});

Deno.test(
  { name: "connections in one process, ours and others', reconnect each with its own transport", ignore },
  async () => {
    const server = await startNatsServer();
    const [ours, ours2] = [
      await connectBus(at(server, { reconnectWait: 20 }), ports),
      await connectBus(at(server, { reconnectWait: 20 }), ports),
    ];
    const theirs = await connectWithLibrary({
      servers: `127.0.0.1:${server.port}`,
      reconnectTimeWait: 20,
      reconnectJitter: 0,
      maxReconnectAttempts: -1,
    });
    const returned = (async () => {
      for await (const status of theirs.status()) if (status.type === "reconnect") return;
    })();
    const back = [ours, ours2].map((bus) =>
      new Promise<void>((resolve) => bus.onConnection((connected) => connected && resolve()))
    );
    await server.stop();
    const again = await startNatsServer({ port: server.port });
    try {
      await Promise.all([...back, returned]);
      const seen: string[] = [];
      ours2.subscribe("all", (message) => seen.push(payloadOf(message)));
      await ours2.flush();
      ours.publish(bytes("all"), bytes("ours"));
      await ours.flush();
      theirs.publish("all", "theirs");
      await theirs.flush();
      await ours2.flush();
      assert.deepEqual(seen, ["ours", "theirs"]);
    } finally {
      await Promise.all([ours.close(), ours2.close(), theirs.close()]);
      await again.stop();
    }
  },
);

/** The system's network, whose reads wait while the gate is shut. */
function gatedNetwork(): { network: Network; shut(): void; open(): void } {
  const inner = systemNetwork();
  let gate: PromiseWithResolvers<void> | undefined;
  const gated = (connection: Connection): Connection => ({
    local: connection.local,
    remote: connection.remote,
    read: async (into) => {
      await gate?.promise;
      return connection.read(into);
    },
    write: (data) => connection.write(data),
    close: () => connection.close(),
  });
  return {
    network: { ...inner, dial: async (address, options) => gated(await inner.dial(address, options)) },
    shut: () => gate = Promise.withResolvers(),
    open: () => {
      gate?.resolve();
      gate = undefined;
    },
  };
}

Deno.test({
  name: "too slow for its messages: the server cuts us off, and we come back with our subscriptions",
  ignore,
}, async () => {
  await withServer('max_pending: 262144\nmax_payload: 65536\nwrite_deadline: "2s"', async (server) => {
    const gate = gatedNetwork();
    const bus = await connectBus(at(server, { reconnectWait: 20 }), { ...ports, network: gate.network });
    const fast = await connectBus(at(server), ports);
    let count = 0;
    let last = "";
    bus.subscribe("flood", (message) => {
      count++;
      last = payloadOf(message).slice(0, 4);
    });
    await bus.flush();
    const lost = nextChange(bus);
    const back = new Promise<void>((resolve) => bus.onConnection((connected) => connected && resolve()));
    gate.shut();
    const large = new Uint8Array(65536);
    // More than the sockets' own buffers and the server's limit hold together.
    for (let i = 0; i < 400; i++) {
      while (!fast.publish(bytes("flood"), large)) await fast.flush();
      if (i % 20 === 19) await fast.flush();
    }
    gate.open();
    assert.equal(await lost, false);
    await back;
    const before = count;
    assert.ok(before < 400, `all ${before} messages came through: the flood was too small`);
    fast.publish(bytes("flood"), bytes("last"));
    await fast.flush();
    await bus.flush();
    assert.deepEqual([count - before, last], [1, "last"]);
    await Promise.all([bus.close(), fast.close()]);
  });
});

Deno.test({ name: "a subject that would make the server hang up is refused here", ignore }, async () => {
  await withServer("", async (server) => {
    const bus = await connectBus(at(server), ports);
    let lost = false;
    bus.onConnection(() => lost = true);
    const long = bytes("s".repeat(4095));
    assert.equal(bus.publish(long, bytes("x")), false);
    assert.equal(bus.publishRequest(bytes("a"), long, bytes("x")), false);
    assert.throws(() => bus.subscribe("s".repeat(4095), () => {}), { code: "INVALID_SUBJECT" });
    assert.throws(() => bus.subscribe("a b", () => {}), { message: "nats: invalid subject" });
    const fits = bytes("s".repeat(4080));
    assert.equal(bus.publish(fits, bytes("x")), true);
    await bus.flush();
    assert.equal(lost, false);
    await bus.close();
  });
});

Deno.test({ name: "the server's limits and our name are what the server says and shows", ignore }, async () => {
  await withServer('max_payload: 4096\nhttp: "127.0.0.1:-1"', async (server) => {
    const bus = await connectBus(at(server), ports);
    assert.equal(bus.maxPayload, 4096);
    const answer = await fetch(`http://127.0.0.1:${server.monitorPort}/connz`);
    const { connections } = await answer.json() as { connections: { name: string }[] };
    assert.deepEqual(connections.map((one) => one.name), ["_NSS-test-cluster-send"]);
    await bus.close();
  });
});
