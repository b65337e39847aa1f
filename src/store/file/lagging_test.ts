/** Flushing behind: what the disk is asked for, what a kill leaves, and a disk that fills up meanwhile. */
import assert from "node:assert/strict";
import { StoreFailed } from "../../ports/store.ts";
import { put, putMany, sequencesOf } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

const lagging = { flushLag: 50 };

function isFull(error: unknown): boolean {
  return error instanceof StoreFailed && error.code === "full";
}

/** Only what was synced survives. */
const nothingUnsynced = () => 0;

/** As long as the file store takes to do what it began. */
async function begunWork(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

Deno.test("before the lag is over flushing asks nothing of the disk; messages are read from memory", async () => {
  const place = new Place();
  const { foo } = await place.withChannel(lagging);
  const calls = await place.callsOf(async () => {
    for (let i = 1; i <= 40; i++) {
      putMany(foo.messages, "foo", i, i);
      await foo.messages.flush();
      await place.clock.advance(1);
    }
  });
  assert.deepEqual(calls, []);
  assert.equal((await sequencesOf(foo.messages)).length, 40);
});

Deno.test("a flush after the lag brings everything to the disk, and nobody waits for it", async () => {
  const place = new Place();
  const { foo } = await place.withChannel(lagging);
  putMany(foo.messages, "foo", 1, 1);
  await foo.messages.flush();
  await place.clock.advance(51);
  putMany(foo.messages, "foo", 2, 4);
  const calls = await place.callsOf(async () => {
    foo.messages.flush();
    await begunWork();
  });
  assert.ok(calls.includes("sync foo/msgs.1.dat") && calls.includes("sync foo/msgs.1.idx"), calls.join());
  const after = await new Place(place.files.afterKill()).again();
  assert.deepEqual(await sequencesOf(after.foo.messages), [1, 2, 3, 4]);
});

Deno.test("messages that no further flush follows are brought to the disk by maintenance", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel(lagging);
  putMany(foo.messages, "foo", 1, 3);
  await foo.messages.flush();
  await place.clock.advance(1000);
  await store.maintain(place.clock.now());
  const after = await new Place(place.files.afterKill()).again();
  assert.deepEqual(await sequencesOf(after.foo.messages), [1, 2, 3]);
});

Deno.test("settling leaves nothing behind", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel(lagging);
  putMany(foo.messages, "foo", 1, 3);
  await foo.messages.flush();
  await store.settle!();
  const after = await new Place(place.files.afterCrash(nothingUnsynced)).again();
  assert.deepEqual(await sequencesOf(after.foo.messages), [1, 2, 3]);
});

Deno.test("settling takes along what a run that was killed had written, and not synced", async () => {
  const place = new Place();
  const { foo } = await place.withChannel(lagging);
  place.files.onSync = () => {};
  putMany(foo.messages, "foo", 1, 2);
  await foo.messages.flush();
  await place.clock.advance(51);
  putMany(foo.messages, "foo", 3, 3);
  void foo.messages.flush();
  await begunWork();
  const next = new Place(place.files.afterKill());
  const { store, foo: again } = await next.again();
  assert.deepEqual(await sequencesOf(again.messages), [1, 2, 3]);
  await store.settle!();
  const after = await new Place(next.files.afterCrash(nothingUnsynced)).again();
  assert.deepEqual(await sequencesOf(after.foo.messages), [1, 2, 3]);
});

Deno.test("a channel that is deleted while everything is being synced is gone, and nothing fails", async () => {
  const place = new Place();
  const { store: first, foo } = await place.withChannel(lagging);
  const bar = await first.createChannel("bar");
  for (const { name, messages } of [foo, bar]) {
    putMany(messages, name, 1, 3);
    await messages.flush();
  }
  await first.settle!();
  const next = new Place(place.files.afterKill());
  const { store } = await next.again(lagging);
  const syncs: (() => void)[] = [];
  next.files.onSync = (done) => syncs.push(done);
  const settled = store.settle!();
  await begunWork();
  assert.ok(syncs.length > 0);
  const deleted = [store.deleteChannel("foo"), store.deleteChannel("bar")];
  await begunWork();
  next.files.onSync = (done) => done();
  for (const done of syncs) done();
  await Promise.all([settled, ...deleted]);
  await store.settle!();
  assert.deepEqual(next.files.list("/data").filter(({ isDirectory }) => isDirectory), []);
});

Deno.test("with much in memory a flush is waited for", async () => {
  const place = new Place();
  const { foo } = await place.withChannel(lagging);
  for (let i = 1; i <= 5; i++) put(foo.messages, "foo", i, new Uint8Array(1024 * 1024));
  await foo.messages.flush();
  const after = await new Place(place.files.afterKill()).again();
  assert.equal((await sequencesOf(after.foo.messages)).length, 5);
});

Deno.test("a full disk gives up nothing: the next flush says so, and one with room brings all to the disk", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel(lagging);
  putMany(foo.messages, "foo", 1, 2);
  await store.settle!();
  place.files.capacity = 0;
  putMany(foo.messages, "foo", 3, 402);
  await foo.messages.flush();
  await place.clock.advance(51);
  foo.messages.flush();
  await begunWork();
  await assert.rejects(async () => await foo.messages.flush(), isFull);
  await assert.rejects(async () => await foo.messages.flush(), isFull);
  await store.maintain(place.clock.now());
  assert.equal((await sequencesOf(foo.messages)).length, 402);
  place.files.capacity = Infinity;
  await foo.messages.flush();
  const after = await new Place(place.files.afterKill()).again();
  assert.equal((await sequencesOf(after.foo.messages)).length, 402);
});
