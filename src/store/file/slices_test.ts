/** Slices: when one is full, when it goes, and what lies in which; numbers in brackets are scenarios of spec stores, section 9. */
import assert from "node:assert/strict";
import { RecordingLog } from "../../../tests/support/recording_log.ts";
import { limitsWith, put, putMany, SECOND, sequencesOf, START } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";
import { sliceLimits } from "./slice_limits.ts";

const NO_LIMITS = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };

/** How many messages each slice's index lists, by the slice's file name. */
function filling(place: Place): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name of place.names("foo").filter((each) => each.endsWith(".idx"))) {
    const file = place.files.open(`/data/foo/${name}`, { mode: "read" });
    found[name] = (file.size() - 4) / 32;
  }
  return found;
}

Deno.test("[11] fillers of a gap go into the slice before it is closed", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 3 });
  for (const sequence of [1, 2, 5, 6, 7, 8]) put(foo.messages, "foo", sequence, "x");
  await store.close();
  assert.deepEqual(filling(place), { "msgs.1.idx": 4, "msgs.2.idx": 3, "msgs.3.idx": 1 });
});

Deno.test("[22] what was evicted comes back from the first slice when limits are raised", async () => {
  const place = new Place();
  const limits = limitsWith({ maxMessages: 5 });
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 4, limits });
  putMany(foo.messages, "foo", 1, 10);
  assert.deepEqual(await sequencesOf(foo.messages), [6, 7, 8, 9, 10]);
  await store.close();
  assert.deepEqual(filling(place), { "msgs.2.idx": 4, "msgs.3.idx": 2 });
  const raised = await place.again();
  assert.deepEqual(await sequencesOf(raised.foo.messages), [5, 6, 7, 8, 9, 10]);
  await raised.store.close();
  const lowered = await place.again({ limits });
  assert.deepEqual(await sequencesOf(lowered.foo.messages), [6, 7, 8, 9, 10]);
  await lowered.store.close();
});

Deno.test("[41] slices are ordered by number, and the highest is written to", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 1 });
  putMany(foo.messages, "foo", 1, 200);
  await store.close();
  const { store: again, foo: { messages } } = await place.again({ sliceMaxMessages: 2 });
  assert.deepEqual([messages.first, messages.last, messages.count], [1, 200, 200]);
  assert.equal((await sequencesOf(messages)).length, 200);
  putMany(messages, "foo", 201, 201);
  await again.close();
  assert.equal(filling(place)["msgs.200.idx"], 2);
});

Deno.test("[42] slices go with their last message", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 1, limits: limitsWith({ maxMessages: 3 }) });
  putMany(foo.messages, "foo", 1, 4);
  await foo.messages.flush();
  putMany(foo.messages, "foo", 5, 7);
  await foo.messages.flush();
  assert.deepEqual(place.names("foo").filter((name) => name.endsWith(".dat")), [
    "msgs.5.dat",
    "msgs.6.dat",
    "msgs.7.dat",
    "subs.dat",
  ]);
  await store.close();
});

Deno.test("evicted slices stay until what pushed them out is flushed", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 2, limits: limitsWith({ maxMessages: 2 }) });
  putMany(foo.messages, "foo", 1, 2);
  await foo.messages.flush();
  putMany(foo.messages, "foo", 3, 6);
  assert.ok(place.names("foo").includes("msgs.1.dat"));
  await foo.messages.flush();
  assert.deepEqual(filling(place)["msgs.3.idx"] !== undefined && place.names("foo").length, 3);
  await store.close();
});

Deno.test("[43] the last slice stays with nothing in it, and goes with the next one", async () => {
  const place = new Place();
  const options = { sliceMaxAge: 1000 };
  const { store, foo } = await place.withChannel(options);
  for (let i = 1; i <= 3; i++) put(foo.messages, "foo", i, "x", place.clock.wall());
  await foo.messages.flush();
  foo.messages.evictBefore(4);
  assert.deepEqual(filling(place)["msgs.1.idx"] !== undefined, true);
  await place.clock.advance(2000);
  await store.maintain(place.clock.now());
  put(foo.messages, "foo", 4, "x", place.clock.wall());
  await foo.messages.flush();
  assert.deepEqual(place.names("foo"), ["msgs.2.dat", "msgs.2.idx", "subs.dat"]);
  assert.deepEqual([foo.messages.first, foo.messages.last, foo.messages.count], [4, 4, 1]);
  await store.close();
});

Deno.test("[44] without limits of their own, slices take a quarter of the channel's", () => {
  const auto = { sliceMaxMessages: 0, sliceMaxBytes: 0, sliceMaxAge: 0 };
  const quarter = (maxMessages: number, maxBytes: number, maxAge: bigint) => {
    const limits = sliceLimits(auto, { ...NO_LIMITS, maxMessages, maxBytes, maxAge });
    return [limits.maxMessages, limits.maxBytes, limits.maxAge];
  };
  assert.deepEqual(quarter(100, 100, 20n * SECOND), [25, 25, 5n * SECOND]);
  assert.deepEqual(quarter(3, 3, 3n * SECOND), [1, 1, SECOND]);
  assert.deepEqual(quarter(0, 0, 0n), [0, 0, 0n]);
  const never = sliceLimits(auto, NO_LIMITS);
  assert.equal(never.reached({ records: 1e9, bytes: 1e12, firstTime: START }, START + 1000n * SECOND), false);
  const own = sliceLimits({ ...auto, sliceMaxMessages: 7 }, { ...NO_LIMITS, maxBytes: 100 });
  assert.deepEqual([own.maxMessages, own.maxBytes], [7, 0]);
});

Deno.test("[45] the archive script gets the files of a slice, which are not recovered", async () => {
  const place = new Place();
  const log = new RecordingLog();
  place.log = log;
  const calls: string[][] = [];
  place.commands = {
    run(program, args) {
      calls.push([program, ...args]);
      const first = calls.length === 1;
      return Promise.resolve({ output: "out", error: first ? undefined : "exit status 2" });
    },
  };
  const options = { sliceMaxMessages: 1, sliceArchiveScript: "/bin/keep", limits: limitsWith({ maxMessages: 1 }) };
  const { store, foo } = await place.withChannel(options);
  putMany(foo.messages, "foo", 1, 1);
  await foo.messages.flush();
  for (const sequence of [2, 3]) {
    putMany(foo.messages, "foo", sequence, sequence);
    await foo.messages.flush();
  }
  await store.close();
  assert.deepEqual(
    calls,
    [1, 2].map((n) => ["/bin/keep", "foo", `/data/foo/msgs.${n}.dat.bak`, `/data/foo/msgs.${n}.idx.bak`]),
  );
  assert.ok(
    log.lines.includes(
      "INF Output of archive script for foo (/data/foo/msgs.1.dat.bak and /data/foo/msgs.1.idx.bak): out",
    ),
  );
  assert.ok(log.lines.includes('ERR Error invoking archive script "/bin/keep": exit status 2 (output=out)'));
  assert.equal(place.names("foo").filter((name) => name.endsWith(".bak")).length, 4);
  const again = await place.again(options);
  assert.deepEqual(await sequencesOf(again.foo.messages), [3]);
  await again.foo.messages.empty();
  assert.deepEqual(place.names("foo"), ["subs.dat"]);
  await again.store.close();
});

Deno.test("limits are said to be reached once", async () => {
  const place = new Place();
  const log = new RecordingLog();
  place.log = log;
  const { store, foo } = await place.withChannel({ limits: limitsWith({ maxMessages: 2 }) });
  putMany(foo.messages, "foo", 1, 5);
  await store.close();
  assert.deepEqual(log.lines.filter((line) => line.includes("limits")), [
    'WRN Reached limits for store "foo" (msgs=3/2 bytes=204 B/0 B), dropping old messages to make room for new ones',
  ]);
});
