import assert from "node:assert/strict";
import {
  authority,
  clientIdentity,
  type Identity,
  serverIdentity,
  strangerIdentity,
} from "../../tests/support/certificates.ts";
import type { Connection, TlsOptions } from "../ports/network.ts";
import { systemNetwork } from "./network.ts";

const network = systemNetwork();

/** Whether this runtime can ask for client certificates; the oldest supported one cannot. */
const ignore = Deno.version.deno.startsWith("2.4.");

/** What the server listens for: the runtime's own TLS, and the one that can ask for client certificates. */
const kinds = [{ upgradable: false }, { upgradable: true }];

interface Sides {
  readonly server: Connection | Error;
  readonly client: Connection | Error;
}

/** Connects, sends a plain line from the server, then starts TLS on both sides. */
async function handshake(
  t: { server: TlsOptions; client: TlsOptions; upgradable: boolean },
  run: (sides: Sides) => Promise<void>,
): Promise<void> {
  const listener = await network.listen({ host: "127.0.0.1", port: 0, upgradable: t.upgradable });
  const serverSide = async () => {
    const plain = (await listener.accept())!;
    await plain.write(new TextEncoder().encode("INFO {}\r\n"));
    return await network.secureServer(plain, t.server);
  };
  const clientSide = async () => {
    const plain = await network.dial(listener.address, { timeout: 2000, upgradable: true });
    const line = new Uint8Array(9);
    for (let at = 0; at < line.length;) at += await plain.read(line.subarray(at));
    assert.equal(new TextDecoder().decode(line), "INFO {}\r\n");
    return await network.secureClient(plain, t.client);
  };
  const [server, client] = await Promise.all([serverSide().catch(asError), clientSide().catch(asError)]);
  try {
    await run({ server, client });
  } finally {
    for (const side of [server, client]) if (!(side instanceof Error)) side.close();
    listener.close();
  }
}

function asError(error: Error): Error {
  return error;
}

function connected(side: Connection | Error): Connection {
  if (side instanceof Error) throw side;
  return side;
}

const trusting: TlsOptions = { authorities: authority };

for (const kind of kinds) {
  const way = kind.upgradable ? "node:tls" : "native TLS";

  Deno.test({
    name: `${way}: a stream becomes TLS after plain bytes, and carries much both ways`,
    ignore,
    fn: () =>
      handshake({ server: serverIdentity, client: trusting, ...kind }, async (sides) => {
        const server = connected(sides.server);
        const client = connected(sides.client);
        const { version, cipher } = client.tls!;
        assert.deepEqual({ ...server.tls! }, { version, cipher });
        assert.match(server.tls!.version, /^TLSv1\.[23]$/);
        assert.deepEqual(server.remote, client.local);
        assert.deepEqual(server.local, client.remote);
        await Promise.all([
          transfer(server, client, 1_500_000),
          transfer(client, server, 1_500_000),
        ]);
        const reading = server.read(new Uint8Array(1));
        client.close();
        assert.equal(await reading.catch(() => 0), 0);
      }),
  });

  Deno.test({
    name: `${way}: with verify the server learns the client's names`,
    ignore,
    fn: () =>
      handshake(
        {
          server: { ...serverIdentity, authorities: authority, verify: true },
          client: { ...trusting, ...clientIdentity },
          ...kind,
        },
        async (sides) => {
          const server = connected(sides.server);
          await transfer(connected(sides.client), server, 10);
          assert.deepEqual(server.tls!.peer, {
            subject: "CN=client,OU=test",
            dnsNames: ["client.test"],
            emails: ["client@test.example"],
            uris: ["urn:client"],
            keyDigest: "4eba6adf562915bb110c2a432f3131756f038afab3f23c96ad7f5f7eff95edb5",
          });
        },
      ),
  });

  const refused: readonly [name: string, identity: Identity | Record<string, never>][] = [
    ["no certificate", {}],
    ["a stranger's certificate", strangerIdentity],
  ];
  for (const [name, identity] of refused) {
    Deno.test({
      name: `${way}: with verify the server refuses a client with ${name}`,
      ignore,
      fn: () =>
        handshake(
          {
            server: { ...serverIdentity, authorities: authority, verify: true },
            client: { ...trusting, ...identity },
            ...kind,
          },
          async (sides) => {
            assert.ok(sides.server instanceof Error, "the server accepted");
            assert.equal(sides.server.name, "NetworkFailed");
            // With TLS 1.3 the client hears of it only after its own handshake.
            if (sides.client instanceof Error) return;
            assert.equal(await sides.client.read(new Uint8Array(1)).catch(() => 0), 0);
          },
        ),
    });
  }

  Deno.test({
    name: `${way}: the client refuses a server that its authorities do not know`,
    ignore,
    fn: () =>
      handshake({ server: strangerIdentity, client: trusting, ...kind }, async (sides) => {
        assert.ok(sides.client instanceof Error);
        assert.equal(sides.client.name, "NetworkFailed");
        if (!(sides.server instanceof Error)) {
          assert.equal(await sides.server.read(new Uint8Array(1)).catch(() => 0), 0);
        }
      }),
  });

  Deno.test({
    name: `${way}: the client refuses a certificate for another name, unless told not to verify`,
    ignore,
    fn: async () => {
      await handshake(
        { server: serverIdentity, client: { ...trusting, serverName: "elsewhere.test" }, ...kind },
        async (sides) => {
          assert.ok(sides.client instanceof Error);
        },
      );
      await handshake(
        { server: serverIdentity, client: { serverName: "elsewhere.test", verify: false }, ...kind },
        async (sides) => {
          await transfer(connected(sides.client), connected(sides.server), 10);
        },
      );
    },
  });

  for (const verify of [false, true]) {
    Deno.test({
      name: `${way}, ${
        verify ? "with" : "without"
      } verify: a client is held back while nobody reads, and nothing is lost`,
      ignore,
      fn: () =>
        handshake(
          {
            server: { ...serverIdentity, authorities: authority, verify },
            client: { ...trusting, ...clientIdentity },
            ...kind,
          },
          (sides) => heldBack(connected(sides.client), connected(sides.server)),
        ),
    });
  }

  const accepted = async () => {
    const listener = await network.listen({ host: "127.0.0.1", port: 0, ...kind });
    const [server, client] = await Promise.all([
      listener.accept(),
      network.dial(listener.address, { timeout: 2000 }),
    ]);
    return { listener, server: server!, client };
  };

  Deno.test({
    name: `${way}: a handshake that the peer never starts ends by its time limit`,
    ignore: ignore && kind.upgradable,
    fn: async () => {
      const { listener, server, client } = await accepted();
      await assert.rejects(network.secureServer(server, { ...serverIdentity, timeout: 50 }), {
        name: "NetworkFailed",
        code: "ETIMEDOUT",
      });
      assert.equal(await client.read(new Uint8Array(1)).catch(() => 0), 0);
      client.close();
      listener.close();
    },
  });

  Deno.test({
    name: `${way}: garbage instead of a handshake is refused`,
    ignore: ignore && kind.upgradable,
    fn: async () => {
      const { listener, server, client } = await accepted();
      await client.write(new TextEncoder().encode("CONNECT {}\r\nPING\r\n"));
      await assert.rejects(network.secureServer(server, serverIdentity), { name: "NetworkFailed" });
      client.close();
      listener.close();
    },
  });

  Deno.test({
    name: `${way}: a peer that hangs up instead of a handshake is refused`,
    ignore: ignore && kind.upgradable,
    fn: async () => {
      const { listener, server, client } = await accepted();
      client.close();
      await assert.rejects(network.secureServer(server, serverIdentity), { name: "NetworkFailed" });
      listener.close();
    },
  });
}

async function transfer(from: Connection, to: Connection, size: number): Promise<void> {
  const sent = new Uint8Array(size);
  for (let i = 0; i < size; i++) sent[i] = (i * 7) % 253;
  const writing = (async () => {
    for (let at = 0; at < size; at += 100_000) await from.write(sent.subarray(at, at + 100_000));
  })();
  const received = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const count = await to.read(received.subarray(at, at + 1000));
    assert.ok(count > 0, `ended after ${at} bytes`);
    at += count;
  }
  await writing;
  assert.deepEqual(received, sent);
}

async function heldBack(from: Connection, to: Connection): Promise<void> {
  const chunk = new Uint8Array(500_000).fill(7);
  let writing = Promise.resolve();
  let written = 0;
  for (let held = false; !held;) {
    writing = from.write(chunk);
    written += chunk.length;
    assert.ok(written < 64_000_000, "everything is taken in");
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(true), 200));
    held = await Promise.race([writing.then(() => false), late]);
    clearTimeout(timer);
  }
  const buffer = new Uint8Array(65_536);
  for (let received = 0; received < written;) {
    const count = await to.read(buffer);
    assert.ok(count > 0, `ended after ${received} of ${written} bytes`);
    assert.ok(buffer.subarray(0, count).every((byte) => byte === 7));
    received += count;
  }
  await writing;
}
