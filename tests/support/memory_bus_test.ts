import assert from "node:assert/strict";
import type { Inbound } from "../../src/ports/message_bus.ts";
import { MemoryNet } from "./memory_bus.ts";
import { VirtualClock } from "./virtual_clock.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function text(message: Inbound): string {
  return new TextDecoder().decode(message.buffer.subarray(message.payloadStart, message.payloadEnd));
}

function world() {
  const clock = new VirtualClock();
  const net = new MemoryNet(clock);
  return { clock, net, a: net.connect("a"), b: net.connect("b") };
}

Deno.test("messages arrive in order, never synchronously, by subject and wildcard", async () => {
  const { clock, a, b } = world();
  const got: string[] = [];
  b.subscribe("x.*", (message) => got.push(`* ${text(message)}`));
  b.subscribe("x.>", (message) => got.push(`> ${text(message)}`));
  b.subscribe("y", () => assert.fail("not for y"));
  for (let i = 0; i < 3; i++) assert.equal(a.publish(bytes("x.1"), bytes(`${i}`)), true);
  a.publish(bytes("x.1.2"), bytes("deep"));
  assert.deepEqual(got, []);
  await clock.settle();
  assert.deepEqual(got, ["* 0", "> 0", "* 1", "> 1", "* 2", "> 2", "> deep"]);
});

Deno.test("order is kept when delays vary", async () => {
  const { clock, net, a, b } = world();
  const delays = [30, 5, 0, 12];
  net.delay = () => delays.shift()!;
  const got: string[] = [];
  b.subscribe("x", (message) => got.push(text(message)));
  for (const name of ["1", "2", "3", "4"]) a.publish(bytes("x"), bytes(name));
  await clock.advance(29);
  assert.deepEqual(got, []);
  await clock.advance(1);
  assert.deepEqual(got, ["1", "2", "3", "4"]);
});

Deno.test("a request is answered, or fails in the way that NATS tells", async () => {
  const { clock, net, a, b } = world();
  b.subscribe("echo", (message) => {
    const reply = message.buffer.slice(message.replyStart, message.replyEnd);
    b.publish(reply, message.buffer, message.payloadStart, message.payloadEnd);
  });
  b.subscribe("silent", () => {});
  const answers = Promise.all([
    a.request("echo", bytes("hi"), 100),
    a.request("nobody", bytes(""), 100),
    a.request("silent", bytes(""), 100),
  ]);
  await clock.advance(100);
  assert.deepEqual(await answers, [
    { kind: "reply", payload: bytes("hi") },
    { kind: "no responders" },
    { kind: "timeout" },
  ]);
  net.partition(["a"], ["b"]);
  const cut = a.request("echo", bytes(""), 100);
  await clock.settle();
  assert.deepEqual(await cut, { kind: "no responders" });
  net.heal();
  net.loses = (from) => from === "b";
  const lost = a.request("echo", bytes(""), 100);
  const interrupted = a.request("echo", bytes(""), 1000);
  await clock.advance(100);
  assert.deepEqual(await lost, { kind: "timeout" });
  a.disconnect();
  assert.deepEqual(await interrupted, { kind: "disconnected" });
  assert.deepEqual(await a.request("echo", bytes(""), 100), { kind: "disconnected" });
});

Deno.test("nothing is published or received while disconnected; subscriptions return", async () => {
  const { clock, a, b } = world();
  const got: string[] = [];
  const changes: boolean[] = [];
  b.subscribe("x", (message) => got.push(text(message)));
  b.onConnection((connected) => changes.push(connected));
  a.publish(bytes("x"), bytes("on its way"));
  b.disconnect();
  await clock.settle();
  a.publish(bytes("x"), bytes("to nobody"));
  assert.equal(b.publish(bytes("x"), bytes("")), false);
  await assert.rejects(b.flush());
  b.reconnect();
  a.publish(bytes("x"), bytes("back"));
  await clock.settle();
  assert.deepEqual(got, ["back"]);
  assert.deepEqual(changes, [false, true]);
  await b.close();
  a.publish(bytes("x"), bytes("closed"));
  await clock.settle();
  assert.deepEqual(got, ["back"]);
});

Deno.test("what cannot be published is refused", () => {
  const { net, a } = world();
  net.maxPayload = 4;
  assert.equal(a.publish(bytes("x"), bytes("12345")), false);
  for (const subject of ["", "a b", "a.*", ">", "a..b"]) {
    assert.equal(a.publish(bytes(subject), bytes("")), false, subject);
  }
  assert.equal(a.publish(bytes("x"), bytes("12345"), 1), true);
});

Deno.test("the batch ends once after a run of messages", async () => {
  const { clock, a, b } = world();
  const order: string[] = [];
  b.subscribe("x", (message) => order.push(text(message)));
  b.onBatchEnd(() => order.push("end"));
  for (const name of ["1", "2", "3"]) a.publish(bytes("x"), bytes(name));
  await clock.settle();
  assert.deepEqual(order, ["1", "2", "3", "end"]);
});

Deno.test("messages can be lost, doubled, damaged and overtaken on their way", async () => {
  const { clock, net, a, b } = world();
  const got: string[] = [];
  b.subscribe("x", (message) => got.push(text(message)));
  const fates = [[], [{ payload: bytes("?"), delay: 5, inOrder: true }], [
    { payload: bytes("3"), delay: 1, inOrder: false },
    { payload: bytes("3"), delay: 2, inOrder: false },
  ]];
  net.fate = () => fates.shift();
  for (const name of ["1", "2", "3", "4"]) a.publish(bytes("x"), bytes(name));
  await clock.advance(10);
  assert.deepEqual(got, ["3", "3", "?", "4"]);
});

Deno.test("that nobody listens can be kept secret, and said where somebody does", async () => {
  const { clock, net, a, b } = world();
  net.tellsNoResponders = () => false;
  const kept = a.request("nobody", bytes(""), 100);
  await clock.advance(100);
  assert.deepEqual(await kept, { kind: "timeout" });
  let heard = 0;
  b.subscribe("somebody", () => heard++);
  net.liesNoResponders = () => true;
  const lied = a.request("somebody", bytes(""), 100);
  await clock.advance(100);
  assert.deepEqual(await lied, { kind: "no responders" });
  assert.equal(heard, 1);
});
