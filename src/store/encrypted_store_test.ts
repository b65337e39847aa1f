/** Encryption at rest (spec stores, section 6, and scenario 57 of section 9). */
import assert from "node:assert/strict";
import { StoreFailed } from "../ports/store.ts";
import { MsgProto } from "../protocol/client_messages.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { limitsWith, lookup, messagesOf, put, start, textOf } from "../../tests/support/store_messages.ts";
import { Place } from "../../tests/support/store_place.ts";
import { chooseEncryptionKey, encrypted, openMemoryStore } from "./mod.ts";

const random = new SeededRandom(5);

function keyOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function sealing(place: Place, key = "secret", cipher = "AES") {
  return encrypted(place.open(), { key: keyOf(key), cipher, random });
}

/** The payloads as they lie in the store. */
async function stored(place: Place): Promise<Uint8Array[]> {
  const { store, foo } = await place.again();
  const found = (await messagesOf(foo.messages)).map(({ data }) => data);
  await store.close();
  return found;
}

Deno.test("[57] the key is overwritten, and needed", () => {
  const key = keyOf("secret");
  encrypted(openMemoryStore(), { key, cipher: "", random });
  assert.deepEqual(key, new Uint8Array(6));
  const refused = (message: string) => ({ code: "refused", message });
  assert.throws(
    () => encrypted(openMemoryStore(), { key: keyOf(""), cipher: "AES", random }),
    refused("encryption key required"),
  );
  assert.throws(
    () => encrypted(openMemoryStore(), { key: keyOf("k"), cipher: "DES", random }),
    refused("encryption cipher not supported"),
  );
  assert.equal(encrypted(openMemoryStore(), { key: keyOf("k"), cipher: "ChaCha", random }).name, "MEMORY");
});

Deno.test("[57] the environment's key wins over the option's", () => {
  assert.deepEqual(chooseEncryptionKey("env", keyOf("option")), keyOf("env"));
  assert.deepEqual(chooseEncryptionKey("", keyOf("option")), keyOf("option"));
  assert.throws(() => chooseEncryptionKey(undefined, undefined), {
    code: "refused",
    message: "encryption key required",
  });
});

Deno.test("[57] plain, AES and CHACHA messages can be mixed in a channel", async () => {
  const place = new Place();
  const { store, foo } = await place.withChannel();
  put(foo.messages, "foo", 1, "plain");
  await store.close();
  for (const [sequence, cipher] of [[2, "AES"], [3, "CHACHA"], [4, "AES"]] as const) {
    const opened = sealing(place, "secret", cipher);
    put((await start(opened)).channels.get("foo")!.store.messages, "foo", sequence, cipher);
    await opened.close();
  }
  assert.deepEqual((await stored(place)).map((data) => data[0]), ["p".charCodeAt(0), 1, 2, 1]);
  const again = sealing(place);
  const { messages } = (await start(again)).channels.get("foo")!.store;
  assert.deepEqual((await messagesOf(messages)).map(textOf), ["plain", "AES", "CHACHA", "AES"]);
  await again.close();
});

Deno.test("[57] the counter of a nonce goes on from the last sequence; empty payloads use none", async () => {
  const place = new Place();
  const store = sealing(place);
  await start(store);
  const { messages } = await store.createChannel("foo");
  put(messages, "foo", 1, "one");
  put(messages, "foo", 2, "");
  put(messages, "foo", 3, "three");
  await store.close();
  const again = sealing(place);
  put((await start(again)).channels.get("foo")!.store.messages, "foo", 4, "four");
  await again.close();
  const counters = (await stored(place)).map((data) =>
    data.length === 0 ? 0 : Number(new DataView(data.buffer, 5).getBigUint64(0))
  );
  assert.deepEqual(counters, [1, 0, 2, 4]);
  const nonces = (await stored(place)).filter(({ length }) => length > 0).map((data) => data.slice(1, 13).join());
  assert.equal(new Set(nonces).size, 3);
});

Deno.test("[57] a wrong key is an error at the start", async () => {
  const place = new Place();
  const store = sealing(place);
  await start(store);
  put((await store.createChannel("foo")).messages, "foo", 1, "one");
  await store.close();
  const wrong = sealing(place, "another");
  await assert.rejects(async () => await wrong.recover(), (error) => {
    assert.ok(error instanceof StoreFailed);
    assert.equal(error.code, "corrupt");
    assert.match(error.message, /channel "foo", message 1: cipher: message authentication failed/);
    return true;
  });
  await wrong.close();
});

Deno.test("[57] old plain data that looks sealed cannot be opened, and stops a read before it", async () => {
  const place = new Place();
  const store = sealing(place);
  await start(store);
  const { messages } = await store.createChannel("foo");
  put(messages, "foo", 1, "one");
  await store.close();
  const { store: plain, foo } = await place.again();
  put(foo.messages, "foo", 2, new Uint8Array([1, 2, 3]));
  put(foo.messages, "foo", 3, new Uint8Array(60).fill(2));
  await plain.close();
  const again = sealing(place);
  const log = (await start(again)).channels.get("foo")!.store.messages;
  put(log, "foo", 4, "four");
  const seen: number[] = [];
  assert.equal(await log.read(1, 4, 1e6, (sequence) => seen.push(sequence) > 0), 2);
  assert.deepEqual(seen, [1]);
  const failing = (message: RegExp) => (error: unknown) =>
    error instanceof StoreFailed && error.code === "corrupt" && message.test(error.message);
  await assert.rejects(async () => await lookup(log, 2), failing(/^trying to decrypt data that is not \(len=3\)/));
  await assert.rejects(async () => await lookup(log, 3), failing(/^chacha20poly1305: message authentication failed/));
  assert.equal(textOf(await lookup(log, 4)), "four");
  await again.close();
});

Deno.test("every size and every field survives sealing", async () => {
  const store = encrypted(openMemoryStore({ limits: limitsWith({}) }), { key: keyOf("k"), cipher: "CHACHA", random });
  const { messages } = await store.createChannel("foo");
  const sizes = [0, 1, 97, 98, 99, 127, 128, 5000, 16_383, 16_384, 200_000];
  sizes.forEach((size, i) => {
    const fields = MsgProto.encode({ subject: "foo", reply: "answer", data: new Uint8Array(size).fill(i) });
    messages.append(i + 1, 5n, fields, 0, fields.length);
  });
  const found = await messagesOf(messages);
  assert.deepEqual(found.map(({ data }) => data.length), sizes);
  assert.ok(
    found.every((message, i) =>
      message.reply === "answer" && message.timestamp === 5n && message.data.every((byte) => byte === i)
    ),
  );
});
