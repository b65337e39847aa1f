/** The file store as a whole: options, lock, compaction, caches, open files. Numbers in brackets: spec stores, section 9. */
import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { RecordingLog } from "../../../tests/support/recording_log.ts";
import { readFile, writeFile } from "../../../tests/support/store_fixtures.ts";
import {
  clientOf,
  limitsWith,
  lookup,
  putMany,
  sequencesOf,
  start,
  subscriptionOf,
  textOf,
} from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";
import { messagesOnly } from "../messages_only_store.ts";
import type { OpenFileStoreOptions } from "./opening.ts";

Deno.test("options that cannot be meant are refused, and nothing is written", () => {
  const place = new Place();
  const refused = (options: Partial<OpenFileStoreOptions>, message: string) =>
    assert.throws(() => place.open(options), { code: "refused", message });
  refused({ compactFragmentation: 0 }, "compact fragmentation value must at least be 1");
  refused({ compactInterval: 0 }, "compact interval value must at least be 1 seconds");
  refused({ compactMinFileSize: -1 }, "compact minimum file size value must be a positive number");
  refused({ bufferSize: -1 }, "buffer size value must be a positive number");
  refused({ crcPolynomial: 0 }, "crc polynomial should be between 1 and 4294967295");
  refused({ crcPolynomial: 2 ** 32 }, "crc polynomial should be between 1 and 4294967295");
  for (const option of ["sliceMaxMessages", "sliceMaxBytes", "sliceMaxAge"] as const) {
    refused({ [option]: -1 }, "slice max values must be positive numbers");
  }
  refused({ fileDescriptorsLimit: -1 }, "file descriptor limit must be a positive number");
  refused({ parallelRecovery: 0 }, "parallel recovery value must be at least 1");
  refused({ readBufferSize: -1 }, "read buffer size value must be a positive number");
  refused({ limits: limitsWith({ maxBytes: -1 }) }, "max bytes limit cannot be negative (-1)");
  assert.deepEqual(place.files.list("/"), []);
});

Deno.test("a cluster's log in the store's folder is no channel", async () => {
  const place = new Place();
  place.files.makeDirectory("/data/.raft/test/log");
  const store = place.open();
  assert.equal(await store.recover(), undefined);
  assert.deepEqual([...(await start(store)).channels.keys()], []);
  await store.close();
  const again = place.open();
  assert.deepEqual([...(await start(again)).channels.keys()], []);
  await again.close();
});

Deno.test("channel names that are no folders are refused", async () => {
  const { store } = await new Place().withChannel();
  for (const name of ["", ".", "..", "a/b", "a\0b"]) {
    await assert.rejects(async () => await store.createChannel(name), {
      code: "refused",
      message: `invalid channel name ${JSON.stringify(name)}`,
    });
  }
  await assert.rejects(async () => await store.createChannel("ü".repeat(128)), /256 bytes is too long/);
  await store.close();
});

Deno.test("[52] a directory has one user; the second is told so", async () => {
  const place = new Place();
  const { store } = await place.withChannel();
  const other = place.open();
  assert.equal(await other.tryLock(), false);
  await assert.rejects(async () => await other.recover(), {
    code: "refused",
    message: 'store directory "/data" is in use by another process (it holds the lock on "/data/.rootdir.lck")',
  });
  await store.close();
  assert.equal(await other.tryLock(), true);
  assert.equal((await other.recover())!.channels.size, 1);
  await other.close();
  place.files.onCall = ({ kind }) => kind === "lock" ? { code: "denied" } : undefined;
  await assert.rejects(async () => await place.open().tryLock(), { code: "io" });
});

Deno.test("[51] torn files are not cut in two starts in a row", async () => {
  const place = new Place();
  await (await place.withChannel({ truncateUnexpectedEof: true })).store.close();
  assert.throws(() => place.open({ truncateUnexpectedEof: true }), {
    code: "refused",
    message: "file store should not be opened consecutively with the TruncateUnexpectedEOF option set to true",
  });
  await (await place.again()).store.close();
  await (await place.again({ truncateUnexpectedEof: true })).store.close();
});

Deno.test("[53] channels are recovered side by side; one error of two is told, and everything closed", async () => {
  const place = new Place();
  const { store } = await place.withChannel({ limits: limitsWith({}) });
  for (let i = 0; i < 100; i++) {
    const { messages } = await store.createChannel(`c${i}`);
    putMany(messages, `c${i}`, 1, 3);
    await messages.flush();
  }
  await store.close();
  const again = place.open({ parallelRecovery: 10 });
  assert.equal((await start(again)).channels.size, 101);
  await again.close();
  for (const name of ["c50", "c70"]) writeFile(place.files, `/data/${name}/subs.dat`, new Uint8Array(2));
  const broken = place.open({ parallelRecovery: 10 });
  await assert.rejects(async () => await broken.recover(), {
    code: "corrupt",
    message: /^unable to recover subscription store for \[c[57]0\]: unable to verify file version: unexpected EOF$/,
  });
  await broken.close();
});

Deno.test("a long recovery says how far it has come", async () => {
  const place = new Place();
  const { store } = await place.withChannel({ limits: limitsWith({}) });
  for (let i = 0; i < 50; i++) await store.createChannel(`c${i}`);
  await store.close();
  const log = new RecordingLog();
  place.log = log;
  let now = 0;
  place.clock.now = () => now += 100;
  const again = place.open();
  await start(again);
  assert.ok(log.lines.length >= 1 && log.lines.length < 10, `${log.lines}`);
  assert.match(log.lines[0]!, /^INF Recovering channels: \d+ of 51$/);
  await again.close();
});

/** Files that tell how many are open. */
class CountingFiles extends MemoryFiles {
  opened = 0;
  most = 0;

  override open(...args: Parameters<MemoryFiles["open"]>): ReturnType<MemoryFiles["open"]> {
    const file = super.open(...args);
    const close = file.close.bind(file);
    this.most = Math.max(this.most, ++this.opened);
    let counted = true;
    file.close = () => {
      if (counted) this.opened--;
      counted = false;
      close();
    };
    return file;
  }
}

Deno.test("[54] after recovery no file is open; later only as many as allowed", async () => {
  const files = new CountingFiles();
  const place = new Place(files);
  const { store } = await place.withChannel();
  for (let i = 0; i < 20; i++) {
    const { messages } = await store.createChannel(`c${i}`);
    putMany(messages, `c${i}`, 1, 30);
    await messages.flush();
  }
  await store.close();
  assert.equal(files.opened, 0);
  const again = place.open({ fileDescriptorsLimit: 5, sliceMaxMessages: 4 });
  const { channels } = await start(again);
  assert.equal(files.opened, 0);
  files.most = 0;
  for (const [name, { store: { messages } }] of channels) {
    if (name === "foo") continue;
    putMany(messages, name, 31, 40);
    await messages.flush();
    assert.equal((await sequencesOf(messages)).length, 40);
  }
  assert.ok(files.most <= 6, `${files.most} open, one of them for a moment`);
  await again.close();
  assert.equal(files.opened, 0);
});

Deno.test("files that are not in use are closed after a second, the one written to stays open", async () => {
  const files = new CountingFiles();
  const place = new Place(files);
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 2 });
  putMany(foo.messages, "foo", 1, 9);
  await foo.messages.flush();
  assert.ok(files.opened > 6);
  for (let i = 0; i < 3; i++) {
    await place.clock.advance(1001);
    await store.maintain(place.clock.now());
  }
  assert.equal(files.opened, 2);
  assert.equal((await sequencesOf(foo.messages)).length, 9);
  await store.close();
});

Deno.test("when the system allows no more open files, others are closed", async () => {
  const files = new CountingFiles();
  const place = new Place(files);
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 1 });
  putMany(foo.messages, "foo", 1, 20);
  await foo.messages.flush();
  files.onCall = ({ kind }) => kind === "open" && files.opened >= 8 ? { code: "too-many-open" } : undefined;
  for (let i = 0; i < 3; i++) await store.maintain(2000 * i);
  assert.equal((await sequencesOf(foo.messages)).length, 20);
  assert.ok(files.opened <= 8);
  await store.close();
});

Deno.test("[46] what was read lately is read from memory, for a while", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  putMany(foo.messages, "foo", 1, 100);
  await store.close();
  const again = await place.again();
  assert.equal(textOf(await lookup(again.foo.messages, 7)), "message 7");
  writeFile(place.files, "/data/foo/msgs.1.dat", Uint8Array.of(1, 0, 0, 0));
  assert.equal(textOf(await lookup(again.foo.messages, 7)), "message 7");
  assert.equal(textOf(await lookup(again.foo.messages, 90)), "message 90", "read ahead");
  for (let i = 0; i < 3; i++) {
    await place.clock.advance(1001);
    await again.store.maintain(place.clock.now());
  }
  await assert.rejects(async () => await lookup(again.foo.messages, 7), {
    code: "corrupt",
    message: /^EOF \(file .*, offset \d+\)$/,
  });
  await again.store.close();
});

/** A store with one subscription whose file has `dead` dead records in it. */
async function fragmented(place: Place, options: Partial<OpenFileStoreOptions>, dead: number) {
  const { store, foo } = await place.withChannel({ compactMinFileSize: 0, compactInterval: 1, ...options });
  foo.subscriptions.create(subscriptionOf(1, { durableName: "dur", isDurable: true }));
  for (let sequence = 1; sequence <= 20; sequence++) foo.subscriptions.addPending(1, sequence);
  for (let sequence = 1; sequence <= dead; sequence++) foo.subscriptions.acknowledge(1, sequence);
  await foo.subscriptions.flush();
  const size = () => readFile(place.files, "/data/foo/subs.dat").length;
  const before = size();
  await store.maintain(place.clock.now());
  return { store, foo, before, size };
}

for (
  const [what, options, dead, compacts] of [
    ["at the threshold", {}, 11, true],
    ["below the threshold", {}, 10, false],
    ["with compaction off", { compactEnabled: false }, 20, false],
    ["below the least size", { compactMinFileSize: 100_000 }, 20, false],
  ] as const
) {
  Deno.test(`[49] subs.dat ${what} is ${compacts ? "" : "not "}rewritten`, async () => {
    const place = new Place();
    const { store, before, size } = await fragmented(place, options, dead);
    assert.equal(size() < before, compacts);
    await store.close();
    const [recovered] = (await start(place.open())).channels.get("foo")!.subscriptions;
    assert.equal(recovered!.state.lastSent, 20);
    assert.deepEqual(recovered!.pending, Array.from({ length: 20 - dead }, (_, i) => dead + 1 + i));
  });
}

Deno.test("[49] a file is not rewritten again within the interval", async () => {
  const place = new Place();
  const { store, foo, size } = await fragmented(place, { compactInterval: 10 }, 20);
  for (let round = 0; round < 30; round++) {
    foo.subscriptions.addPending(1, 100 + round);
    foo.subscriptions.acknowledge(1, 100 + round);
  }
  await foo.subscriptions.flush();
  const before = size();
  await place.clock.advance(9_000);
  await store.maintain(place.clock.now());
  assert.equal(size(), before);
  await place.clock.advance(1_000);
  await store.maintain(place.clock.now());
  assert.ok(size() < before);
  foo.subscriptions.addPending(1, 500);
  await store.close();
  assert.deepEqual((await start(place.open())).channels.get("foo")!.subscriptions[0]!.pending, [500]);
});

Deno.test("[49] clients.dat is rewritten when half of it is removals", async () => {
  const place = new Place();
  const { store } = await place.withChannel({ compactMinFileSize: 0 });
  for (let i = 0; i < 10; i++) await store.addClient(clientOf(`c${i}`));
  for (let i = 0; i < 9; i++) await store.deleteClient(`c${i}`);
  const before = readFile(place.files, "/data/clients.dat").length;
  await store.maintain(place.clock.now());
  assert.ok(readFile(place.files, "/data/clients.dat").length < before);
  await store.addClient(clientOf("last"));
  await store.close();
  assert.deepEqual((await start(place.open())).clients, [clientOf("c9"), clientOf("last")]);
});

for (const kind of ["rename", "write", "sync"] as const) {
  Deno.test(`[50] a rewriting that fails at its ${kind} leaves the file as it was`, async () => {
    const place = new Place();
    const { store, foo } = await fragmented(place, { compactEnabled: true, compactFragmentation: 101 }, 20);
    foo.subscriptions.addPending(1, 77);
    await foo.subscriptions.flush();
    await store.close();
    const again = await place.again({ compactMinFileSize: 0 });
    again.foo.subscriptions.acknowledge(1, 1);
    await again.foo.subscriptions.flush();
    place.files.onCall = (call) =>
      call.kind === kind && /data\/subs\d+$/.test(call.path) ? { code: "full" } : undefined;
    await again.store.maintain(place.clock.now());
    place.files.onCall = undefined;
    assert.deepEqual(place.names().filter((name) => name.startsWith("subs")), []);
    again.foo.subscriptions.addPending(1, 78);
    await again.foo.subscriptions.flush();
    await again.store.close();
    assert.deepEqual((await start(place.open())).channels.get("foo")!.subscriptions[0]!.pending, [77, 78]);
  });
}

Deno.test("[59] in a cluster only messages are kept, and subscription ids are not used twice", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  foo.subscriptions.create(subscriptionOf(1));
  foo.subscriptions.create(subscriptionOf(2));
  putMany(foo.messages, "foo", 1, 3);
  await store.addClient(clientOf("a"));
  await store.close();
  const wrapped = messagesOnly(place.open());
  assert.equal(wrapped.name, "RAFT_FILE");
  const state = await start(wrapped);
  assert.deepEqual([state.clients, state.channels.get("foo")!.subscriptions], [[], []]);
  assert.equal(state.channels.get("foo")!.highestSubscriptionId, 2);
  assert.equal(state.channels.get("foo")!.store.messages.last, 3);
  const before = readFile(place.files, "/data/foo/subs.dat");
  state.channels.get("foo")!.store.subscriptions.create(subscriptionOf(3));
  await wrapped.addClient(clientOf("b"));
  await wrapped.close();
  assert.deepEqual(readFile(place.files, "/data/foo/subs.dat"), before);
});
