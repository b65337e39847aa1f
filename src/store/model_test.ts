/** Message logs against the simplest possible one, by random actions. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MessageLog, Store } from "../ports/store.ts";
import { silentLog } from "../ports/log.ts";
import { fieldsOf, limitsWith, START, start } from "../../tests/support/store_messages.ts";
import { Place } from "../../tests/support/store_place.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { encrypted, type OpenFileStoreOptions, openMemoryStore } from "./mod.ts";
import { MsgProto } from "../protocol/client_messages.ts";

/** A message of the model. */
interface Kept {
  readonly sequence: number;
  readonly size: number;
  readonly time: bigint;
  /** Bytes of accounting. */
  readonly bytes: number;
}

/** All of it in an array. */
class Model {
  messages: Kept[] = [];
  last = 0;
  lastTime = 0n;

  constructor(
    readonly maxMessages: number,
    readonly maxBytes: number,
    readonly fillsGaps: boolean,
    readonly overhead: number,
  ) {}

  get first(): number {
    return this.messages[0]?.sequence ?? (this.last === 0 ? 0 : this.last + 1);
  }

  get bytes(): number {
    return this.messages.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  append(sequence: number, size: number, time: bigint): void {
    if (sequence <= this.last) return;
    if (this.fillsGaps && this.last > 0) {
      for (let filler = this.last + 1; filler < sequence; filler++) this.#push(filler, 0, time);
    }
    this.#push(sequence, size, time);
    while (this.messages.length > 1 && (this.messages.length > this.maxMessages || this.bytes > this.maxBytes)) {
      this.messages.shift();
    }
  }

  #push(sequence: number, size: number, time: bigint): void {
    const proto = MsgProto.size({ sequence, subject: "foo", data: new Uint8Array(size), timestamp: time });
    this.messages.push({ sequence, size, time, bytes: proto + this.overhead });
    this.last = sequence;
    this.lastTime = time;
  }

  forgetAfter(sequence: number): void {
    if (sequence >= this.last) return;
    const { first } = this;
    this.messages = this.messages.filter((message) => message.sequence <= sequence);
    this.last = sequence < first ? sequence : this.messages.at(-1)!.sequence;
    this.lastTime = this.messages.at(-1)?.time ?? 0n;
  }

  evictBefore(sequence: number): void {
    this.messages = this.messages.filter((message) => message.sequence >= sequence);
  }

  sequenceAt(time: bigint): number {
    if (this.last === 0) return 0;
    if (this.messages.length === 0) return this.last + 1;
    if (time <= this.messages[0]!.time) return this.first;
    if (time === this.lastTime) return this.last;
    if (time > this.lastTime) return this.last + 1;
    return this.messages.find((message) => message.time >= time)?.sequence ?? this.last + 1;
  }
}

type Action =
  | {
    readonly kind: "append";
    readonly count: number;
    readonly size: number;
    readonly skip: number;
    readonly later: number;
  }
  | { readonly kind: "evict" | "cut"; readonly by: number }
  | { readonly kind: "read"; readonly from: number; readonly length: number; readonly maxBytes: number }
  | { readonly kind: "time"; readonly offset: number }
  | { readonly kind: "flush" | "idle" | "empty" | "restart" };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 12 }),
      size: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 3000 })),
      skip: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 5 })),
      later: fc.integer({ min: 0, max: 20 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      from: fc.integer({ min: -5, max: 60 }),
      length: fc.integer({ min: 0, max: 60 }),
      maxBytes: fc.integer({ min: 0, max: 5000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), by: fc.integer({ min: 0, max: 45 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("evict" as const), by: fc.integer({ min: 0, max: 20 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("time" as const), offset: fc.integer({ min: -10, max: 300 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("idle" as const, "restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("empty" as const) }) },
);

/** A log under test, in a store that can be opened again where it persists. */
interface Subject {
  open(): Store;
  readonly persistent: boolean;
}

class Run {
  #store: Store;
  #log!: MessageLog;
  #clock = 0n;
  #now = 0;

  constructor(readonly subject: Subject, readonly model: Model) {
    this.#store = subject.open();
  }

  async begin(): Promise<void> {
    await start(this.#store);
    this.#log = (await this.#store.createChannel("foo")).messages;
  }

  end(): Promise<void> {
    return Promise.resolve(this.#store.close());
  }

  async perform(action: Action): Promise<void> {
    if (action.kind === "append") this.#append(action.count, action.size, action.skip, action.later);
    else if (action.kind === "flush") await this.#log.flush();
    else if (action.kind === "evict") this.#evict(action.by);
    else if (action.kind === "cut") await this.#cut(action.by);
    else if (action.kind === "read") await this.#read(this.model.first + action.from, action.length, action.maxBytes);
    else if (action.kind === "time") {
      assert.equal(await this.#log.sequenceAt(this.#at(action.offset)), this.model.sequenceAt(this.#at(action.offset)));
    } else if (action.kind === "idle") await this.#idle();
    else if (action.kind === "empty") await this.#empty();
    else if (this.subject.persistent) await this.#restart();
    const { first, last, count, bytes } = this.#log;
    assert.deepEqual([first, last, count, bytes], [
      this.model.first,
      this.model.last,
      this.model.messages.length,
      this.model.bytes,
    ]);
  }

  #at(offset: number): bigint {
    return START + BigInt(offset);
  }

  #append(count: number, size: number, skip: number, later: number): void {
    this.#clock += BigInt(later);
    const time = START + this.#clock;
    for (let i = 0; i < count; i++) {
      const sequence = this.model.last + 1 + (i === 0 ? skip : 0);
      if (sequence < 1) continue;
      const fields = fieldsOf("foo", new Uint8Array(size).fill(sequence & 0xff));
      this.#log.append(sequence, time, fields, 0, fields.length);
      this.model.append(sequence, size, time);
    }
  }

  async #cut(by: number): Promise<void> {
    const sequence = Math.max(0, this.model.last - by);
    await this.#log.forgetAfter(sequence);
    this.model.forgetAfter(sequence);
  }

  #evict(by: number): void {
    const sequence = this.model.first + by;
    this.#log.evictBefore(sequence);
    this.model.evictBefore(sequence);
  }

  async #read(from: number, length: number, maxBytes: number): Promise<void> {
    const to = from + length;
    const wanted = this.model.messages.filter(({ sequence }) => sequence >= from && sequence <= to);
    const seen: number[] = [];
    let room = maxBytes;
    const next = await this.#log.read(from, to, maxBytes, (sequence, buffer, begin, end) => {
      room -= end - begin;
      const message = MsgProto.decode(buffer, begin, end);
      const expected = wanted[seen.length]!;
      assert.deepEqual([sequence, message.sequence, message.data.length, message.timestamp], [
        expected.sequence,
        expected.sequence,
        expected.size,
        expected.time,
      ]);
      assert.ok(message.data.every((byte) => byte === (sequence & 0xff)));
      assert.ok(room >= 0 || seen.length === 0);
      seen.push(sequence);
      return true;
    });
    if (seen.length === wanted.length) assert.ok(next === to + 1 || next === from || next > seen.at(-1)!);
    else assert.ok(seen.length > 0 && next > seen.at(-1)! && next <= wanted[seen.length]!.sequence);
  }

  async #idle(): Promise<void> {
    for (let i = 0; i < 3; i++) await this.#store.maintain(this.#now += 1100);
  }

  async #empty(): Promise<void> {
    await this.#log.empty();
    this.model.messages = [];
    this.model.last = 0;
    this.model.lastTime = 0n;
  }

  /** What is evicted by order may come back from the first slice: it is evicted again. */
  async #restart(): Promise<void> {
    await this.#store.close();
    this.#store = this.subject.open();
    const { channels } = await start(this.#store);
    this.#log = channels.get("foo")!.store.messages;
    if (this.model.messages.length > 0 || this.model.last > 0) this.#log.evictBefore(this.model.first);
  }
}

const MESSAGES = 40;
const BYTES = 20_000;
const limits = limitsWith({ maxMessages: MESSAGES, maxBytes: BYTES });

function inFiles(
  options: Partial<OpenFileStoreOptions>,
  wrap: (store: Store) => Store = (store) => store,
): () => Subject {
  return () => {
    const place = new Place();
    place.log = silentLog;
    return { open: () => wrap(place.open({ ...options, limits })), persistent: true };
  };
}

for (
  const [name, subject, fillsGaps, overhead] of [
    ["MEMORY", () => ({ open: () => openMemoryStore({ limits }), persistent: false }), false, 0],
    ["FILE", inFiles({}), true, 40],
    ["FILE in small slices", inFiles({ sliceMaxMessages: 4, fileDescriptorsLimit: 2 }), true, 40],
    ["FILE with tiny buffers", inFiles({ bufferSize: 100, readBufferSize: 200, sliceMaxBytes: 3000 }), true, 40],
    ["FILE without sync or read-ahead", inFiles({ sync: false, readBufferSize: 0, bufferSize: 0 }), true, 40],
  ] as const
) {
  Deno.test(`any actions on ${name} have the outcome they have on a list`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40, size: "max" }), async (actions) => {
        const run = new Run(subject(), new Model(MESSAGES, BYTES, fillsGaps, overhead));
        await run.begin();
        for (const each of actions) await run.perform(each);
        await run.end();
      }),
      { numRuns: 150, seed: 1 },
    );
  });
}

Deno.test("sealed messages read as they were appended, whatever is done to their log", async () => {
  const key = () => new TextEncoder().encode("key");
  const subject = inFiles(
    { sliceMaxMessages: 5 },
    (store) => encrypted(store, { key: key(), cipher: "AES", random: new SeededRandom(3) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(300), { minLength: 1, maxLength: 30 }), async (sizes) => {
      const store = subject().open();
      await start(store);
      const { messages } = await store.createChannel("foo");
      sizes.forEach((size, i) => {
        const fields = fieldsOf("foo", new Uint8Array(size).fill(i), "reply");
        messages.append(i + 1, START, fields, 0, fields.length);
      });
      await messages.flush();
      for (let i = 0; i < 3; i++) await store.maintain(2000 * i);
      let at = messages.first - 1;
      await messages.read(1, sizes.length, 1e9, (sequence, buffer, begin, end) => {
        const { data, reply } = MsgProto.decode(buffer, begin, end);
        assert.deepEqual([sequence, reply, data.length], [++at, "reply", sizes[sequence - 1]]);
        assert.ok(data.every((byte) => byte === sequence - 1));
        return true;
      });
      assert.equal(at, sizes.length);
      await store.close();
    }),
    { numRuns: 60, seed: 2 },
  );
});
