/** Damage to what was flushed long ago is not taken for the end of a crash: it is refused, or told when it is read, and never cut off. */
import assert from "node:assert/strict";
import { StoreFailed } from "../../ports/store.ts";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { contents, writeFile } from "../../../tests/support/store_fixtures.ts";
import { clientOf, lookup, putMany, start, subscriptionOf } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

/** The files of a store that was killed after everything was flushed. */
async function killed(): Promise<Map<string, Uint8Array>> {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  for (let i = 0; i < 8; i++) await store.addClient(clientOf(`client-${i}`));
  for (let id = 1; id <= 4; id++) {
    foo.subscriptions.create(subscriptionOf(id, { durableName: `durable-${id}`, isDurable: true }));
    for (let sequence = 1; sequence <= 6; sequence++) foo.subscriptions.addPending(id, sequence);
  }
  putMany(foo.messages, "foo", 1, 12);
  await foo.messages.flush();
  await foo.subscriptions.flush();
  const files = contents(place.files.afterKill(), "/data");
  await store.close();
  assert.ok(files.has(".open.lck"));
  return files;
}

function placeOf(files: Map<string, Uint8Array>): Place {
  const disk = new MemoryFiles();
  disk.makeDirectory("/data/foo");
  for (const [path, bytes] of files) writeFile(disk, `/data/${path}`, bytes);
  return new Place(disk);
}

/** Where the records of a file begin. */
function recordStarts(bytes: Uint8Array, sizeMask: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts: number[] = [];
  for (let at = 4; at + 8 <= bytes.length;) {
    const word = view.getUint32(at, true);
    if (word === 0 || word === 0xffffffff) break;
    starts.push(at);
    at += 8 + ((word & sizeMask) >>> 0);
  }
  return starts;
}

for (const path of ["clients.dat", "foo/subs.dat"]) {
  Deno.test(`a bit that flips anywhere in ${path} is refused after a crash, too`, async () => {
    const files = await killed();
    const bytes = files.get(path)!;
    const starts = recordStarts(bytes, 0xffffff);
    for (let at = 4; at < starts.at(-1)!; at++) {
      // The checksum does not cover the type.
      if (starts.includes(at - 3)) continue;
      for (const bit of [1, 0x10, 0x80]) {
        const flipped = bytes[at]! ^ bit;
        // A last byte that becomes zero cannot be told from a write that was not finished.
        if (starts.includes(at + 1) && flipped === 0) continue;
        const store = placeOf(new Map(files).set(path, bytes.with(at, flipped))).open();
        await assert.rejects(
          async () => await store.recover(),
          (error) => error instanceof StoreFailed,
          `${at} ${bit}`,
        );
        await store.close();
      }
    }
  });
}

Deno.test("a bit that flips anywhere in an index loses nothing after a crash", async () => {
  const files = await killed();
  const bytes = files.get("foo/msgs.1.idx")!;
  for (let at = 4; at < 4 + 12 * 32; at++) {
    const place = placeOf(new Map(files).set("foo/msgs.1.idx", bytes.with(at, bytes[at]! ^ 0x04)));
    const store = place.open();
    const { messages } = (await start(store)).channels.get("foo")!.store;
    assert.deepEqual([messages.first, messages.last, messages.count], [1, 12, 12], `${at}`);
    await store.close();
  }
});

Deno.test("a bit that flips anywhere in a data file costs one message at most, which is told", async () => {
  const files = await killed();
  const bytes = files.get("foo/msgs.1.dat")!;
  const end = recordStarts(bytes, 0xffffffff).at(-1)!;
  for (let at = 4; at < end; at++) {
    const place = placeOf(new Map(files).set("foo/msgs.1.dat", bytes.with(at, bytes[at]! ^ 0x20)));
    const store = place.open();
    const { messages } = (await start(store)).channels.get("foo")!.store;
    let failed = 0;
    for (let sequence = 1; sequence <= 12; sequence++) {
      const found = await lookup(messages, sequence).catch((error) => {
        assert.ok(error instanceof StoreFailed && error.code === "corrupt");
        failed++;
      });
      if (found !== undefined) assert.equal(found.sequence, sequence);
    }
    assert.deepEqual([messages.count, failed], [12, 1], `${at}`);
    await store.close();
  }
});
