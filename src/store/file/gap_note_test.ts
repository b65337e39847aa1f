/** Messages that are lost for all, noted beside those that are there: a start does not take them for files that are lost here. */
import assert from "node:assert/strict";
import { agreedLimits } from "../limits.ts";
import { readFile, writeFile } from "../../../tests/support/store_fixtures.ts";
import { putMany, sequencesOf, start } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

const replicated = { replicated: true, limits: agreedLimits };
const NOTE = "/data/foo/.gap";

/** Messages 1 to 3; 4 to 6 are lost; then `count` more. */
async function withGap(count: number): Promise<Place> {
  const place = new Place();
  const { foo } = await place.withChannel(replicated);
  putMany(foo.messages, "foo", 1, 3);
  foo.messages.skipTo(7);
  if (count > 0) putMany(foo.messages, "foo", 7, 6 + count);
  await foo.messages.flush();
  return place;
}

async function recovered(place: Place) {
  const { channels, damages } = await start(new Place(place.files.afterKill()).open(replicated));
  const { messages } = channels.get("foo")!.store;
  const sequences = await sequencesOf(messages);
  const { first, last, count } = messages;
  assert.equal(count, sequences.length);
  return { messages, sequences, first, last, damages: (damages ?? []).map(({ text }) => text) };
}

Deno.test("a gap is no damage at the next start, and messages on both sides are there", async () => {
  const { sequences, first, last, damages } = await recovered(await withGap(2));
  assert.deepEqual([sequences, first, last, damages], [[1, 2, 3, 7, 8], 1, 8, []]);
});

Deno.test("a gap at the end is remembered: the numbering goes on behind it", async () => {
  const { messages, sequences, first, last, damages } = await recovered(await withGap(0));
  assert.deepEqual([sequences, first, last, damages], [[1, 2, 3], 1, 6, []]);
  putMany(messages, "foo", 7, 8);
  assert.deepEqual(await sequencesOf(messages), [1, 2, 3, 7, 8]);
});

Deno.test("any other gap is damage, and so is this one without its note", async () => {
  for (const spoil of ["remove", "rot"]) {
    const place = await withGap(2);
    if (spoil === "remove") place.files.remove(NOTE);
    else {
      const bytes = readFile(place.files, NOTE);
      bytes[5]! ^= 1;
      writeFile(place.files, NOTE, bytes);
    }
    const { damages } = await recovered(place);
    assert.deepEqual(damages, ['channel "foo": messages 4 to 6 are missing in /data/foo']);
  }
});

Deno.test("of two gaps the later one is noted, and what is before the earlier one goes", async () => {
  const place = await withGap(2);
  const { foo } = await new Place(place.files.afterKill()).again(replicated);
  foo.messages.skipTo(11);
  putMany(foo.messages, "foo", 11, 12);
  await foo.messages.flush();
  assert.deepEqual(await sequencesOf(foo.messages), [7, 8, 11, 12]);
});

Deno.test("what is emptied, or cut before the gap, has none", async () => {
  for (const cut of [0, 2]) {
    const place = new Place((await withGap(2)).files.afterKill());
    const { foo } = await place.again(replicated);
    if (cut === 0) await foo.messages.empty();
    else await foo.messages.forgetAfter(cut);
    assert.equal(foo.messages.last, cut);
    assert.equal(place.files.exists(NOTE), false);
  }
});
