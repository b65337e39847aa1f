import assert from "node:assert/strict";
import { decodeFacts, decodeOperations, encodeFacts, encodeOperations } from "./operation_codec.ts";
import type { Operation } from "./operations.ts";
import { MARKS } from "./operations.ts";
import { MessagePacker } from "./message_packer.ts";
import { PubMsg } from "./client_messages.ts";
import { PubMsgOffsets } from "./publish_request.ts";
import { Malformed } from "./varint.ts";

const text = new TextEncoder();

function publishOf(count: number): Operation {
  const packer = new MessagePacker();
  const offsets = new PubMsgOffsets();
  for (let i = 0; i < count; i++) {
    const encoded = PubMsg.encode({
      guid: `g${i}`,
      subject: "foo",
      data: new Uint8Array(i * 50).fill(i),
      connId: text.encode("c"),
    });
    assert.ok(offsets.decode(encoded, 0, encoded.length));
    packer.add(encoded, offsets, 0, 0, text.encode("me"));
  }
  return { kind: "publish", channel: "foo.bär", time: 1_795_340_807_324_174_445n, messages: packer.packed() };
}

const operations: Operation[] = [
  {
    kind: "connect",
    clientId: "me",
    heartbeatInbox: "hb",
    connId: text.encode("x"),
    protocol: 1,
    pingInterval: -5,
    pingMaxOut: 88,
    replace: true,
  },
  { kind: "disconnect", clientId: "me", heartbeatInbox: "hb" },
  { kind: "create channel", channel: "foo" },
  { kind: "delete channel", channel: "foo", incarnation: 7, last: 12 },
  publishOf(5),
  {
    kind: "subscribe",
    clientId: "me",
    channel: "foo",
    queueGroup: "q",
    inbox: "in",
    ackInbox: "ack",
    maxInFlight: 3,
    ackWaitInSecs: -200,
    durableName: "d",
    start: { kind: "sequence", sequence: 2 ** 40 },
    replaceDurable: false,
  },
  {
    kind: "subscribe",
    clientId: "me",
    channel: "foo",
    queueGroup: "",
    inbox: "in",
    ackInbox: "ack",
    maxInFlight: 3,
    ackWaitInSecs: 30,
    durableName: "",
    start: { kind: "new" },
    replaceDurable: true,
  },
  { kind: "unsubscribe", clientId: "me", channel: "foo", inbox: "ack", remove: true },
  { kind: "expire", channel: "foo", incarnation: 3, first: 12 },
  {
    kind: "set limits",
    maxChannels: 3,
    channels: [{ pattern: ">", maxSubscriptions: 1, maxMessages: 2, maxBytes: 3, maxAge: 4n, maxInactivity: 5n }],
  },
];

Deno.test("decodeOperations() gives back what encodeOperations() was given", () => {
  const decoded = decodeOperations(encodeOperations(operations));
  assert.equal(decoded.length, operations.length);
  decoded.forEach((operation, i) => {
    const wanted = operations[i]!;
    if (operation.kind === "publish" && wanted.kind === "publish") {
      assert.equal(operation.channel, wanted.channel);
      assert.equal(operation.time, wanted.time);
      assert.deepEqual([...operation.messages.bounds], [...wanted.messages.bounds]);
      assert.deepEqual(operation.messages.bytes, wanted.messages.bytes);
    } else assert.deepEqual(operation, wanted);
  });
});

Deno.test("encodeOperations() packs messages that are not adjacent", () => {
  const whole = publishOf(3);
  assert.ok(whole.kind === "publish");
  const bounds = Int32Array.from([...whole.messages.bounds.slice(0, MARKS), ...whole.messages.bounds.slice(2 * MARKS)]);
  const [decoded] = decodeOperations(
    encodeOperations([{ ...whole, messages: { ...whole.messages, count: 2, bounds } }]),
  );
  assert.ok(decoded?.kind === "publish");
  const end = decoded.messages.bounds;
  assert.equal(decoded.messages.count, 2);
  assert.equal(end[end.length - 1], decoded.messages.bytes.length);
});

Deno.test("decodeOperations() refuses every proper prefix that cuts an operation", () => {
  const encoded = encodeOperations([publishOf(3)]);
  for (let length = 1; length < encoded.length; length++) {
    assert.throws(() => decodeOperations(encoded.subarray(0, length)), Malformed);
  }
});

Deno.test("decodeFacts() gives back what encodeFacts() was given", () => {
  const facts = [{ channel: "foo", incarnation: 4, subscriptionId: 9, sent: [1, 2, 2 ** 40], acknowledged: [] }, {
    channel: "foo",
    incarnation: 4,
    subscriptionId: 9,
    sent: [],
    acknowledged: [],
    complete: { lastSent: 0 },
  }];
  assert.deepEqual(decodeFacts(encodeFacts(facts)), facts);
});
