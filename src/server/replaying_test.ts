/** What is applied again under sequences that the store holds (spec clustering, P8). */
import assert from "node:assert/strict";
import { MsgProto } from "../protocol/client_messages.ts";
import type { PackedMessages } from "../protocol/operations.ts";
import { openMemoryStore } from "../store/mod.ts";
import { Recorder } from "./recorder.ts";
import { packStored } from "./stored_form.ts";

const UNLIMITED = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };

function messagesOf(texts: readonly string[]): PackedMessages {
  return packStored(texts.map((text) => MsgProto.encode({ subject: "foo", data: new TextEncoder().encode(text) })));
}

class Store {
  readonly warnings: string[] = [];
  readonly recorder = new Recorder(
    openMemoryStore({ limits: { maxChannels: 0, global: UNLIMITED } }),
    () => {},
    () => {},
    (text) => this.warnings.push(text),
  );

  static async with(texts: readonly string[], time = 100n): Promise<Store> {
    const store = new Store();
    await store.recorder.createChannel({ kind: "create channel", channel: "foo" });
    for (const [i, text] of texts.entries()) await store.apply([text], i + 1, time + BigInt(i));
    return store;
  }

  async apply(texts: readonly string[], first: number, time: bigint): Promise<void> {
    await this.recorder.append({ channel: "foo", messages: messagesOf(texts), first, time });
    await this.recorder.flushMessages();
  }

  get messages() {
    return this.recorder.channels.get("foo")!.messages;
  }

  get held(): string[] {
    const held: string[] = [];
    this.messages.read(1, this.messages.last, 1e9, (sequence, buffer, start, end) => {
      const { data, timestamp } = MsgProto.decode(buffer, start, end);
      held.push(`${sequence} ${new TextDecoder().decode(data)}@${timestamp}`);
      return true;
    });
    return held;
  }
}

Deno.test("what is applied again is left as it is", async () => {
  const store = await Store.with(["a", "b", "c", "d"]);
  await store.apply(["b"], 2, 101n);
  await store.apply(["c"], 3, 102n);
  await store.apply(["d"], 4, 103n);
  await store.apply(["e"], 5, 104n);
  assert.deepEqual(store.held, ["1 a@100", "2 b@101", "3 c@102", "4 d@103", "5 e@104"]);
  assert.deepEqual(store.warnings, []);
});

for (
  const [what, texts, time] of [
    ["another text", ["b", "x", "d"], 500n],
    ["another length", ["b", "cc", "d"], 500n],
    ["no text", ["b", "", "d"], 500n],
  ] as const
) {
  Deno.test(`from the first difference on, ${what}, what was agreed upon takes the place of what is there`, async () => {
    const store = new Store();
    await store.recorder.createChannel({ kind: "create channel", channel: "foo" });
    await store.apply(["a"], 1, 100n);
    await store.apply(["b", "c", "d", "e"], 2, time);
    await store.apply(texts, 2, time);
    assert.deepEqual(store.held, ["1 a@100", ...texts.map((text, i) => `${i + 2} ${text}@500`)]);
    assert.deepEqual(store.warnings, [
      'channel "foo": messages 3 to 5 in the store are not those that were agreed upon: they are dropped',
    ]);
    await store.apply(["f"], 5, time);
    assert.equal(store.held.at(-1), "5 f@500");
  });
}

Deno.test("the same text at another time is another message", async () => {
  const store = await Store.with(["a", "b"]);
  await store.apply(["b"], 2, 900n);
  assert.deepEqual(store.held, ["1 a@100", "2 b@900"]);
});

Deno.test("of a batch that is known in part the rest is stored", async () => {
  const store = await Store.with(["a"]);
  await store.apply(["b", "c"], 2, 300n);
  await store.apply(["b", "c", "d"], 2, 300n);
  assert.deepEqual(store.held, ["1 a@100", "2 b@300", "3 c@300", "4 d@300"]);
  assert.deepEqual(store.warnings, []);
});

Deno.test("what was evicted is not stored again", async () => {
  const store = await Store.with(["a", "b", "c", "d"]);
  store.recorder.evictBefore("foo", 3);
  await store.apply(["a"], 1, 100n);
  await store.apply(["b"], 2, 101n);
  assert.deepEqual(store.held, ["3 c@102", "4 d@103"]);
  store.recorder.evictBefore("foo", 5);
  await store.apply(["d"], 4, 103n);
  assert.deepEqual([store.held, store.messages.first, store.messages.last], [[], 5, 4]);
  assert.deepEqual(store.warnings, []);
});

for (const before of [4, 5]) {
  Deno.test(`a younger message is none of those that were evicted before ${before}`, async () => {
    const store = await Store.with(["a", "b", "c", "d"]);
    store.recorder.evictBefore("foo", before);
    await store.apply(["B"], 2, 104n);
    assert.deepEqual(store.held, ["2 B@104"]);
    await store.apply(["C"], 3, 105n);
    assert.deepEqual(store.held, ["2 B@104", "3 C@105"]);
  });
}

Deno.test("a message that fills a gap is none that was agreed upon", async () => {
  const store = await Store.with(["a"]);
  await store.apply(["d"], 4, 400n);
  await store.apply(["b"], 2, 200n);
  await store.apply(["c"], 3, 300n);
  await store.apply(["d"], 4, 400n);
  assert.deepEqual(store.held, ["1 a@100", "2 b@200", "3 c@300", "4 d@400"]);
});
