/** Starting on damaged directories; numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { StoreFailed } from "../../ports/store.ts";
import { ServerInfo } from "../../protocol/stored_records.ts";
import { MsgProto } from "../../protocol/client_messages.ts";
import type { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { RecordingLog } from "../../../tests/support/recording_log.ts";
import { readFile, writeFile } from "../../../tests/support/store_fixtures.ts";
import {
  clientOf,
  identity,
  limitsWith,
  lookup,
  messagesOf,
  putMany,
  SECOND,
  sequencesOf,
  START,
  start,
  subscriptionOf,
  textOf,
} from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";
import { Checksum } from "./checksum.ts";
import type { OpenFileStoreOptions } from "./opening.ts";
import { encodeRecord } from "./record.ts";

const checksum = new Checksum();

/** A directory with a client, a subscription with pending messages, and ten messages in slices of five. */
async function filled(options: Partial<OpenFileStoreOptions> = { sliceMaxMessages: 5 }): Promise<Place> {
  const place = new Place();
  const { store, foo } = await place.withChannel(options);
  await store.addClient(clientOf("me"));
  putMany(foo.messages, "foo", 1, 10);
  foo.subscriptions.create(subscriptionOf(1));
  foo.subscriptions.addPending(1, 1);
  foo.subscriptions.addPending(1, 2);
  await store.close();
  return place;
}

function edit(files: MemoryFiles, path: string, change: (bytes: Uint8Array) => Uint8Array): void {
  writeFile(files, `/data/${path}`, change(readFile(files, `/data/${path}`)));
}

function append(files: MemoryFiles, path: string, ...more: number[]): void {
  edit(files, path, (bytes) => new Uint8Array([...bytes, ...more]));
}

function cut(files: MemoryFiles, path: string, count: number): void {
  edit(files, path, (bytes) => bytes.slice(0, bytes.length - count));
}

/** Starting fails with this text; a second start on the same place too, or succeeds where the first one made that possible. */
async function refuses(
  place: Place,
  text: string | RegExp,
  options: Partial<OpenFileStoreOptions> = {},
): Promise<void> {
  const store = place.open(options);
  await assert.rejects(async () => await store.recover(), (error) => {
    assert.ok(error instanceof StoreFailed, String(error));
    assert.equal(error.code, "corrupt");
    if (typeof text === "string") assert.equal(error.message, text);
    else assert.match(error.message, text);
    return true;
  });
  await store.close();
}

const inMessages = (file: string, problem: string) =>
  `unable to recover message store for [foo](file: "foo/${file}"): ${problem}`;
const inSubscriptions = (problem: string) => `unable to recover subscription store for [foo]: ${problem}`;

for (
  const [path, text] of [
    ["server.dat", 'unable to recover server file "server.dat": unable to verify file version: EOF'],
    ["clients.dat", 'unable to recover client file "clients.dat": unable to verify file version: EOF'],
    ["foo/subs.dat", inSubscriptions("unable to verify file version: EOF")],
    ["foo/msgs.1.dat", inMessages("msgs.1.dat", "unable to verify file version: EOF")],
    ["foo/msgs.2.idx", inMessages("msgs.2.idx", "unable to verify file version: EOF")],
  ] as const
) {
  Deno.test(`[26] a file of 0 bytes: ${path}`, async () => {
    const place = await filled();
    edit(place.files, path, () => new Uint8Array(0));
    await refuses(place, text);
  });

  Deno.test(`[27] a version that is not known: ${path}`, async () => {
    const place = await filled();
    edit(place.files, path, (bytes) => Uint8Array.of(2, 0, 0, 0, ...bytes.slice(4)));
    await refuses(
      place,
      text.replace("unable to verify file version: EOF", "unsupported file version: 2 (supports [1..1])"),
    );
    edit(place.files, path, () => Uint8Array.of(1, 0));
    await refuses(place, text.replace(/EOF$/, "unexpected EOF"));
  });
}

for (
  const [what, record, problem] of [
    ["a wrong checksum", [3, 0, 0, 1, 9, 9, 9, 9, 10, 1, 65], /^corrupted data, expected crc to be 0x09090909, got 0x/],
    ["an addition that cannot be decoded", [...encodeRecord(1, Uint8Array.of(0x0a, 5, 65), checksum)], /^proto: /],
    ["a removal that cannot be decoded", [...encodeRecord(2, Uint8Array.of(0x0a, 5, 65), checksum)], /^proto: /],
    ["an unknown type", [...encodeRecord(99, Uint8Array.of(0x0a, 0), checksum)], /^invalid client record type: 99$/],
  ] as const
) {
  Deno.test(`[28] clients.dat with ${what}`, async () => {
    const place = await filled();
    append(place.files, "clients.dat", ...record);
    for (const truncateUnexpectedEof of [false, true]) {
      await refuses(
        place,
        new RegExp(`^unable to recover client file "/data/clients.dat": ${problem.source.slice(1)}`),
        {
          truncateUnexpectedEof,
        },
      );
    }
  });
}

Deno.test("[29] server.dat that is not exactly one record", async () => {
  const payload = ServerInfo.encode(identity);
  const right = [1, 0, 0, 0, ...encodeRecord(0, payload, checksum)];
  const resized = (by: number) => right.map((byte, i) => i === 4 ? byte + by : byte);
  const size = right.length;
  const prefix = 'unable to recover server file "/data/server.dat": ';
  for (
    const [bytes, text] of [
      [[...right, ...right.slice(4)], `incorrect file size, expected ${size} bytes, got ${2 * size - 4} bytes`],
      [resized(10), "unexpected EOF"],
      [resized(-10), "corrupted data, expected crc to be"],
      [[...right, 1, 2, 3], `incorrect file size, expected ${size} bytes, got ${size + 3} bytes`],
      [[1, 0, 0, 0, ...encodeRecord(0, Uint8Array.of(0x0a, 9, 1), checksum)], ""],
      [[1, 0, 0, 0, ...new Uint8Array(8)], "end of file padded with zeros"],
    ] as const
  ) {
    const place = await filled();
    edit(place.files, "server.dat", () => Uint8Array.from(bytes));
    await refuses(place, new RegExp("^" + (prefix + text).replace(/[[\]()/."]/g, "\\$&")));
  }
});

Deno.test("[30] subs.dat with a size and no payload, or with junk under each type", async () => {
  const place = await filled();
  append(place.files, "foo/subs.dat", 3, 0, 0, 1, 1, 2, 3, 4, 65);
  await refuses(place, inSubscriptions("unexpected EOF"));
  for (const type of [1, 2, 3, 4, 5]) {
    const other = await filled();
    append(other.files, "foo/subs.dat", ...encodeRecord(type, Uint8Array.of(0xff, 0xff, 0xff), checksum));
    await refuses(other, /^unable to recover subscription store for \[foo\]: proto: /);
  }
  const unknown = await filled();
  append(unknown.files, "foo/subs.dat", ...encodeRecord(99, Uint8Array.of(8, 1), checksum));
  await refuses(unknown, inSubscriptions("unexpected record type: 99"));
});

Deno.test("[31] zeros at the end of files are cut off, and what is added then is there", async () => {
  const place = await filled();
  append(place.files, "clients.dat", ...new Uint8Array(8));
  append(place.files, "foo/subs.dat", ...new Uint8Array(8));
  append(place.files, "foo/msgs.2.idx", ...new Uint8Array(32));
  append(place.files, "foo/msgs.1.dat", ...new Uint8Array(8));
  place.files.remove("/data/foo/msgs.1.idx");
  const { store, foo } = await place.again();
  await store.addClient(clientOf("you"));
  foo.subscriptions.create(subscriptionOf(2));
  putMany(foo.messages, "foo", 11, 12);
  await store.close();
  const again = place.open();
  const state = await start(again);
  assert.deepEqual(state.clients.map(({ id }) => id), ["me", "you"]);
  assert.deepEqual(state.channels.get("foo")!.subscriptions.map(({ state }) => state.id), [1, 2]);
  assert.equal((await sequencesOf(state.channels.get("foo")!.store.messages)).length, 12);
  await again.close();
});

Deno.test("[32, 34] indexes that are junk or gone are rebuilt, byte for byte", async () => {
  const place = await filled();
  const before = readFile(place.files, "/data/foo/msgs.1.idx");
  edit(place.files, "foo/msgs.1.idx", (bytes) => bytes.map((byte, i) => i < 4 ? byte : byte ^ 0x5a));
  place.files.remove("/data/foo/msgs.2.idx");
  const { store, foo } = await place.again();
  assert.deepEqual(
    (await messagesOf(foo.messages)).map(textOf),
    Array.from({ length: 10 }, (_, i) => `message ${i + 1}`),
  );
  await store.close();
  assert.deepEqual(readFile(place.files, "/data/foo/msgs.1.idx"), before);
});

Deno.test("[33] a torn data file under a good index is refused, its index removed; cut when that is asked for", async () => {
  const place = await filled();
  cut(place.files, "foo/msgs.2.dat", 5);
  await refuses(place, inMessages("msgs.2.idx", "unexpected EOF"));
  assert.ok(!place.names("foo").includes("msgs.2.idx"));
  await refuses(place, inMessages("msgs.2.idx", "unexpected EOF"));
  const { store, foo } = await place.again({ truncateUnexpectedEof: true });
  assert.deepEqual(await sequencesOf(foo.messages), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await store.close();
});

Deno.test("[35] files that hold only their version are an empty channel that can be stored to", async () => {
  const place = await filled();
  for (const name of place.names("foo").filter((each) => each.startsWith("msgs."))) {
    edit(place.files, `foo/${name}`, (bytes) => bytes.slice(0, 4));
  }
  const { store, foo } = await place.again();
  assert.deepEqual([foo.messages.first, foo.messages.last], [0, 0]);
  putMany(foo.messages, "foo", 1, 3);
  await store.close();
  edit(place.files, "foo/msgs.1.idx", (bytes) => bytes.slice(0, 4));
  const again = await place.again();
  assert.deepEqual(await sequencesOf(again.foo.messages), [1, 2, 3]);
  await again.store.close();
});

Deno.test("[36] a last record that is not as long as its entry says: the index is rebuilt", async () => {
  const place = await filled({});
  const longer = MsgProto.encode({
    sequence: 10,
    subject: "foo",
    data: new Uint8Array(99),
    timestamp: START + 10n * SECOND,
  });
  const last = MsgProto.size({ sequence: 10, subject: "foo", data: new Uint8Array(10), timestamp: START }) + 8;
  edit(
    place.files,
    "foo/msgs.1.dat",
    (bytes) => new Uint8Array([...bytes.slice(0, -last), ...encodeRecord(0, longer, checksum)]),
  );
  const { store, foo } = await place.again();
  assert.equal((await lookup(foo.messages, 10))!.data.length, 99);
  assert.equal(foo.messages.count, 10);
  await store.close();
});

Deno.test("[37] a damaged message in the middle is found when it is read; its neighbours are fine", async () => {
  const place = await filled({});
  const text = new TextDecoder("latin1").decode(readFile(place.files, "/data/foo/msgs.1.dat"));
  const at = text.indexOf("message 5") + "message ".length;
  edit(place.files, "foo/msgs.1.dat", (bytes) => bytes.with(at, 0x21));
  const { store, foo } = await place.again();
  const seen: number[] = [];
  const next = await foo.messages.read(1, 10, 1e6, (sequence) => seen.push(sequence) > 0);
  assert.deepEqual([seen, next], [[1, 2, 3, 4], 5], "the read ends before the damage");
  await assert.rejects(
    async () => await lookup(foo.messages, 5),
    /corrupted data, expected crc to be 0x.*, got 0x.* \(file "\/data\/foo\/msgs.1.dat", offset \d+\)/,
  );
  assert.deepEqual(await sequencesOf(foo.messages, 6), [6, 7, 8, 9, 10]);
  await store.close();
  const unchecked = await place.again({ crc: false });
  assert.equal(textOf(await lookup(unchecked.foo.messages, 5)), "message !");
  await unchecked.store.close();
});

Deno.test("[38] a slice that is not the last was torn and cut: everything can still expire over the hole", async () => {
  const place = await filled();
  cut(place.files, "foo/msgs.1.dat", 5);
  const options = { truncateUnexpectedEof: true, limits: limitsWith({ maxAge: 1n }) };
  const { store, foo } = await place.again(options);
  assert.deepEqual([foo.messages.count, foo.messages.bytes, foo.messages.first], [0, 0, 11]);
  await store.close();
  const other = await filled();
  cut(other.files, "foo/msgs.1.dat", 5);
  const again = await other.again({ truncateUnexpectedEof: true });
  assert.deepEqual(await sequencesOf(again.foo.messages), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
  assert.equal(await again.foo.messages.sequenceAt(START + 5n * SECOND), 6);
  again.foo.messages.evictBefore(5);
  assert.equal(again.foo.messages.first, 6);
  again.foo.messages.evictBefore(11);
  assert.deepEqual([again.foo.messages.count, again.foo.messages.bytes], [0, 0]);
  await again.store.close();
});

for (const name of ["msgs.a.dat", "msgs.dat", "msgs.1.2.dat"]) {
  Deno.test(`[39] a name that is no slice's: ${name}`, async () => {
    const place = await filled();
    writeFile(place.files, `/data/foo/${name}`, Uint8Array.of(1, 0, 0, 0));
    await refuses(
      place,
      new RegExp(
        `^unable to recover message store for \\[foo\\]\\(file: ".*"\\): message log has an invalid name: ${name}$`,
      ),
    );
  });
}

Deno.test("[40] an empty slice is forgotten, and its number used again", async () => {
  const place = await filled();
  writeFile(place.files, "/data/foo/msgs.3.dat", Uint8Array.of(1, 0, 0, 0));
  const { store, foo } = await place.again({ sliceMaxMessages: 5 });
  assert.equal((await sequencesOf(foo.messages)).length, 10);
  putMany(foo.messages, "foo", 11, 11);
  await store.close();
  assert.equal(readFile(place.files, "/data/foo/msgs.3.idx").length, 4 + 32);
  const again = await place.again();
  assert.equal((await sequencesOf(again.foo.messages)).length, 11);
  await again.store.close();
});

Deno.test("slices that hold the same sequences: the first is believed, the other named", async () => {
  const place = await filled();
  const log = new RecordingLog();
  place.log = log;
  for (const kind of ["dat", "idx"]) {
    writeFile(place.files, `/data/foo/msgs.7.${kind}`, readFile(place.files, `/data/foo/msgs.1.${kind}`));
  }
  const { store, foo } = await place.again();
  assert.equal((await sequencesOf(foo.messages)).length, 10);
  assert.match(log.lines.join("\n"), /file "\/data\/foo\/msgs.7.dat" holds messages 1 to 5/);
  await store.close();
});

Deno.test("a stale index without data is not appended to", async () => {
  const place = await filled({});
  place.files.remove("/data/foo/msgs.1.dat");
  const { store, foo } = await place.again();
  assert.equal(foo.messages.last, 0);
  putMany(foo.messages, "foo", 1, 2);
  await store.close();
  const again = await place.again();
  assert.deepEqual((await messagesOf(again.foo.messages)).map(textOf), ["message 1", "message 2"]);
  await again.store.close();
});

Deno.test("dead bytes behind the last entry are cut off before the first append, and only then", async () => {
  const place = await filled({});
  append(place.files, "foo/msgs.1.dat", ...new Uint8Array(99).fill(7));
  const before = readFile(place.files, "/data/foo/msgs.1.dat").length;
  const opened = await place.again();
  await opened.store.close();
  assert.equal(readFile(place.files, "/data/foo/msgs.1.dat").length, before);
  const { store, foo } = await place.again();
  putMany(foo.messages, "foo", 11, 11);
  await store.close();
  place.files.remove("/data/foo/msgs.1.idx");
  const again = await place.again();
  assert.equal((await sequencesOf(again.foo.messages)).length, 11);
  await again.store.close();
});

Deno.test("a header without payload at the end of subs.dat and clients.dat does not spoil what is added", async () => {
  const place = await filled();
  append(place.files, "clients.dat", 9, 0, 0, 1, 1, 2, 3, 4);
  append(place.files, "foo/subs.dat", 9, 0, 0, 1, 1, 2, 3, 4);
  const { store, foo } = await place.again();
  await store.deleteClient("x");
  foo.subscriptions.delete(5);
  await store.close();
  const again = await place.again();
  await again.store.close();
});

Deno.test("a directory without server.dat is asked about, then taken over", async () => {
  const place = await filled();
  place.files.remove("/data/server.dat");
  const store = place.open();
  await assert.rejects(async () => await store.recover(), {
    code: "refused",
    message: "no server state recovered but channels present",
  });
  await store.init(identity);
  const state = await store.recover();
  assert.deepEqual(state!.clients.map(({ id }) => id), ["me"]);
  assert.equal(state!.channels.get("foo")!.store.messages.count, 10);
  await store.close();
});
