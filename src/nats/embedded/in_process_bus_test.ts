import assert from "node:assert/strict";
import { quietConnect, RawNatsClient } from "../../../tests/support/raw_nats_client.ts";
import type { Inbound } from "../../ports/message_bus.ts";
import { withEmbedded } from "../../../tests/support/embedded_nats.ts";

const encoder = new TextEncoder();
const bytes = (text: string) => encoder.encode(text);

function read(message: Inbound): { subject: string; reply: string; payload: string; noResponders: boolean } {
  const text = (start: number, end: number) => new TextDecoder().decode(message.buffer.subarray(start, end));
  return {
    subject: text(message.subjectStart, message.subjectEnd),
    reply: text(message.replyStart, message.replyEnd),
    payload: text(message.payloadStart, message.payloadEnd),
    noResponders: message.noResponders,
  };
}

Deno.test("InProcessBus exchanges messages with a client in both directions", async () => {
  await withEmbedded({}, async (server) => {
    const bus = server.openBus("test");
    const got: unknown[] = [];
    let batches = 0;
    bus.subscribe("to.server.*", (message) => got.push(read(message)));
    bus.onBatchEnd(() => {
      batches++;
      bus.publish(bytes("to.client"), bytes("back"));
      bus.publishRequest(bytes("to.client"), bytes("reply.here"), bytes(""));
    });
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(quietConnect() + "SUB to.client 7\r\n");
    await client.send("PUB to.server.a r 2\r\nhi\r\nPUB to.server.b 0\r\n\r\n");
    const answer = await client.until((text) => text.endsWith("reply.here 0\r\n\r\n"));
    assert.equal(answer, "MSG to.client 7 4\r\nback\r\nMSG to.client 7 reply.here 0\r\n\r\n");
    assert.deepEqual(got, [
      { subject: "to.server.a", reply: "r", payload: "hi", noResponders: false },
      { subject: "to.server.b", reply: "", payload: "", noResponders: false },
    ]);
    assert.equal(batches, 1);
    await client.close();
  });
});

Deno.test("InProcessBus.request is answered by a client, by nobody, or too late", async () => {
  await withEmbedded({}, async (server) => {
    const bus = server.openBus("test");
    assert.deepEqual(await bus.request("service", bytes("?"), 1_000), { kind: "no responders" });
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(quietConnect() + "SUB service 1\r\n");
    assert.deepEqual(await bus.request("service", bytes("?"), 30), { kind: "timeout" });
    client.received = "";
    const pending = bus.request("service", bytes("?"), 5_000);
    const request = await client.until((text) => text.endsWith("?\r\n"));
    const inbox = /MSG service 1 (\S+) 1\r\n/.exec(request)![1]!;
    await client.send(`PUB ${inbox} 3\r\nyes\r\n`);
    assert.deepEqual(await pending, { kind: "reply", payload: bytes("yes") });
    await client.close();
  });
});

Deno.test("InProcessBus serves other buses of the same server, without running one handler inside another", async () => {
  await withEmbedded({}, async (server) => {
    const one = server.openBus("one");
    const two = server.openBus("two");
    let inside = false;
    two.subscribe("ping", (message) => {
      assert.equal(inside, false);
      inside = true;
      const { reply } = read(message);
      two.publish(bytes(reply), bytes("pong"));
      inside = false;
    });
    assert.deepEqual(await one.request("ping", bytes(""), 1_000), { kind: "reply", payload: bytes("pong") });
    const statuses: boolean[] = [];
    one.subscribe("my.inbox", (message) => statuses.push(message.noResponders));
    one.publishRequest(bytes("nobody"), bytes("my.inbox"), bytes(""));
    await one.flush();
    assert.deepEqual(statuses, [true]);
  });
});

Deno.test("InProcessBus refuses what cannot be published, and everything once it is closed", async () => {
  await withEmbedded({ maxPayload: 10 }, async (server) => {
    const bus = server.openBus("test");
    for (const subject of ["", "a b", "a..b", ".a", "a.", "*", "a.>", ">"]) {
      assert.equal(bus.publish(bytes(subject), bytes("x")), false, subject);
    }
    assert.equal(bus.publish(bytes("a.>b"), bytes("0123456789")), true);
    assert.equal(bus.publish(bytes("a"), bytes("0123456789x")), false);
    let heard = 0;
    const listening = bus.subscribe("a", () => heard++);
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(quietConnect() + "PUB a 0\r\n\r\n");
    assert.equal(heard, 1);
    listening.unsubscribe();
    await client.ask("PUB a 0\r\n\r\n");
    assert.equal(heard, 1);
    await bus.close();
    assert.equal(bus.connected, false);
    assert.equal(bus.publish(bytes("a"), bytes("")), false);
    assert.deepEqual(await bus.request("a", bytes(""), 10), { kind: "disconnected" });
    await client.close();
  });
});

Deno.test("InProcessBus hands a NATS 503 status over as such", async () => {
  await withEmbedded({}, async (server) => {
    const bus = server.openBus("test");
    const got: unknown[] = [];
    bus.subscribe("inbox", (message) => got.push(read(message)));
    const client = await RawNatsClient.connect(server.address.port);
    await client.ask(quietConnect({ headers: true }) + "HPUB inbox 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    await client.ask("HPUB inbox 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    assert.deepEqual(got, [
      { subject: "inbox", reply: "", payload: "", noResponders: true },
      { subject: "inbox", reply: "", payload: "hi", noResponders: false },
    ]);
    await client.close();
  });
});
