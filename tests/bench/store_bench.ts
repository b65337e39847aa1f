/**
 * How fast the file store takes messages, and how fast it reads them back after a restart.
 *
 *     deno run -A tests/bench/store_bench.ts [rounds]
 *
 * Figures are medians; 256-byte payloads on one channel unless told otherwise, in a temporary directory. `memory` is the
 * resident size of this process after the case.
 */
import { silentLog } from "../../src/ports/log.ts";
import type { ChannelStore, Store } from "../../src/ports/store.ts";
import { openFileStore, type OpenFileStoreOptions, openMemoryStore, type StoreLimits } from "../../src/store/mod.ts";
import { systemClock, systemFiles, systemRandom } from "../../src/system/mod.ts";

const rounds = Number(Deno.args[0] ?? 3);
const ports = { files: systemFiles(), clock: systemClock(), random: systemRandom(), log: silentLog };
const none = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };
const unlimited: StoreLimits = { maxChannels: 0, global: none };
const identity = {
  clusterId: "bench",
  discovery: "",
  publish: "",
  subscribe: "",
  unsubscribe: "",
  close: "",
  subClose: "",
  acksSubs: "",
  nodeId: "",
};

/** MsgProto fields 2 and 4 of a message with a payload of `size` bytes. */
function fieldsOf(channel: string, size: number): Uint8Array {
  const subject = new TextEncoder().encode(channel);
  const length = size < 128 ? [size] : [size & 0x7f | 0x80, size >> 7];
  return new Uint8Array([0x12, subject.length, ...subject, 0x22, ...length, ...new Uint8Array(size).fill(0x78)]);
}

async function open(directory: string, options: Partial<OpenFileStoreOptions>): Promise<Store> {
  const store = openFileStore({ limits: unlimited, ...options, directory }, ports);
  await store.recover();
  await store.init(identity);
  return store;
}

/** Appends `count` messages, a flush every `batch`. */
async function fill(channel: ChannelStore, count: number, batch: number, size = 256): Promise<void> {
  const fields = fieldsOf(channel.name, size);
  for (let sequence = 1; sequence <= count;) {
    const time = ports.clock.wall();
    for (const end = Math.min(count, sequence + batch - 1); sequence <= end; sequence++) {
      channel.messages.append(sequence, time, fields, 0, fields.length);
    }
    const flushed = channel.messages.flush();
    if (flushed instanceof Promise) await flushed;
  }
}

async function timed(run: () => unknown): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function show(what: string, figure: string): void {
  console.log(`${what.padEnd(52)} ${figure.padStart(24)}   memory ${Math.round(Deno.memoryUsage().rss / 2 ** 20)} MB`);
}

/** Runs in a fresh directory. */
async function inDirectory(run: (directory: string) => Promise<number>): Promise<number> {
  const directory = await Deno.makeTempDir();
  try {
    return await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function rate(what: string, count: number, batch: number, options: Partial<OpenFileStoreOptions>): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    times.push(
      await inDirectory(async (directory) => {
        const store = await open(directory, options);
        const channel = await store.createChannel("foo");
        const took = await timed(() => fill(channel, count, batch));
        await store.close();
        return took;
      }),
    );
  }
  show(what, `${Math.round(count / median(times))}k messages/s`);
}

async function recovery(what: string, prepare: (store: Store) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    const store = await open(directory, { sync: false });
    await prepare(store);
    await store.close();
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const again = openFileStore({ limits: unlimited, directory }, ports);
      times.push(await timed(() => again.recover()));
      await again.close();
    }
    show(what, `${median(times).toFixed(0)} ms`);
    return 0;
  });
}

async function reading(what: string, count: number, maxBytes: number): Promise<void> {
  await inDirectory(async (directory) => {
    const store = await open(directory, { sync: false });
    await fill(await store.createChannel("foo"), count, 500);
    await store.close();
    const again = openFileStore({ limits: unlimited, directory }, ports);
    const { messages } = (await again.recover())!.channels.get("foo")!.store;
    const took = await timed(async () => {
      for (let at = 1; at <= count;) at = await messages.read(at, count, maxBytes, () => true);
    });
    show(what, `${Math.round(count / took)}k messages/s`);
    await again.close();
    return 0;
  });
}

async function memoryRate(what: string, count: number): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const channel = await openMemoryStore({ limits: { ...unlimited, global: { ...none, maxMessages: 1_000_000 } } })
      .createChannel("foo");
    times.push(await timed(() => fill(channel, count, 500)));
  }
  show(what, `${Math.round(count / median(times))}k messages/s`);
}

async function manyChannels(store: Store): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    const channel = await store.createChannel(`channel.${i}`);
    await fill(channel, 10, 10);
  }
}

await memoryRate("MEMORY, 1 M messages, batches of 500", 1_000_000);
await rate("FILE without sync, 1 M messages, batches of 500", 1_000_000, 500, { sync: false });
await rate("FILE without sync, messages limited to 100,000", 1_000_000, 500, {
  sync: false,
  sliceMaxMessages: 10_000,
  limits: { ...unlimited, global: { ...none, maxMessages: 100_000 } },
});
await rate("FILE with sync, batches of 500", 200_000, 500, {});
await rate("FILE with sync, batches of 50", 50_000, 50, {});
await rate("FILE with sync, every message", 3_000, 1, {});
await recovery("recovery of 2,000 channels with 10 messages", manyChannels);
await recovery(
  "recovery of 1 M messages in one channel",
  async (store) => fill(await store.createChannel("foo"), 1_000_000, 500),
);
await reading("reading 1 M messages from files, 256 KiB at a time", 1_000_000, 256 * 1024);
await reading("reading 100 k messages from files, one at a time", 100_000, 0);
