/** The reference continues what this store has written, and this store what the reference has. Skipped where it is not installed. */
import assert from "node:assert/strict";
import { silentLog } from "../../src/ports/log.ts";
import type { RecoveredState, Store } from "../../src/ports/store.ts";
import { openFileStore, type OpenFileStoreOptions } from "../../src/store/mod.ts";
import { systemClock, systemFiles, systemRandom } from "../../src/system/mod.ts";
import { freePort } from "../support/mesh.ts";
import { findProgram } from "../support/programs.ts";
import { contents, copyFixtureTo, fixtureNames } from "../support/store_fixtures.ts";
import {
  clientOf,
  limitsWith,
  messagesOf,
  putMany,
  sequencesOf,
  start,
  subscriptionOf,
} from "../support/store_messages.ts";
import { Place } from "../support/store_place.ts";

const binary = findProgram("nats-streaming-server");
const ports = { files: systemFiles(), clock: systemClock(), random: systemRandom(), log: silentLog };

interface ChannelPage {
  readonly name: string;
  readonly msgs: number;
  readonly bytes: number;
  readonly first_seq: number;
  readonly last_seq: number;
}

/** Starts the reference on a directory, asks it about its channels, and stops it. */
async function askReference(
  directory: string,
  cluster: string,
  names: readonly string[],
): Promise<Map<string, ChannelPage>> {
  const monitor = freePort();
  const args = [
    "-a",
    "127.0.0.1",
    "-p",
    `${freePort()}`,
    "-m",
    `${monitor}`,
    "-store",
    "file",
    "-dir",
    directory,
    "-cid",
    cluster,
  ];
  const limits = ["-max_msgs", "0", "-max_bytes", "0", "-max_channels", "0"];
  const child = new Deno.Command(binary!, { args: [...args, ...limits], stdout: "null", stderr: "piped" }).spawn();
  try {
    await readyLine(child.stderr);
    const pages = new Map<string, ChannelPage>();
    for (const name of names) {
      const response = await fetch(`http://127.0.0.1:${monitor}/streaming/channelsz?channel=${name}&subs=1`);
      pages.set(name, await response.json());
    }
    return pages;
  } finally {
    child.kill("SIGINT");
    await child.status;
  }
}

/** Waits until the server says that it is ready; rejects with what it said when it ends before that. */
async function readyLine(stderr: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stderr.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the reference did not start:\n${text}`);
    text += decoder.decode(value, { stream: true });
    if (text.includes("Streaming Server is ready")) break;
  }
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  drain();
}

function open(directory: string, options: Partial<OpenFileStoreOptions> = {}): Store {
  return openFileStore({ limits: limitsWith({}), ...options, directory }, ports);
}

/** Adds to every channel, in a way that rolls slices, compacts, and leaves dead records. */
async function continueEverything(store: Store, state: RecoveredState): Promise<void> {
  await store.addClient(clientOf("continued"));
  for (const [name, { store: { messages, subscriptions }, highestSubscriptionId }] of state.channels) {
    putMany(messages, name, messages.last + 1, messages.last + 30);
    await messages.flush();
    putMany(messages, name, messages.last + 4, messages.last + 5);
    const id = highestSubscriptionId + 1;
    subscriptions.create(
      subscriptionOf(id, { clientId: "continued", durableName: "d", isDurable: true, isClosed: true }),
    );
    for (let sequence = 1; sequence < 40; sequence++) {
      subscriptions.addPending(id, sequence);
      subscriptions.acknowledge(id, sequence);
    }
    await messages.flush();
    await subscriptions.flush();
  }
  await store.maintain(ports.clock.now());
}

async function compare(directory: string, cluster: string): Promise<void> {
  const before = open(directory);
  const state = await start(before);
  const mine = new Map<string, Omit<ChannelPage, "name">>();
  for (const [name, { store: { messages } }] of state.channels) {
    const { count, bytes, first, last } = messages;
    mine.set(name, { msgs: count, bytes, first_seq: first, last_seq: last });
  }
  await before.close();
  const theirs = await askReference(directory, cluster, [...mine.keys()]);
  for (const [name, page] of mine) {
    const { msgs, bytes, first_seq, last_seq } = theirs.get(name)!;
    assert.deepEqual({ msgs, bytes, first_seq, last_seq }, page, name);
  }
  const again = open(directory);
  for (const [name, { store: { messages } }] of (await start(again)).channels) {
    assert.equal((await messagesOf(messages, messages.first)).length, mine.get(name)!.msgs);
  }
  await again.close();
}

const options = { sliceMaxMessages: 25, compactMinFileSize: 0, compactInterval: 1 };
const ignore = binary === undefined || fixtureNames().length === 0;

for (
  const [name, cluster] of [
    ["tiny", "tiny"],
    ["basic", "fixture-cluster"],
    ["slices", "fixture-cluster"],
    ["killed-continued", "fixture-cluster"],
    ["mini-subs-header-tail", "fixture-cluster"],
  ] as const
) {
  Deno.test({
    name: `the reference goes on where this store went on with ${name}`,
    ignore,
    async fn() {
      const directory = await Deno.makeTempDir();
      try {
        copyFixtureTo(name, directory);
        const store = open(directory, options);
        await continueEverything(store, await start(store));
        await store.close();
        await compare(directory, cluster);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

Deno.test({
  name: "the reference goes on where this store was killed",
  ignore,
  async fn() {
    const place = new Place();
    const { store, foo } = await place.withChannel({ ...options, limits: limitsWith({}) });
    putMany(foo.messages, "foo", 1, 60);
    await foo.messages.flush();
    putMany(foo.messages, "foo", 61, 70);
    const directory = await Deno.makeTempDir();
    try {
      for (const [path, bytes] of contents(place.files.afterKill(), "/data")) {
        await Deno.mkdir(`${directory}/foo`, { recursive: true });
        await Deno.writeFile(`${directory}/${path}`, bytes);
      }
      await store.close();
      const pages = await askReference(directory, "test", ["foo"]);
      assert.deepEqual([pages.get("foo")!.first_seq, pages.get("foo")!.last_seq], [1, 60]);
      const again = open(directory);
      const { messages } = (await start(again)).channels.get("foo")!.store;
      assert.equal((await sequencesOf(messages)).length, 60);
      await again.close();
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
