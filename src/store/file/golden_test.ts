/** For equal input the store writes the bytes that the reference wrote (spec stores, section 3.13). */
import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { contents, writeFile } from "../../../tests/support/store_fixtures.ts";
import { fieldsOf, messagesOf, start, subscriptionOf, textOf } from "../../../tests/support/store_messages.ts";
import { Place } from "../../../tests/support/store_place.ts";

const golden = new URL("../../../tests/golden/store_tiny/", import.meta.url);
const names = ["clients.dat", "foo/msgs.1.dat", "foo/msgs.1.idx", "foo/subs.dat", "server.dat"];
const expected = new Map(names.map((name) => [name, Deno.readFileSync(new URL(name, golden))]));

const identity = {
  clusterId: "tiny",
  discovery: "_STAN.discover.tiny",
  publish: "_STAN.pub.tiny",
  subscribe: "_STAN.sub.tiny",
  unsubscribe: "_STAN.unsub.tiny",
  close: "_STAN.close.tiny",
  subClose: "_STAN.subclose.tiny",
  acksSubs: "_STAN.ack.tiny",
  nodeId: "",
  clusterIdentity: "",
};

const client = {
  id: "me",
  heartbeatInbox: "_INBOX.esVYPmzw4BSVZWP11Jsgk6",
  connId: new TextEncoder().encode("esVYPmzw4BSVZWP11Jsggu"),
  protocol: 1,
  pingInterval: 5,
  pingMaxOut: 88,
};

const subscription = subscriptionOf(1, {
  inbox: "_INBOX.esVYPmzw4BSVZWP11Jsgws",
  ackInbox: "_INBOX.Yzet5JpLxRGRn9qGIN4s9R",
  maxInFlight: 5,
  ackWaitInSecs: 60,
  durableName: "dur",
  isDurable: true,
});

Deno.test("the same content gives the same bytes", async () => {
  const place = new Place();
  const store = place.open();
  assert.equal(await store.recover(), undefined);
  await store.init(identity);
  await store.addClient(client);
  const { messages, subscriptions } = await store.createChannel("foo");
  subscriptions.create(subscription);
  for (
    const [sequence, text, time] of [[1, "hello", 1795340807324174445n], [2, "world!", 1795340807326680041n]] as const
  ) {
    const fields = fieldsOf("foo", text);
    messages.append(sequence, time, fields, 0, fields.length);
    await messages.flush();
    subscriptions.addPending(1, sequence);
    if (sequence === 1) subscriptions.acknowledge(1, 1);
  }
  await store.close();
  const written = contents(place.files, "/data");
  written.delete(".rootdir.lck");
  assert.deepEqual(written, expected);
});

Deno.test("the bytes give the content", async () => {
  const files = new MemoryFiles();
  files.makeDirectory("/data/foo");
  for (const [name, bytes] of expected) writeFile(files, `/data/${name}`, bytes);
  const store = new Place(files).open();
  const state = await start(store);
  assert.deepEqual(state.info, identity);
  assert.deepEqual(state.clients, [client]);
  const { store: { messages }, subscriptions, highestSubscriptionId } = state.channels.get("foo")!;
  assert.deepEqual([messages.first, messages.last, messages.count, messages.bytes], [1, 2, 2, 129]);
  assert.deepEqual((await messagesOf(messages)).map(textOf), ["hello", "world!"]);
  assert.deepEqual(subscriptions, [{ state: { ...subscription, lastSent: 2 }, pending: [2] }]);
  assert.equal(highestSubscriptionId, 1);
  await store.close();
});
