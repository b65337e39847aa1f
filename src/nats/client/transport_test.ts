/** The connection against peers that misbehave: each is a few lines on a real socket. */
import assert from "node:assert/strict";
import { silentLog } from "../../ports/log.ts";
import type { MessageBus } from "../../ports/message_bus.ts";
import type { Connection, Network } from "../../ports/network.ts";
import { systemClock, systemNetwork, systemRandom } from "../../system/mod.ts";
import { connectBus } from "./client_bus.ts";

const network = systemNetwork();
const ports = { network, clock: systemClock(), random: systemRandom(), log: silentLog };
const info = 'INFO {"server_id":"x","version":"2.9.24","proto":1,"headers":true,"max_payload":1024} \r\n';

/** One accepted connection, spoken to in text. */
class Peer {
  readonly #connection: Connection;
  #heard = "";

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  say(text: string): Promise<void> {
    return this.#connection.write(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  }

  /** Waits until `text` was heard; returns everything up to it and forgets that. */
  async hear(text: string): Promise<string> {
    const buffer = new Uint8Array(65536);
    while (!this.#heard.includes(text)) {
      const count = await this.#connection.read(buffer);
      if (count === 0) throw new Error(`the bus hung up before it said ${text}`);
      this.#heard += new TextDecoder("latin1").decode(buffer.subarray(0, count));
    }
    const end = this.#heard.indexOf(text) + text.length;
    const heard = this.#heard.slice(0, end);
    this.#heard = this.#heard.slice(end);
    return heard;
  }

  async welcome(): Promise<void> {
    await this.say(info);
    await this.hear("PING\r\n");
    await this.say("PONG\r\n");
  }

  close(): void {
    this.#connection.close();
  }
}

/** A server that treats its connections one after the other as `scripts` say; `body` gets the URL. */
async function withPeers(
  scripts: ((peer: Peer) => Promise<void>)[],
  body: (url: string) => Promise<void>,
): Promise<void> {
  const listener = await network.listen({ host: "127.0.0.1", port: 0 });
  const peers: Peer[] = [];
  const serving = (async () => {
    for (const script of scripts) {
      const connection = await listener.accept();
      if (connection === undefined) return;
      const peer = new Peer(connection);
      peers.push(peer);
      await script(peer);
    }
  })();
  try {
    await body(`nats://127.0.0.1:${listener.address.port}`);
    await serving;
  } finally {
    for (const peer of peers) peer.close();
    listener.close();
  }
}

function open(url: string, through: Network = network): Promise<MessageBus> {
  return connectBus({ servers: [url], name: "test", reconnectWait: 10 }, { ...ports, network: through });
}

/** The network, giving one byte a read. */
const trickling: Network = {
  ...network,
  async dial(address, options) {
    const inner = await network.dial(address, options);
    return {
      local: inner.local,
      remote: inner.remote,
      read: (into) => inner.read(into.subarray(0, 1)),
      write: (bytes) => inner.write(bytes),
      close: () => inner.close(),
    };
  },
};

for (
  const [what, said, message] of [
    ["is no NATS server", "HTTP/1.1 400 Bad Request\r\n\r\n", /^nats: the peer is no NATS server, it sent "HTTP/],
    ["sends an INFO that is no JSON", "INFO {nonsense\r\n", /is no NATS server/],
    ["sends a PING first", "PING\r\n", /is no NATS server/],
    ["says nothing", "", /closed the connection before it said anything/],
  ] as const
) {
  Deno.test(`connectBus() refuses a peer that ${what}`, async () => {
    await withPeers([async (peer) => {
      await peer.say(said);
      peer.close();
    }], (url) => assert.rejects(open(url), { name: "NatsFailed", message }));
  });
}

Deno.test("connectBus() refuses at once when the peer hangs up during the handshake", async () => {
  await withPeers([async (peer) => {
    await peer.say(info);
    await peer.hear("PING\r\n");
    peer.close();
  }], (url) => assert.rejects(open(url), { name: "NatsFailed" }));
});

Deno.test("the handshake says who we are and that we understand headers and no-responders", async () => {
  await withPeers([async (peer) => {
    await peer.say(info);
    const line = (await peer.hear("PING\r\n")).split("\r\n")[0]!;
    const connect = JSON.parse(line.slice("CONNECT ".length)) as Record<string, unknown>;
    assert.deepEqual(
      [
        connect["name"],
        connect["headers"],
        connect["no_responders"],
        connect["verbose"],
        connect["pedantic"],
        connect["protocol"],
      ],
      ["test", true, true, false, false, 1],
    );
    await peer.say("PONG\r\n");
  }], async (url) => {
    const bus = await open(url);
    assert.equal(bus.maxPayload, 1024);
    await bus.close();
  });
});

Deno.test("frames cut at every byte arrive whole, and others' subscriptions are not ours", async () => {
  const seen: string[] = [];
  const all = Promise.withResolvers<void>();
  await withPeers([async (peer) => {
    await peer.welcome();
    await peer.hear("SUB a s1\r\n");
    const foreign = "MSG a 1 2\r\nno\r\nMSG a s9 2\r\nno\r\n";
    await peer.say(`MSG a s1 2\r\nhi\r\n${foreign}HMSG a s1 r 12 14\r\nNATS/1.0\r\n\r\nho\r\n`);
  }], async (url) => {
    const bus = await open(url, trickling);
    bus.onBatchEnd(() => {
      seen.push("end");
      if (seen.length === 4) all.resolve();
    });
    bus.subscribe("a", (message) => {
      seen.push(new TextDecoder().decode(message.buffer.slice(message.payloadStart, message.payloadEnd)));
    });
    await all.promise;
    assert.deepEqual(seen, ["hi", "end", "ho", "end"]);
    await bus.close();
  });
});

Deno.test("a message larger than the read buffer arrives whole", async () => {
  const payload = "0123456789".repeat(100_000);
  const got = Promise.withResolvers<string>();
  await withPeers([async (peer) => {
    await peer.welcome();
    await peer.hear("SUB a s1\r\n");
    await peer.say(`MSG a s1 3\r\nabc\r\nMSG a s1 ${payload.length}\r\n${payload}\r\nMSG a s1 3\r\nend\r\n`);
  }], async (url) => {
    const bus = await open(url);
    let seen = "";
    bus.subscribe("a", (message) => {
      seen += new TextDecoder().decode(message.buffer.slice(message.payloadStart, message.payloadEnd));
      if (seen.endsWith("end")) got.resolve(seen);
    });
    assert.equal(await got.promise === `abc${payload}end`, true);
    await bus.close();
  });
});

Deno.test("a message that claims to be beyond all measure ends the connection", async () => {
  await withPeers([async (peer) => {
    await peer.welcome();
    await peer.hear("SUB a s1\r\n");
    await peer.say("MSG a s1 999999999\r\n");
  }], async (url) => {
    const bus = await open(url);
    const lost = new Promise<boolean>((resolve) => bus.onConnection(resolve));
    bus.subscribe("a", () => {});
    assert.equal(await lost, false);
    await bus.close();
  });
});

Deno.test("a PING is answered and an INFO changes what may be published", async () => {
  await withPeers([async (peer) => {
    await peer.welcome();
    await peer.say(`${info.replace("1024", "10")}PING\r\n`);
    await peer.hear("PONG\r\n");
    await peer.hear("PING\r\n");
    await peer.say("PONG\r\n");
  }], async (url) => {
    const bus = await open(url);
    await bus.flush();
    assert.equal(bus.maxPayload, 10);
    assert.equal(bus.publish(Uint8Array.of(97), new Uint8Array(11)), false);
    assert.equal(bus.publish(Uint8Array.of(97), new Uint8Array(10)), true);
    await bus.close();
  });
});

Deno.test("nonsense on an established connection ends it, and a new one is made with the subscriptions", async () => {
  await withPeers([async (peer) => {
    await peer.welcome();
    await peer.hear("SUB a s1\r\n");
    await peer.say("MSG a s1 xx\r\n");
  }, async (peer) => {
    await peer.welcome();
    await peer.hear("SUB a s1\r\n");
    await peer.hear("PING\r\n");
    await peer.say("PONG\r\n");
  }], async (url) => {
    const bus = await open(url);
    const told: boolean[] = [];
    const back = new Promise<void>((resolve) =>
      bus.onConnection((connected) => {
        told.push(connected);
        if (connected) resolve();
      })
    );
    bus.subscribe("a", () => {});
    await back;
    assert.deepEqual(told, [false, true]);
    await bus.close();
  });
});

Deno.test("a server that refuses us later is asked again and again", async () => {
  const refuse = async (peer: Peer) => {
    await peer.say(info);
    await peer.hear("PING\r\n");
    await peer.say("-ERR 'Authorization Violation'\r\n");
    peer.close();
  };
  const hangUp = async (peer: Peer) => {
    await peer.welcome();
    await peer.hear("PING\r\n");
    peer.close();
  };
  const stay = async (peer: Peer) => {
    await peer.welcome();
    await peer.hear("PING\r\n");
    await peer.say("PONG\r\n");
  };
  await withPeers([
    async (peer) => {
      await peer.welcome();
      await peer.hear("SUB a s1\r\n");
      peer.close();
    },
    refuse,
    refuse,
    refuse,
    hangUp,
    stay,
  ], async (url) => {
    const bus = await open(url);
    bus.subscribe("a", () => {});
    const told: boolean[] = [];
    await new Promise<void>((resolve) =>
      bus.onConnection((connected) => {
        told.push(connected);
        if (connected) resolve();
      })
    );
    // The connection that broke before its subscriptions were confirmed was never announced.
    assert.deepEqual(told, [false, true]);
    assert.equal(bus.connected, true);
    await bus.close();
  });
});

Deno.test("a connection that breaks as soon as it is made is made again", async () => {
  const stay = async (peer: Peer) => {
    await peer.welcome();
    await peer.hear("PING\r\n");
    await peer.say("PONG\r\n");
  };
  const leave = async (peer: Peer) => {
    await peer.say(info);
    await peer.hear("PING\r\n");
    await peer.say("PONG\r\n");
    peer.close();
  };
  await withPeers([leave, leave, leave, stay], async (url) => {
    const bus = await open(url);
    await new Promise<void>((resolve) => bus.onConnection((connected) => connected && resolve()));
    await bus.close();
  });
});
