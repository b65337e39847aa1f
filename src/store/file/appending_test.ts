/** Going on where another process stopped. */
import assert from "node:assert/strict";
import { put, sequencesOf } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

Deno.test("appending to a recovered slice leaves its earlier messages readable, then and after another restart", async () => {
  const place = new Place();
  const first = await place.withChannel();
  for (const sequence of [1, 2, 3]) put(first.foo.messages, "foo", sequence, "before");
  await first.foo.messages.flush();
  await first.store.close();
  const second = await place.again();
  put(second.foo.messages, "foo", 4, "after");
  await second.foo.messages.flush();
  assert.deepEqual(await sequencesOf(second.foo.messages), [1, 2, 3, 4]);
  await second.store.close();
  const third = await place.again();
  assert.deepEqual(await sequencesOf(third.foo.messages), [1, 2, 3, 4]);
  await third.store.close();
});
