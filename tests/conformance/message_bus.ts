/** What every MessageBus must do, whatever it stands on. */
import assert from "node:assert/strict";
import type { Inbound, MessageBus } from "../../src/ports/message_bus.ts";

/** One NATS to which any number of buses connect. */
export interface BusWorld {
  open(): Promise<MessageBus>;
  /** Closes what is left, the buses included. */
  close(): Promise<void>;
  /** Makes waits of this many milliseconds end, where time does not pass by itself. */
  pass?(millis: number): void | Promise<void>;
}

interface Seen {
  subject: string;
  reply: string;
  payload: string;
  noResponders: boolean;
}

interface Pair {
  /** Two buses of one world. */
  a: MessageBus;
  b: MessageBus;
  world: BusWorld;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

function copyOf(message: Inbound): Seen {
  const cut = (from: number, to: number) => decoder.decode(message.buffer.slice(from, to));
  return {
    subject: cut(message.subjectStart, message.subjectEnd),
    reply: cut(message.replyStart, message.replyEnd),
    payload: cut(message.payloadStart, message.payloadEnd),
    noResponders: message.noResponders,
  };
}

/** Subscribes and keeps what comes. */
function listen(bus: MessageBus, subject: string): { seen: Seen[]; payloads(): string[]; unsubscribe(): void } {
  const seen: Seen[] = [];
  const subscription = bus.subscribe(subject, (message) => void seen.push(copyOf(message)));
  return { seen, payloads: () => seen.map((one) => one.payload), unsubscribe: () => subscription.unsubscribe() };
}

/** Afterwards everything that `from` published has been handed out at `to`. */
async function settle(from: MessageBus, to: MessageBus): Promise<void> {
  await from.flush();
  await to.flush();
}

type Case = (pair: Pair) => Promise<void>;

const delivery: Record<string, Case> = {
  async "delivers subject, reply and payload, and no reply where none was given"({ a, b }) {
    const got = listen(b, "foo.bar");
    await b.flush();
    assert.equal(a.publish(bytes("foo.bar"), bytes("hello")), true);
    assert.equal(a.publishRequest(bytes("foo.bar"), bytes("back.here"), bytes("")), true);
    await settle(a, b);
    assert.deepEqual(got.seen, [
      { subject: "foo.bar", reply: "", payload: "hello", noResponders: false },
      { subject: "foo.bar", reply: "back.here", payload: "", noResponders: false },
    ]);
  },
  async "delivers to a bus its own messages, and to every subscription that matches"({ a }) {
    const first = listen(a, "x");
    const second = listen(a, "x");
    a.publish(bytes("x"), bytes("1"));
    await a.flush();
    assert.deepEqual([first.payloads(), second.payloads()], [["1"], ["1"]]);
  },
  async "keeps the order of one publisher towards one subscriber, over several subjects"({ a, b }) {
    const got = listen(b, "order.>");
    await b.flush();
    const wanted: string[] = [];
    for (let i = 0; i < 5000; i++) {
      wanted.push(String(i));
      const subject = bytes(`order.${i % 7}`);
      const body = bytes(String(i));
      assert.equal(i % 2 === 0 ? a.publish(subject, body) : a.publishRequest(subject, bytes("r"), body), true);
    }
    await settle(a, b);
    assert.deepEqual(got.payloads(), wanted);
  },
  async "matches wildcards token by token"({ a, b }) {
    const one = listen(b, "w.*.c");
    const rest = listen(b, "w.>");
    const literal = listen(b, "w.b*");
    await b.flush();
    for (const subject of ["w", "w.b", "w.b.c", "w.b.c.d", "w.b*", "v.b.c"]) a.publish(bytes(subject), bytes(subject));
    await settle(a, b);
    assert.deepEqual(one.payloads(), ["w.b.c"]);
    assert.deepEqual(rest.payloads(), ["w.b", "w.b.c", "w.b.c.d", "w.b*"]);
    assert.deepEqual(literal.payloads(), ["w.b*"]);
  },
  async "carries any byte, and payloads up to maxPayload"({ a, b }) {
    const sizes: number[] = [];
    let last = new Uint8Array(0);
    b.subscribe("big", (message) => {
      sizes.push(message.payloadEnd - message.payloadStart);
      last = message.buffer.slice(message.payloadStart, message.payloadEnd);
    });
    await b.flush();
    const largest = new Uint8Array(a.maxPayload);
    for (let i = 0; i < largest.length; i++) largest[i] = i * 7 + (i >> 8);
    assert.equal(a.publish(bytes("big"), largest), true);
    assert.equal(a.publish(bytes("big"), largest, 5, 70_005), true);
    assert.equal(a.publish(bytes("big"), largest, 300, 300), true);
    assert.equal(a.publish(bytes("big"), largest), true);
    await settle(a, b);
    assert.deepEqual(sizes, [largest.length, 70_000, 0, largest.length]);
    assert.equal(Buffer.from(last).equals(Buffer.from(largest)), true);
  },
  async "copies payload, subject and reply before publish returns"({ a, b }) {
    const got = listen(b, "copy.*");
    await b.flush();
    const subject = bytes("copy.a");
    const reply = bytes("reply.a");
    const payload = bytes("first");
    a.publishRequest(subject, reply, payload);
    subject.fill(0x7a);
    reply.fill(0x7a);
    payload.fill(0x7a);
    await settle(a, b);
    assert.deepEqual(got.seen, [{ subject: "copy.a", reply: "reply.a", payload: "first", noResponders: false }]);
  },
};

const refusals: Record<string, Case> = {
  async "refuses to publish to nothing, white space and wildcards, and sends nothing"({ a, b }) {
    const got = listen(b, ">");
    await b.flush();
    for (const subject of ["", " ", "a b", "a\r\nPUB b 0", "a\t", "*", "a.*", "a.*.b", ">", "a.>"]) {
      assert.equal(a.publish(bytes(subject), bytes("x")), false, JSON.stringify(subject));
      assert.equal(a.publishRequest(bytes(subject), bytes("r"), bytes("x")), false, JSON.stringify(subject));
    }
    for (const reply of ["", "a b", "r.*"]) {
      assert.equal(a.publishRequest(bytes("ok"), bytes(reply), bytes("x")), false, JSON.stringify(reply));
    }
    assert.equal(a.publish(bytes("after"), bytes("y")), true);
    await settle(a, b);
    assert.deepEqual(got.seen.filter((one) => !one.subject.startsWith("_")), [
      { subject: "after", reply: "", payload: "y", noResponders: false },
    ]);
  },
  async "refuses payloads above maxPayload, and stays usable"({ a, b }) {
    const got = listen(b, "large");
    await b.flush();
    const larger = new Uint8Array(a.maxPayload + 1);
    assert.equal(a.publish(bytes("large"), larger), false);
    assert.equal(a.publishRequest(bytes("large"), bytes("r"), larger), false);
    assert.equal(a.publish(bytes("large"), larger, 1), true);
    await settle(a, b);
    assert.equal(got.seen.length, 1);
    assert.equal(a.connected, true);
  },
  async "refuses everything after close, and delivers nothing more"({ a, b }) {
    const got = listen(b, "closed");
    await b.flush();
    a.publish(bytes("closed"), bytes("before"));
    await settle(a, b);
    await b.close();
    await b.close();
    assert.equal(b.connected, false);
    assert.equal(b.publish(bytes("closed"), bytes("x")), false);
    assert.deepEqual(await b.request("closed", bytes("x"), 50), { kind: "disconnected" });
    await assert.rejects(b.flush());
    a.publish(bytes("closed"), bytes("after"));
    await a.flush();
    assert.deepEqual(got.payloads(), ["before"]);
  },
  async "sends what was published before close"({ a, b }) {
    const got = listen(b, "last");
    await b.flush();
    a.publish(bytes("last"), bytes("words"));
    await a.close();
    for (let i = 0; i < 200 && got.seen.length === 0; i++) await b.flush();
    assert.deepEqual(got.payloads(), ["words"]);
  },
};

const subscriptions: Record<string, Case> = {
  async "stops delivery at once when unsubscribed, also within a run of messages"({ a, b }) {
    let count = 0;
    const subscription = b.subscribe("stop", () => {
      if (++count === 3) subscription.unsubscribe();
    });
    const other = listen(b, "stop");
    await b.flush();
    for (let i = 0; i < 10; i++) a.publish(bytes("stop"), bytes(String(i)));
    await settle(a, b);
    subscription.unsubscribe();
    assert.deepEqual([count, other.seen.length], [3, 10]);
  },
  async "lets a handler subscribe, publish and unsubscribe"({ a, b }) {
    const echoed = listen(a, "echo");
    const subscription = b.subscribe("start", (message) => {
      const payload = message.buffer.slice(message.payloadStart, message.payloadEnd);
      subscription.unsubscribe();
      b.subscribe("next", () => b.publish(bytes("echo"), payload));
    });
    await settle(a, b);
    a.publish(bytes("start"), bytes("ping"));
    await settle(a, b);
    // The handler subscribed after the flush had begun: NATS has taken note once another one is over.
    await b.flush();
    a.publish(bytes("next"), bytes(""));
    await settle(a, b);
    await settle(b, a);
    assert.deepEqual(echoed.payloads(), ["ping"]);
  },
  async "has subscriptions in place once flush resolves"({ a, b }) {
    for (let i = 0; i < 20; i++) {
      const got = listen(b, `place.${i}`);
      await b.flush();
      a.publish(bytes(`place.${i}`), bytes("x"));
      await settle(a, b);
      assert.equal(got.seen.length, 1);
      got.unsubscribe();
    }
  },
  async "ends each run of messages with one call of the batch listener"({ a, b }) {
    const events: string[] = [];
    b.onBatchEnd(() => events.push("end"));
    b.subscribe("batch", (message) => events.push(copyOf(message).payload));
    await b.flush();
    for (let i = 0; i < 100; i++) a.publish(bytes("batch"), bytes(String(i)));
    await settle(a, b);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(events.filter((event) => event !== "end").length, 100);
    assert.equal(events.at(-1), "end");
    assert.ok(
      events.every((event, i) => event !== "end" || events[i - 1] !== "end"),
      "a batch without messages was ended",
    );
    assert.ok(events.filter((event) => event === "end").length <= 50, "messages sent together came one by one");
  },
};

const requests: Record<string, Case> = {
  async "answers a request with the first reply, in bytes of the caller's own"({ a, b }) {
    b.subscribe("service", (message) => {
      const reply = message.buffer.slice(message.replyStart, message.replyEnd);
      const payload = message.buffer.slice(message.payloadStart, message.payloadEnd);
      b.publish(reply, bytes(`${decoder.decode(payload)}!`));
      b.publish(reply, bytes("late"));
    });
    await b.flush();
    const answers = await Promise.all(["x", "y", "z"].map((text) => a.request("service", bytes(text), 5000)));
    const texts = answers.map((answer) => answer.kind === "reply" ? decoder.decode(answer.payload) : answer.kind);
    assert.deepEqual(texts, ["x!", "y!", "z!"]);
  },
  async "tells at once that nobody listens"({ a }) {
    assert.deepEqual(await a.request("nobody.here", bytes("x"), 60_000), { kind: "no responders" });
  },
  async "gives a handler the no-responders status of its own publishRequest"({ a }) {
    const got = listen(a, "my.inbox");
    a.publishRequest(bytes("nobody.here"), bytes("my.inbox"), bytes("x"));
    await a.flush();
    await a.flush();
    assert.deepEqual(got.seen, [{ subject: "my.inbox", reply: "", payload: "", noResponders: true }]);
  },
  async "answers `timeout` when somebody listens and says nothing"({ a, b, world }) {
    let asked = 0;
    b.subscribe("silent", () => asked++);
    await b.flush();
    const answer = a.request("silent", bytes("x"), 40);
    await settle(a, b);
    await world.pass?.(41);
    assert.deepEqual(await answer, { kind: "timeout" });
    assert.equal(asked, 1);
  },
};

const state: Record<string, Case> = {
  async "says that it is connected, where, and how large a payload may be"({ a }) {
    assert.equal(a.connected, true);
    assert.match(a.url, /^\w+:\/\/[^@\s]+$/);
    assert.ok(Number.isInteger(a.maxPayload) && a.maxPayload >= 1024);
  },
};

/** Registers the suite for the buses of one kind. `skip` gives the reason for each case that does not apply. */
export function messageBusConformance(
  name: string,
  makeWorld: () => Promise<BusWorld>,
  options: { skip?: Record<string, string>; ignore?: boolean } = {},
): void {
  const cases = { ...delivery, ...refusals, ...subscriptions, ...requests, ...state };
  for (const unknown of Object.keys(options.skip ?? {}).filter((title) => !(title in cases))) {
    throw new Error(`no case of the message bus suite is called "${unknown}"`);
  }
  for (const [title, run] of Object.entries(cases)) {
    const ignore = options.ignore === true || options.skip?.[title] !== undefined;
    Deno.test({
      name: `${name} bus ${title}`,
      ignore,
      fn: async () => {
        const world = await makeWorld();
        try {
          const [a, b] = [await world.open(), await world.open()];
          await run({ a, b, world });
          await Promise.all([a.close(), b.close()]);
        } finally {
          await world.close();
        }
      },
    });
  }
}
