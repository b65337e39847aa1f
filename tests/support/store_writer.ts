/**
 * A process that stores messages until it is killed: on channel `foo` of the directory that it is given, in batches, and prints
 * `flushed <sequence> <pending>` after each flush. What it writes can be told from the sequence.
 */
import { silentLog } from "../../src/ports/log.ts";
import { openFileStore } from "../../src/store/mod.ts";
import { systemClock, systemFiles, systemRandom } from "../../src/system/mod.ts";
import { put, start, subscriptionOf } from "./store_messages.ts";

/** The payload of a message. */
export function payloadOf(sequence: number): string {
  return `message ${sequence} `.repeat(1 + sequence % 40);
}

if (import.meta.main) {
  const [directory, sync] = Deno.args;
  const ports = { files: systemFiles(), clock: systemClock(), random: systemRandom(), log: silentLog };
  const options = { sliceMaxMessages: 300, bufferSize: 2000, compactMinFileSize: 2000, compactInterval: 1 };
  const store = openFileStore({ ...options, directory: directory!, sync: sync === "sync" }, ports);
  const state = await start(store);
  const recovered = state.channels.get("foo");
  const { messages, subscriptions } = recovered?.store ?? await store.createChannel("foo");
  if (recovered === undefined) subscriptions.create(subscriptionOf(1));
  const batch = 1 + Math.floor(Math.random() * 60);
  const encoder = new TextEncoder();
  for (let sequence = messages.last + 1, turn = 0;; turn++) {
    for (let i = 0; i < batch; i++, sequence++) {
      put(messages, "foo", sequence, payloadOf(sequence));
      subscriptions.addPending(1, sequence);
      subscriptions.acknowledge(1, sequence - 1);
    }
    await messages.flush();
    await subscriptions.flush();
    if (turn % 10 === 9) await store.maintain(ports.clock.now() + turn * 500);
    Deno.stdout.writeSync(encoder.encode(`flushed ${sequence - 1}\n`));
  }
}
