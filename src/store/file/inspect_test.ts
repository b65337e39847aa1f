/** Looking into directories without a server. */
import assert from "node:assert/strict";
import type { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { contents, readFile, writeFile } from "../../../tests/support/store_fixtures.ts";
import { clientOf, identity, putMany, subscriptionOf, textOf } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";
import {
  type Damage,
  inspectClients,
  type Inspection,
  inspectMessages,
  inspectServer,
  inspectSubscriptions,
  listChannels,
} from "./inspect.ts";

async function filled(): Promise<MemoryFiles> {
  const place = new Place();
  const { store, foo } = await place.withChannel({ sliceMaxMessages: 4 });
  await store.addClient(clientOf("me"));
  putMany(foo.messages, "foo", 1, 10);
  foo.subscriptions.create(subscriptionOf(1));
  foo.subscriptions.addPending(1, 3);
  await store.close();
  return place.files;
}

function looking(files: MemoryFiles): Inspection & { readonly found: Damage[] } {
  const found: Damage[] = [];
  return { files, directory: "/data", found, damage: (damage) => found.push(damage) };
}

Deno.test("everything in a sound directory is listed, and nothing is changed", async () => {
  const files = await filled();
  const before = contents(files, "/data");
  const inspection = looking(files);
  assert.deepEqual(listChannels(inspection), ["foo"]);
  assert.deepEqual(inspectServer(inspection), identity);
  assert.deepEqual(inspectClients(inspection), [clientOf("me")]);
  assert.deepEqual(inspectSubscriptions(inspection, "foo"), [{
    state: subscriptionOf(1, { lastSent: 3 }),
    pending: [3],
  }]);
  const seen: string[] = [];
  const slices = inspectMessages(inspection, "foo", (message, slice) => seen.push(`${slice}: ${textOf(message)}`) > 0);
  assert.deepEqual(
    slices.map(({ number, first, last, messages, deadBytes }) => [number, first, last, messages, deadBytes]),
    [
      [1, 1, 4, 4, 0],
      [2, 5, 8, 4, 0],
      [3, 9, 10, 2, 0],
    ],
  );
  assert.equal(seen.length, 10);
  assert.equal(seen[8], "3: message 9");
  let count = 0;
  inspectMessages(inspection, "foo", () => ++count < 5);
  assert.equal(count, 5);
  assert.deepEqual(inspection.found, []);
  assert.deepEqual(contents(files, "/data"), before);
});

Deno.test("damage is listed with its file and offset, and what can be read is read", async () => {
  const files = await filled();
  const spoil = (path: string, at: number) => {
    const bytes = readFile(files, `/data/${path}`);
    writeFile(files, `/data/${path}`, bytes.with(at, bytes[at]! ^ 0x10));
  };
  spoil("foo/msgs.1.dat", 30);
  spoil("foo/msgs.2.idx", 40);
  files.remove("/data/foo/msgs.3.idx");
  spoil("foo/subs.dat", 15);
  spoil("clients.dat", 20);
  spoil("server.dat", 0);
  const inspection = looking(files);
  const seen: number[] = [];
  inspectMessages(inspection, "foo", (message) => seen.push(message.sequence) > 0);
  assert.deepEqual(seen, [2, 3, 4, 5, 7, 8, 9, 10]);
  assert.deepEqual([inspectClients(inspection), inspectServer(inspection), inspectSubscriptions(inspection, "foo")], [
    [],
    undefined,
    [],
  ]);
  assert.deepEqual(inspection.found.map(({ file, offset }) => `${file} ${offset}`), [
    "/data/foo/msgs.1.dat 4",
    "/data/foo/msgs.2.idx 36",
    "/data/clients.dat 4",
    "/data/server.dat 0",
    "/data/foo/subs.dat 4",
  ]);
  assert.match(inspection.found[0]!.problem, /^corrupted data, expected crc to be/);
});
