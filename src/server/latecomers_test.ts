/** Requests that overtake the connect they depend on (spec streaming, section 2.4; scenario TS110). */
import assert from "node:assert/strict";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import type { Inbound } from "../ports/message_bus.ts";
import { latecomerKey, Latecomers } from "./latecomers.ts";

/** A request whose payload is `text`, in the middle of a receive buffer. */
function inbound(text: string, buffer = new TextEncoder().encode(`..subject${text}reply..`)): Inbound {
  const payloadEnd = 9 + text.length;
  return {
    buffer,
    subjectStart: 2,
    subjectEnd: 9,
    payloadStart: 9,
    payloadEnd,
    replyStart: payloadEnd,
    replyEnd: payloadEnd + 5,
    noResponders: false,
  };
}

function parts({ buffer, subjectStart, subjectEnd, payloadStart, payloadEnd, replyStart, replyEnd }: Inbound): string {
  const text = (start: number, end: number) => new TextDecoder().decode(buffer.subarray(start, end));
  return `${text(subjectStart, subjectEnd)} ${text(payloadStart, payloadEnd)} ${text(replyStart, replyEnd)}`;
}

class Waits {
  readonly clock = new VirtualClock();
  readonly latecomers = new Latecomers(this.clock);
  readonly done: string[] = [];

  wait(key: string, text: string): boolean {
    return this.latecomers.wait(
      key,
      inbound(text),
      (message) => this.done.push(`retried ${parts(message)}`),
      (message) => this.done.push(`gave up ${parts(message)}`),
    );
  }
}

Deno.test("TS110: requests go on in order when their client has registered, others wait on", async () => {
  const waits = new Waits();
  assert.ok(waits.wait("client a", "one"));
  assert.ok(waits.wait("client b", "other"));
  assert.ok(waits.wait("client a", "two"));
  await waits.clock.advance(900);
  waits.latecomers.arrived("client a", "connection x");
  assert.deepEqual(waits.done, ["retried subject one reply", "retried subject two reply"]);
  await waits.clock.advance(99);
  assert.equal(waits.done.length, 2);
  await waits.clock.advance(1);
  assert.equal(waits.done[2], "gave up subject other reply");
});

Deno.test("a waiting request is a copy: the receive buffer may be used again", () => {
  const waits = new Waits();
  const message = inbound("text");
  let seen = "";
  waits.latecomers.wait("k", message, (copy) => seen = parts(copy), () => {});
  message.buffer.fill(0);
  waits.latecomers.arrived("k");
  assert.equal(seen, "subject text reply");
});

Deno.test("a client that did not come in time is not waited for again, until it comes", async () => {
  const waits = new Waits();
  waits.wait("k", "first");
  await waits.clock.advance(1_000);
  assert.deepEqual(waits.done, ["gave up subject first reply"]);
  assert.equal(waits.wait("k", "second"), false);
  waits.latecomers.arrived("k");
  assert.equal(waits.wait("k", "third"), true);
});

Deno.test("failures are forgotten, the oldest first, beyond 256 of them", async () => {
  const waits = new Waits();
  for (let i = 0; i < 257; i++) waits.wait(`k${i}`, "x");
  await waits.clock.advance(1_000);
  assert.equal(waits.done.length, 257);
  assert.equal(waits.wait("k0", "again"), true);
  assert.equal(waits.wait("k32", "again"), true);
  assert.equal(waits.wait("k33", "again"), false);
  assert.equal(waits.wait("k256", "again"), false);
});

Deno.test("only so many may wait", () => {
  const waits = new Waits();
  for (let i = 0; i < 4096; i++) assert.ok(waits.wait(`k${i}`, "x"));
  assert.equal(waits.wait("more", "x"), false);
});

Deno.test("each deadline is its own request's", async () => {
  const waits = new Waits();
  waits.wait("a", "a");
  await waits.clock.advance(600);
  waits.wait("b", "b");
  await waits.clock.advance(500);
  assert.deepEqual(waits.done, ["gave up subject a reply"]);
  await waits.clock.advance(499);
  assert.equal(waits.done.length, 1);
  await waits.clock.advance(1);
  assert.equal(waits.done.length, 2);
});

Deno.test("a client is known by its connection where a request names one", () => {
  assert.notEqual(latecomerKey("x", "me"), latecomerKey("", "me"));
  assert.equal(latecomerKey("x", "me"), latecomerKey("x", ""));
  assert.notEqual(latecomerKey("me", ""), latecomerKey("", "me"));
});
