/** Messages that a snapshot names and the store lacks (spec clustering, section 6). */
import assert from "node:assert/strict";
import type { MessageSink, MessageSource } from "../ports/journal.ts";
import type { ChannelLimits } from "../ports/store.ts";
import { MsgProto } from "../protocol/client_messages.ts";
import type { ChannelSnapshot } from "../streaming/mod.ts";
import type { Recorder } from "./recorder.ts";
import { restoreMessages } from "./restoring.ts";
import { splitStored } from "./stored_form.ts";

/** A message log that keeps texts. */
class Log {
  first = 0;
  last = 0;
  get count(): number {
    return this.texts.size;
  }
  readonly texts = new Map<number, string>();
  flushes = 0;

  append(sequence: number, timestamp: bigint, bytes: Uint8Array, start: number, end: number): void {
    assert.ok(this.last === 0 || sequence === this.last + 1, `${sequence} after ${this.last}`);
    if (this.first === 0) this.first = sequence;
    this.last = sequence;
    const { data } = MsgProto.decode(bytes, start, end);
    this.texts.set(sequence, `${new TextDecoder().decode(data)}@${timestamp}`);
  }

  empty(next: number): void {
    this.texts.clear();
    this.first = next;
    this.last = next - 1;
  }

  flush(): void {
    this.flushes++;
  }

  skipTo(sequence: number): void {
    this.last = sequence - 1;
    if (this.count === 0) this.first = sequence;
  }

  forgetAfter(sequence: number): void {
    while (this.last > sequence) this.texts.delete(this.last--);
  }

  evictBefore(sequence: number): void {
    while (this.first < Math.min(sequence, this.last + 1)) this.texts.delete(this.first++);
  }

  /** Messages under the sequences `from` to `to`, as if stored before. */
  static holding(from: number, to: number): Log {
    const log = new Log();
    if (from > 1) log.empty(from);
    for (let sequence = from; sequence <= to; sequence++) {
      const bytes = stored(sequence);
      const { timestamp, fieldsStart, fieldsEnd } = splitStored(bytes, 0, bytes.length);
      log.append(sequence, timestamp, bytes, fieldsStart, fieldsEnd);
    }
    return log;
  }
}

function stored(sequence: number): Uint8Array {
  const data = new TextEncoder().encode(`m${sequence}`);
  return MsgProto.encode({ sequence, subject: "foo", data, timestamp: BigInt(1_000 + sequence) });
}

/** A recorder of channels that keep texts. */
class Channels {
  readonly deleted: string[] = [];
  /** What is certain of the channels that this node knows. */
  readonly certain = new Map<string, number>([["gone", 2]]);
  readonly channels = new Map<string, { messages: Log }>();

  createChannel({ channel }: { channel: string }): void {
    if (!this.channels.has(channel)) this.channels.set(channel, { messages: new Log() });
  }

  limit(channel: string, { maxMessages }: ChannelLimits): void {
    assert.ok(this.channels.has(channel) && maxMessages === 0);
  }

  evictBefore(channel: string, first: number): void {
    this.channels.get(channel)!.messages.evictBefore(first);
  }

  deleteChannel(channel: string): void {
    this.deleted.push(channel);
    this.channels.delete(channel);
  }

  put(name: string, messages: Log): Log {
    this.channels.set(name, { messages });
    return messages;
  }

  restore(
    source: MessageSource,
    snapshots: Partial<ChannelSnapshot>[],
    outdated: string[] = [],
    doubted = new Set<string>(),
  ): Promise<void> {
    const judgement = {
      outdated: (name: string) => outdated.includes(name),
      certain: (name: string) => this.certain.get(name),
      doubted,
    };
    return restoreMessages(snapshots as ChannelSnapshot[], judgement, source, this as unknown as Recorder);
  }
}

/** Nodes that hold the messages from `first` on. Notes what it is asked for. */
class Source implements MessageSource {
  readonly asked: string[] = [];
  /** Fails before this message. */
  failsAt = Infinity;
  /** Whether they hold the same as whoever asks. */
  agreeing = true;

  /** Messages that they have lost. */
  readonly lost = new Set<number>();

  constructor(readonly first = 1) {}

  fetch(
    channel: string,
    incarnation: number,
    from: number,
    to: number,
    into: MessageSink,
  ): Promise<void> {
    this.asked.push(`${channel}/${incarnation} ${from}-${to}`);
    const begin = Math.min(Math.max(from, this.first), to + 1);
    if (begin > from) into.expired(begin);
    for (let sequence = begin; sequence <= to; sequence++) {
      if (sequence >= this.failsAt) return Promise.reject(new Error("lost"));
      if (this.lost.has(sequence)) continue;
      const bytes = stored(sequence);
      into.take(sequence, bytes, 0, bytes.length);
    }
    return Promise.resolve();
  }

  agrees(channel: string, incarnation: number, first: number, last: number): Promise<boolean> {
    this.asked.push(`same ${channel}/${incarnation} ${first}-${last}`);
    return this.failsAt === 0 ? Promise.reject(new Error("lost")) : Promise.resolve(this.agreeing);
  }
}

const foo = (last: number, expiredBefore = 0, first = 0) => ({
  name: "foo",
  incarnation: 7,
  last,
  expiredBefore,
  first,
});

Deno.test("an empty store gets everything", async () => {
  const [channels, source] = [new Channels(), new Source()];
  await channels.restore(source, [foo(3)]);
  const { messages } = channels.channels.get("foo")!;
  assert.deepEqual([...messages.texts], [[1, "m1@1001"], [2, "m2@1002"], [3, "m3@1003"]]);
  assert.deepEqual(source.asked, ["foo/7 1-3"]);
  assert.equal(messages.flushes, 1);
});

Deno.test("what is there is kept and only the rest is fetched; nothing when nothing lacks", async () => {
  const [channels, source] = [new Channels(), new Source()];
  const log = channels.put("foo", Log.holding(1, 5));
  await channels.restore(source, [foo(8)]);
  assert.deepEqual([...log.texts.keys()], [1, 2, 3, 4, 5, 6, 7, 8]);
  await channels.restore(source, [foo(8)]);
  assert.deepEqual(source.asked, ["foo/7 6-8"]);
});

Deno.test("channels that the snapshot does not name, and former ones of the same name, are deleted", async () => {
  const [channels, source] = [new Channels(), new Source()];
  channels.put("gone", Log.holding(1, 2));
  channels.put("foo", Log.holding(1, 9));
  await channels.restore(source, [foo(2)], ["foo"]);
  assert.deepEqual(channels.deleted, ["gone", "foo"]);
  assert.deepEqual([...channels.channels.get("foo")!.messages.texts.keys()], [1, 2]);
});

Deno.test("where the beginning has expired everywhere, older messages are dropped so that no hole remains", async () => {
  const [channels, source] = [new Channels(), new Source(6)];
  const log = channels.put("foo", Log.holding(1, 3));
  await channels.restore(source, [foo(8)]);
  assert.deepEqual([log.first, log.last, [...log.texts.keys()]], [6, 8, [6, 7, 8]]);
});

for (const lost of [[4, 5], [4, 5, 6, 7, 8], [6], [8]]) {
  Deno.test(`messages ${lost} are lost everywhere: all others are there, and the numbering goes on`, async () => {
    const [channels, source] = [new Channels(), new Source()];
    lost.forEach((sequence) => source.lost.add(sequence));
    const log = channels.put("foo", Log.holding(1, 3));
    await channels.restore(source, [foo(8)]);
    assert.deepEqual([log.first, log.last], [1, 8]);
    assert.deepEqual([...log.texts.keys()], [1, 2, 3, 4, 5, 6, 7, 8].filter((each) => !lost.includes(each)));
  });
}

Deno.test("what the snapshot says has expired is not asked for", async () => {
  const [channels, source] = [new Channels(), new Source()];
  await channels.restore(source, [foo(8, 5)]);
  assert.deepEqual(source.asked, ["foo/7 5-8"]);
  assert.deepEqual([...channels.channels.get("foo")!.messages.texts.keys()], [5, 6, 7, 8]);
});

Deno.test("what the limits had left when the snapshot was taken is what is left here", async () => {
  const [channels, source] = [new Channels(), new Source()];
  const messages = channels.put("foo", Log.holding(1, 3));
  await channels.restore(source, [foo(5, 0, 3)]);
  assert.deepEqual([...messages.texts.keys()], [3, 4, 5]);
  await channels.restore(source, [foo(5, 5, 3)]);
  assert.deepEqual([...messages.texts.keys()], [5]);
  assert.deepEqual(source.asked, ["foo/7 4-5"]);
});

Deno.test("where all have expired the numbering goes on behind them", async () => {
  const [channels, source] = [new Channels(), new Source(100)];
  const log = channels.put("foo", Log.holding(1, 3));
  await channels.restore(source, [foo(8)]);
  assert.deepEqual([log.first, log.last, log.texts.size], [9, 8, 0]);
});

Deno.test("after a failure it goes on where it stopped", async () => {
  const [channels, source] = [new Channels(), new Source()];
  source.failsAt = 4;
  await assert.rejects(channels.restore(source, [foo(6)]), { message: "lost" });
  source.failsAt = Infinity;
  await channels.restore(source, [foo(6)]);
  assert.deepEqual(source.asked, ["foo/7 1-6", "foo/7 4-6"]);
  assert.deepEqual([...channels.channels.get("foo")!.messages.texts.keys()], [1, 2, 3, 4, 5, 6]);
});

Deno.test("what is in doubt is kept where other nodes hold the same, and only the rest is fetched", async () => {
  const [channels, source] = [new Channels(), new Source()];
  const log = channels.put("foo", Log.holding(3, 5));
  const doubted = new Set(["foo"]);
  source.failsAt = 0;
  await assert.rejects(channels.restore(source, [foo(8)], [], doubted), { message: "lost" });
  assert.deepEqual([log.last, doubted.size], [5, 1]);
  source.failsAt = Infinity;
  await channels.restore(source, [foo(8)], [], doubted);
  assert.deepEqual(source.asked, ["same foo/7 3-5", "same foo/7 3-5", "foo/7 6-8"]);
  assert.deepEqual([...log.texts.keys()], [3, 4, 5, 6, 7, 8]);
  assert.equal(doubted.size, 0);
});

Deno.test("what is in doubt and not what other nodes hold is dropped whole: nothing is mixed", async () => {
  const [channels, source] = [new Channels(), new Source()];
  source.agreeing = false;
  channels.put("foo", Log.holding(1, 5));
  channels.put("bar", new Log());
  await channels.restore(source, [foo(3), { ...foo(1), name: "bar" }], [], new Set(["foo", "bar"]));
  assert.deepEqual(channels.deleted, ["foo", "bar"]);
  assert.deepEqual(source.asked, ["same foo/7 1-5", "foo/7 1-3", "bar/7 1-1"]);
  assert.deepEqual([...channels.channels.get("foo")!.messages.texts.keys()], [1, 2, 3]);
});

Deno.test("the fields of a stored message are found whatever is around them", () => {
  const data = new Uint8Array(300).fill(7);
  const bytes = MsgProto.encode({ sequence: 123_456, subject: "foo", reply: "back", data, timestamp: 9n });
  const { timestamp, fieldsStart, fieldsEnd } = splitStored(bytes, 0, bytes.length);
  assert.equal(timestamp, 9n);
  const fields = MsgProto.decode(bytes, fieldsStart, fieldsEnd);
  assert.deepEqual([fields.subject, fields.reply, fields.sequence, fields.timestamp], ["foo", "back", 0, 0n]);
  assert.deepEqual(fields.data, data);
});

Deno.test("what a known channel holds beyond the last agreed message is in doubt alone", async () => {
  for (const agreeing of [true, false]) {
    const [channels, source] = [new Channels(), new Source()];
    source.agreeing = agreeing;
    const log = channels.put("foo", Log.holding(1, 5));
    channels.certain.set("foo", 3);
    await channels.restore(source, [foo(8)], [], new Set(["foo"]));
    assert.deepEqual(source.asked, ["same foo/7 4-5", agreeing ? "foo/7 6-8" : "foo/7 4-8"]);
    assert.deepEqual([...log.texts.keys()], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(channels.deleted, []);
  }
});

Deno.test("a channel of which nothing is known yet is left alone: the log may tell", async () => {
  const [channels, source] = [new Channels(), new Source()];
  channels.put("later", Log.holding(1, 2));
  channels.put("foreign", Log.holding(1, 2));
  await channels.restore(source, [foo(1)], [], new Set(["foreign"]));
  assert.deepEqual(channels.deleted, ["foreign"]);
  assert.equal(channels.channels.get("later")!.messages.last, 2);
});
