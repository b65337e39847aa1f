import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { Malformed } from "../../protocol/varint.ts";
import { cutIntoChunks, isChunk, Reassembly } from "./chunks.ts";
import type { Entry, Header, Membership, Message } from "../core/mod.ts";
import { crc32c } from "./crc32c.ts";
import { decodeMessage, encodeMessage, entryFrom, entryKind, entryPayload, NO_BOOT } from "./wire_format.ts";

const envelope = { clusterId: "test", fromBoot: "0123456789abcdef", toBoot: NO_BOOT, maxPayload: 1_048_576 };

/** As fc.record, of plain objects. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const number = fc.oneof(fc.nat(), fc.maxSafeNat());
const id = fc.string({ unit: "binary", maxLength: 30 });
const membership: fc.Arbitrary<Membership> = record({
  members: fc.array(record({ id, incarnation: id, voter: fc.boolean() }), { maxLength: 9 }),
});
const header: fc.Arbitrary<Header> = record({
  from: id,
  incarnation: id,
  to: id,
  expected: id,
  term: number,
  identity: id,
  founders: id,
});
const disk = fc.constantFrom("ok" as const, "slow" as const, "full" as const);
const payload = fc.uint8Array({ maxLength: 300 });
const body = fc.oneof(
  record({ kind: fc.constantFrom("operations" as const, "facts" as const), payload }),
  record({ kind: fc.constant("no-op" as const) }),
  record({ kind: fc.constant("membership" as const), membership }),
  record({ kind: fc.constant("identity" as const), identity: id }),
);

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.tuple(
    header,
    record({ kind: fc.constant("pre-vote" as const), lastIndex: number, lastTerm: number, hint: fc.boolean() }),
  ),
  fc.tuple(
    header,
    record({
      kind: fc.constant("vote" as const),
      lastIndex: number,
      lastTerm: number,
      hint: fc.boolean(),
      transfer: fc.boolean(),
    }),
  ),
  fc.tuple(
    header,
    record({
      kind: fc.constantFrom("pre-vote reply" as const, "vote reply" as const),
      reason: fc.constantFrom("granted" as const, "leader known" as const, "blank" as const),
      forTerm: number,
      guardTicks: number,
      guardLeader: id,
    }),
  ),
  fc.tuple(
    header,
    record({
      kind: fc.constant("append" as const),
      sequence: number,
      prevIndex: fc.nat(),
      prevTerm: number,
      commit: number,
      answer: number,
      bodies: fc.array(body, { maxLength: 6 }),
    }),
  ).map(([head, { bodies, ...rest }]) => {
    const entries = bodies.map((one, i) => ({ ...one, index: rest.prevIndex + 1 + i, term: rest.prevTerm }) as Entry);
    return [head, { ...rest, entries }] as const;
  }),
  fc.tuple(header, record({ kind: fc.constant("append reply" as const), match: number, disk })),
  fc.tuple(
    header,
    record({
      kind: fc.constant("append refusal" as const),
      sequence: number,
      ask: number,
      prevIndex: number,
      conflictTerm: number,
      conflictIndex: number,
      lastIndex: number,
      disk,
    }),
  ),
  fc.tuple(header, record({ kind: fc.constant("removed" as const), index: number })),
  fc.tuple(
    header,
    record({
      kind: fc.constant("heartbeat" as const),
      commit: number,
      commitTerm: number,
      round: number,
      sentAt: fc.integer({ min: -1 }),
    }),
  ),
  fc.tuple(
    header,
    record({
      kind: fc.constant("heartbeat reply" as const),
      round: number,
      sentAt: fc.integer({ min: -1 }),
      applied: number,
      installing: number,
      installingTerm: number,
      disk,
    }),
  ),
  fc.tuple(header, record({ kind: fc.constant("timeout now" as const) })),
  fc.tuple(header, record({ kind: fc.constant("goodbye" as const), guardTicks: number })),
  fc.tuple(
    header,
    record({
      kind: fc.constant("snapshot announce" as const),
      snapshot: record({
        index: number,
        term: number,
        membership: record({ index: number, membership }),
        identity: id,
      }),
    }),
  ),
  fc.tuple(header, record({ kind: fc.constant("snapshot reply" as const), match: number, failed: fc.boolean() })),
).map(([head, rest]) => ({ ...head, ...rest }) as Message);

Deno.test("CRC-32C of the well-known check value, in one piece or several", () => {
  const bytes = new TextEncoder().encode("123456789");
  assert.equal(crc32c(bytes), 0xe3069283);
  assert.equal(crc32c(bytes, 4, 9, crc32c(bytes, 0, 4)), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(0)), 0);
});

Deno.test("a message comes back as it was", () => {
  fc.assert(fc.property(message, (sent) => {
    const { message: got, envelope: around } = decodeMessage(encodeMessage(sent, envelope), "test");
    assert.deepEqual(got, sent);
    assert.deepEqual(around, envelope);
  }));
});

Deno.test("an entry comes back from the log as it was", () => {
  fc.assert(fc.property(body, (one) => {
    const entry = { ...one, index: 7, term: 3 } as Entry;
    assert.deepEqual(entryFrom(entryKind(entry), 7, 3, entryPayload(entry)), entry);
  }));
});

Deno.test("whatever is changed or cut off in a message is noticed", () => {
  fc.assert(fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, where, change) => {
    const bytes = encodeMessage(sent, envelope);
    const at = where % bytes.length;
    const flipped = bytes.slice();
    flipped[at]! ^= change;
    assert.throws(() => decodeMessage(flipped, "test"), Malformed);
    assert.throws(() => decodeMessage(bytes.slice(0, at), "test"), Malformed);
  }));
});

Deno.test("C5: a message of another cluster id is refused by name", () => {
  const sent: Message = {
    kind: "timeout now",
    from: "a",
    incarnation: "",
    to: "b",
    expected: "",
    term: 1,
    identity: "",
    founders: "",
  };
  assert.throws(() => decodeMessage(encodeMessage(sent, envelope), "other"), /message of cluster test/);
});

Deno.test("noise on the subjects is refused and nothing else happens", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      try {
        if (isChunk(noise)) new Reassembly().take(noise);
        else decodeMessage(noise, "test");
        assert.fail("noise was taken for a message");
      } catch (error) {
        assert.ok(error instanceof Malformed, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("pieces make the message again; lost, doubled or mixed ones never make another", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const faults = seed % 2 === 0;
    const messages = Array.from({ length: 5 }, () => {
      const bytes = new Uint8Array(random.between(2000, 20_000));
      random.fill(bytes);
      return bytes;
    });
    const reassembly = new Reassembly();
    const made: Uint8Array[] = [];
    const streams = messages.map((bytes, i) => cutIntoChunks(bytes, i < 3 ? "a" : "b", "00000000000000aa", i, 2048));
    const a = streams.slice(0, 3).flat();
    const b = streams.slice(3).flat();
    while (a.length + b.length > 0) {
      const piece = (random.chance(0.5) && a.length > 0 ? a : b.length > 0 ? b : a).shift()!;
      if (faults && random.chance(0.02)) continue;
      for (let times = faults && random.chance(0.02) ? 2 : 1; times > 0; times--) {
        const whole = reassembly.take(piece);
        if (whole !== undefined) made.push(whole);
      }
    }
    for (const whole of made) assert.ok(messages.some((bytes) => Buffer.from(bytes).equals(whole)), `seed ${seed}`);
    if (!faults) assert.equal(made.length, 5, `seed ${seed}`);
  }
});

Deno.test("a message beyond the limit is given up, whatever is still to come of it; one at the limit is not", () => {
  for (const [size, isWhole] of [[5000, true], [5001, false]] as const) {
    const reassembly = new Reassembly(5000);
    const pieces = cutIntoChunks(new Uint8Array(size), "a", "00000000000000aa", 1, 2048);
    const made = pieces.map((piece) => reassembly.take(piece)).filter((whole) => whole !== undefined);
    assert.deepEqual([made.length, reassembly.lost > 0, reassembly.bytes], [isWhole ? 1 : 0, !isWhole, 0]);
  }
});

Deno.test("many senders of unfinished messages do not fill the memory", () => {
  const reassembly = new Reassembly();
  const [first] = cutIntoChunks(new Uint8Array(5000), "a", "00000000000000aa", 1, 2048);
  for (let i = 0; i < 1000; i++) {
    const [other] = cutIntoChunks(new Uint8Array(5000), `sender ${i}`, "00000000000000aa", 1, 2048);
    reassembly.take(other!);
  }
  reassembly.take(first!);
  assert.ok(reassembly.senders <= 64);
});
