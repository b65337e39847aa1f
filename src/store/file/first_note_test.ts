/** Where messages begin, noted beside them for nodes of a cluster: what was evicted stays so, whatever limits come. */
import assert from "node:assert/strict";
import { agreedLimits } from "../limits.ts";
import { UNLIMITED } from "../../protocol/limits.ts";
import { readFile, writeFile } from "../../../tests/support/store_fixtures.ts";
import { putMany, sequencesOf } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

const replicated = { replicated: true, limits: agreedLimits };
const NOTE = "/data/foo/.first";

/** Ten messages, of which a limit left the last three. */
async function evicted(options = {}): Promise<Place> {
  const place = new Place();
  const { foo } = await place.withChannel({ ...replicated, ...options });
  foo.messages.setLimits({ ...UNLIMITED, maxMessages: 3 });
  putMany(foo.messages, "foo", 1, 10);
  await foo.messages.flush();
  return place;
}

async function recovered(place: Place, options = {}): Promise<number[]> {
  const { store, foo } = await new Place(place.files.afterKill()).again({ ...replicated, ...options });
  const sequences = await sequencesOf(foo.messages);
  assert.equal(foo.messages.count, sequences.length);
  await store.close();
  return sequences;
}

Deno.test("what was evicted stays evicted over a kill, without any limits", async () => {
  assert.deepEqual(await recovered(await evicted()), [8, 9, 10]);
  assert.deepEqual(await recovered(await evicted({ sliceMaxMessages: 2 })), [8, 9, 10]);
  assert.deepEqual(await recovered(await evicted({ flushLag: 0, sync: false })), [8, 9, 10]);
});

Deno.test("what is evicted by order stays so; all of it, too, and numbers go on", async () => {
  const place = new Place((await evicted()).files.afterKill());
  const { foo } = await place.again(replicated);
  foo.messages.evictBefore(11);
  const after = new Place(place.files.afterKill());
  const { messages } = (await after.again(replicated)).foo;
  assert.deepEqual([messages.first, messages.last, messages.count], [11, 10, 0]);
});

Deno.test("a limit that is set applies from the next message on, at a recovered log as at any other", async () => {
  const place = await evicted();
  const { foo } = await new Place(place.files.afterKill()).again(replicated);
  foo.messages.setLimits({ ...UNLIMITED, maxMessages: 2 });
  assert.equal(foo.messages.count, 3);
  putMany(foo.messages, "foo", 9, 11);
  assert.deepEqual(await sequencesOf(foo.messages), [10, 11]);
});

Deno.test("a note that is torn or gone is none: what the slices still hold is kept", async () => {
  for (const change of [(bytes: Uint8Array) => bytes.fill(7, 8, 9), (bytes: Uint8Array) => bytes.slice(0, 9)]) {
    const place = await evicted();
    writeFile(place.files, NOTE, change(readFile(place.files, NOTE)));
    assert.equal((await recovered(place)).length, 10);
  }
  const place = await evicted();
  place.files.remove(NOTE);
  assert.equal((await recovered(place)).length, 10);
});

Deno.test("a slice is removed only when the note is on the disk that says so", async () => {
  const place = new Place();
  const { foo } = await place.withChannel({ ...replicated, sliceMaxMessages: 2 });
  foo.messages.setLimits({ ...UNLIMITED, maxMessages: 3 });
  putMany(foo.messages, "foo", 1, 2);
  await foo.messages.flush();
  putMany(foo.messages, "foo", 3, 10);
  const calls = await place.callsOf(() => foo.messages.flush());
  const noted = calls.lastIndexOf("sync foo/.first");
  assert.ok(noted >= 0 && noted < calls.indexOf("remove foo/msgs.1.dat"), calls.join("\n"));
});

Deno.test("a store of one server alone takes no notes", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  putMany(foo.messages, "foo", 1, 3);
  await store.close();
  assert.ok(!place.files.exists(NOTE));
});

Deno.test("a log that is emptied begins anew", async () => {
  const place = await evicted();
  const { store, foo } = await new Place(place.files.afterKill()).again(replicated);
  await foo.messages.empty();
  putMany(foo.messages, "foo", 1, 2);
  await foo.messages.flush();
  assert.deepEqual(await sequencesOf(foo.messages), [1, 2]);
  await store.close();
});
