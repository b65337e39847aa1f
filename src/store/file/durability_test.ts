/** Failing disks: full ones, ones that cannot sync; and when what is synced. Numbers in brackets: spec stores, section 9. */
import assert from "node:assert/strict";
import { StoreFailed } from "../../ports/store.ts";
import {
  clientOf,
  limitsWith,
  lookup,
  messagesOf,
  put,
  putMany,
  sequencesOf,
  start,
  subscriptionOf,
  textOf,
} from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

function failedWith(code: StoreFailed["code"]): (error: unknown) => boolean {
  return (error) => error instanceof StoreFailed && error.code === code;
}

/** Lets the disk have no more than `room` bytes beyond what it has. */
function leaveRoom(place: Place, room: number): void {
  place.files.capacity = used(place) + room;
}

function used(place: Place): number {
  let sum = 0;
  for (const folder of ["", "foo"]) {
    for (const name of place.names(folder)) {
      const file = place.files.open(folder === "" ? `/data/${name}` : `/data/${folder}/${name}`, { mode: "read" });
      sum += file.size();
      file.close();
    }
  }
  return sum;
}

Deno.test("a flush with sync brings data, then index, to the disk before it answers", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  putMany(foo.messages, "foo", 1, 1);
  await foo.messages.flush();
  putMany(foo.messages, "foo", 2, 5);
  assert.deepEqual(await place.callsOf(() => foo.messages.flush()), [
    "write foo/msgs.1.dat",
    "sync foo/msgs.1.dat",
    "write foo/msgs.1.idx",
    "sync foo/msgs.1.idx",
  ]);
  assert.deepEqual(await place.callsOf(() => foo.messages.flush()), [], "nothing was appended since");
  foo.subscriptions.create(subscriptionOf(1));
  assert.deepEqual(await place.callsOf(() => foo.subscriptions.flush()), ["write foo/subs.dat", "sync foo/subs.dat"]);
  await store.close();
});

Deno.test("files and folders are made in a way that survives a power loss", async () => {
  const place = new Place();
  const store = place.open();
  await start(store);
  let foo!: Awaited<ReturnType<typeof store.createChannel>>;
  assert.deepEqual(await place.callsOf(async () => foo = await store.createChannel("foo")), [
    "directory foo",
    "write foo/subs.dat.new",
    "sync foo/subs.dat.new",
    "rename foo/subs.dat.new",
    "sync foo",
    "sync /data",
  ]);
  put(foo.messages, "foo", 1, "x");
  const calls = await place.callsOf(() => foo.messages.flush());
  assert.ok(calls.indexOf("sync foo") > calls.indexOf("rename foo/msgs.1.dat.new"));
  await store.close();
});

Deno.test("several channels are synced side by side", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  const bar = await store.createChannel("bar");
  const waiting: (() => void)[] = [];
  for (const [name, channel] of [["foo", foo], ["bar", bar]] as const) {
    put(channel.messages, name, 1, "x");
    await channel.messages.flush();
    put(channel.messages, name, 2, "x");
  }
  place.files.onSync = (done) => waiting.push(done);
  const flushed = Promise.all([foo.messages.flush(), bar.messages.flush()]);
  assert.equal(waiting.length, 4, "both files of both channels wait for the disk at once");
  put(foo.messages, "foo", 3, "while syncing");
  assert.equal(textOf(await lookup(foo.messages, 3)), "while syncing");
  const third = foo.messages.flush();
  place.files.onSync = (done) => done();
  waiting.forEach((done) => done());
  await flushed;
  await third;
  assert.deepEqual(await place.callsOf(() => foo.messages.flush()), []);
  assert.deepEqual(await sequencesOf(foo.messages), [1, 2, 3]);
  await store.close();
});

Deno.test("without sync a flush only writes; the next automatic sync makes up for it [58]", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sync: false, autoSync: 15 });
  await store.maintain(place.clock.now());
  putMany(foo.messages, "foo", 1, 3);
  foo.subscriptions.create(subscriptionOf(1));
  const calls = await place.callsOf(() => foo.messages.flush());
  assert.ok(calls.length > 0 && !calls.some((call) => call.startsWith("sync")));
  await place.clock.advance(20);
  const synced = await place.callsOf(() => store.maintain(place.clock.now()));
  assert.deepEqual(synced, [
    "sync foo/msgs.1.dat",
    "sync foo/msgs.1.idx",
    "write foo/subs.dat",
    "sync foo/subs.dat",
    "sync /data",
    "sync foo",
  ]);
  await place.clock.advance(20);
  assert.deepEqual(await place.callsOf(() => store.maintain(place.clock.now())), []);
  await store.close();
});

Deno.test("settling syncs what was written without", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sync: false, autoSync: 0 });
  putMany(foo.messages, "foo", 1, 3);
  await foo.messages.flush();
  assert.deepEqual(
    await place.callsOf(() => store.settle!()),
    ["sync foo/msgs.1.dat", "sync foo/msgs.1.idx", "sync /data", "sync foo"],
  );
  assert.deepEqual(await place.callsOf(() => store.settle!()), []);
  await store.close();
});

for (const killed of [false, true]) {
  const who = killed ? "after its server was killed and started again" : "without sync";
  Deno.test(`what a cluster's node settled ${who} is found again after a power loss`, async () => {
    const options = { sync: false, autoSync: 0, replicated: true, sliceMaxMessages: 2 };
    let place = new Place();
    let { store, foo } = await place.withChannel(options);
    putMany(foo.messages, "foo", 1, 5);
    await foo.messages.flush();
    if (killed) {
      place = new Place(place.files.afterKill());
      ({ store, foo } = await place.again(options));
    }
    await store.settle!();
    const { foo: left } = await new Place(place.files.afterCrash(() => 0)).again(options);
    assert.deepEqual(await sequencesOf(left.messages), [1, 2, 3, 4, 5]);
  });
}

Deno.test("automatic sync can be off [58]", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sync: false, autoSync: 0 });
  putMany(foo.messages, "foo", 1, 3);
  await foo.messages.flush();
  await place.clock.advance(1e7);
  assert.deepEqual(await place.callsOf(() => store.maintain(place.clock.now())), []);
  assert.ok((await place.callsOf(() => store.close())).includes("sync foo/msgs.1.dat"), "closing syncs all the same");
});

Deno.test("a full disk refuses what is new, keeps what is old, and resumes when there is room", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  putMany(foo.messages, "foo", 1, 10);
  await foo.messages.flush();
  for (let attempt = 0; attempt < 3; attempt++) {
    leaveRoom(place, attempt * 30);
    put(foo.messages, "foo", 11, new Uint8Array(50_000));
    put(foo.messages, "foo", 12, new Uint8Array(500));
    await assert.rejects(async () => await foo.messages.flush(), failedWith("full"));
    assert.deepEqual([foo.messages.first, foo.messages.last, foo.messages.count], [1, 10, 10]);
    assert.deepEqual(await sequencesOf(foo.messages), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await foo.messages.flush();
  }
  place.files.capacity = Infinity;
  putMany(foo.messages, "foo", 11, 15);
  await foo.messages.flush();
  await store.close();
  const again = await place.again();
  assert.deepEqual(
    (await messagesOf(again.foo.messages)).map(textOf),
    Array.from({ length: 15 }, (_, i) => `message ${i + 1}`),
  );
  await again.store.close();
});

Deno.test("a disk that fills up in the middle of a batch gives up the whole batch", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ bufferSize: 1000 });
  putMany(foo.messages, "foo", 1, 5);
  await foo.messages.flush();
  const { bytes } = foo.messages;
  leaveRoom(place, 3000);
  let refused = 0;
  for (let sequence = 6; sequence <= 30 && refused === 0; sequence++) {
    try {
      put(foo.messages, "foo", sequence, new Uint8Array(400));
    } catch (error) {
      assert.ok(failedWith("full")(error));
      refused = sequence;
    }
  }
  assert.ok(refused > 7);
  assert.deepEqual([foo.messages.last, foo.messages.count, foo.messages.bytes], [5, 5, bytes]);
  place.files.capacity = Infinity;
  putMany(foo.messages, "foo", 6, 7);
  await foo.messages.flush();
  await store.close();
  const again = await place.again();
  assert.deepEqual(
    (await messagesOf(again.foo.messages)).map(textOf),
    Array.from({ length: 7 }, (_, i) => `message ${i + 1}`),
  );
  await again.store.close();
});

Deno.test("a disk that is full before the first message of a slice leaves no slice behind", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 2 });
  putMany(foo.messages, "foo", 1, 2);
  await foo.messages.flush();
  leaveRoom(place, 6);
  putMany(foo.messages, "foo", 3, 3);
  await assert.rejects(async () => await foo.messages.flush(), failedWith("full"));
  assert.deepEqual(place.names("foo").filter((name) => name.startsWith("msgs.2")), []);
  place.files.capacity = Infinity;
  putMany(foo.messages, "foo", 3, 4);
  await store.close();
  const again = await place.again();
  assert.deepEqual(await sequencesOf(again.foo.messages), [1, 2, 3, 4]);
  await again.store.close();
});

Deno.test("on a full disk, slices that the new messages push out make room for them", async () => {
  const place = new Place();
  const options = { sliceMaxMessages: 2, limits: limitsWith({ maxMessages: 4 }) };
  const { store, foo } = await place.withChannel(options);
  for (let sequence = 1; sequence <= 4; sequence++) put(foo.messages, "foo", sequence, new Uint8Array(5000));
  await foo.messages.flush();
  leaveRoom(place, 5000);
  for (let sequence = 5; sequence <= 6; sequence++) put(foo.messages, "foo", sequence, new Uint8Array(4000));
  await foo.messages.flush();
  assert.deepEqual(await sequencesOf(foo.messages), [3, 4, 5, 6]);
  await store.close();
  const again = await place.again(options);
  assert.deepEqual(await sequencesOf(again.foo.messages), [3, 4, 5, 6]);
  await again.store.close();
});

Deno.test("messages that were appended while a flush found the disk full are given up as well, and the caller hears of it", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  const bar = await store.createChannel("bar");
  put(foo.messages, "foo", 1, "x");
  await foo.messages.flush();
  put(bar.messages, "bar", 1, "two channels are dirty: syncs are not waited for");
  put(foo.messages, "foo", 2, "x");
  place.files.onCall = ({ kind, path }) =>
    kind === "write" && path.endsWith("msgs.1.idx") ? { code: "full" } : undefined;
  const flushing = Promise.resolve(foo.messages.flush());
  put(foo.messages, "foo", 3, "x");
  await assert.rejects(flushing, failedWith("full"));
  place.files.onCall = undefined;
  assert.equal(foo.messages.last, 1);
  assert.throws(() => put(foo.messages, "foo", 4, "x"), failedWith("full"));
  put(foo.messages, "foo", 2, "again");
  await foo.messages.flush();
  assert.deepEqual(await sequencesOf(foo.messages), [1, 2]);
  await store.close();
});

Deno.test("[48] on a full disk subscriptions and clients are refused, too", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  foo.subscriptions.create(subscriptionOf(1));
  await foo.subscriptions.flush();
  await store.addClient(clientOf("a"));
  leaveRoom(place, 11);
  foo.subscriptions.create(subscriptionOf(2));
  await assert.rejects(async () => await foo.subscriptions.flush(), failedWith("full"));
  await assert.rejects(async () => await store.addClient(clientOf("b")), failedWith("full"));
  leaveRoom(place, 2);
  await assert.rejects(async () => await store.createChannel("bar"), failedWith("full"));
  place.files.capacity = Infinity;
  await store.createChannel("bar");
  foo.subscriptions.create(subscriptionOf(3));
  await store.addClient(clientOf("c"));
  await store.close();
  const state = await start(place.open());
  assert.deepEqual(state.channels.get("foo")!.subscriptions.map(({ state }) => state.id), [1, 3]);
  assert.deepEqual(state.clients.map(({ id }) => id), ["a", "c"]);
});

for (const beside of [false, true]) {
  Deno.test(`a failed sync ends the store at once, and is not tried again${beside ? ", beside other work" : ""}`, async () => {
    const place = new Place();
    const { store, foo } = await place.withChannel();
    putMany(foo.messages, "foo", 1, 3);
    await foo.messages.flush();
    const bar = await store.createChannel("bar");
    if (beside) put(bar.messages, "bar", 1, "x");
    putMany(foo.messages, "foo", 4, 5);
    place.files.onCall = ({ kind, path }) => kind === "sync" && path.endsWith(".dat") ? { code: "other" } : undefined;
    await assert.rejects(async () => await foo.messages.flush(), failedWith("io"));
    place.files.onCall = undefined;
    assert.throws(() => put(foo.messages, "foo", 6, "x"), failedWith("io"));
    assert.throws(() => put(bar.messages, "bar", 2, "x"), failedWith("io"));
    assert.throws(() => foo.subscriptions.create(subscriptionOf(1)), failedWith("io"));
    await assert.rejects(async () => await store.addClient(clientOf("a")), failedWith("io"));
    assert.equal(textOf(await lookup(foo.messages, 2)), "message 2", "reading goes on");
    const calls = await place.callsOf(() => assert.rejects(async () => await foo.messages.flush(), failedWith("io")));
    assert.deepEqual(calls, []);
    await assert.rejects(async () => await store.close(), failedWith("io"));
    const again = await place.again();
    assert.ok(again.foo.messages.last >= 3);
    await again.store.close();
  });
}

Deno.test("a failed write that is not for lack of room ends the store", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  putMany(foo.messages, "foo", 1, 3);
  place.files.onCall = ({ kind }) => kind === "write" ? { code: "other" } : undefined;
  await assert.rejects(async () => await foo.messages.flush(), failedWith("io"));
  place.files.onCall = undefined;
  assert.throws(() => put(foo.messages, "foo", 4, "x"), failedWith("io"));
  await assert.rejects(async () => await store.close(), failedWith("io"));
});

Deno.test("[47] a buffer that is full goes to disk at once, in order", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ bufferSize: 50 });
  put(foo.messages, "foo", 1, "small");
  const calls = await place.callsOf(() => put(foo.messages, "foo", 2, new Uint8Array(200)));
  assert.ok(calls.includes("write foo/msgs.1.dat"));
  assert.ok(!calls.includes("write foo/msgs.1.idx"), "the index follows with the flush");
  await foo.messages.flush();
  await store.close();
  const again = await place.again();
  assert.deepEqual((await messagesOf(again.foo.messages)).map(({ data }) => data.length), [5, 200]);
  await again.store.close();
});
