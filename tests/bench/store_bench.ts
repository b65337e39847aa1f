/**
 * How fast the file store takes messages, and how fast it reads them back after a restart.
 *
 *     deno run -A tests/bench/store_bench.ts [rounds] [part of a case's name]
 *
 * Figures are medians; 256-byte payloads on one channel unless told otherwise, in a temporary directory. `CPU` is this process's
 * time for one message (for a recovery: in all), which other programs on the machine disturb less; `memory` is its resident size
 * after the case.
 */
import { cpuUsage } from "node:process";
import { silentLog } from "../../src/ports/log.ts";
import type { ChannelStore, Store } from "../../src/ports/store.ts";
import { openFileStore, type OpenFileStoreOptions, openMemoryStore, type StoreLimits } from "../../src/store/mod.ts";
import { systemClock, systemFiles, systemRandom } from "../../src/system/mod.ts";

const rounds = Number(Deno.args[0] ?? 3);
const wanted = Deno.args[1] ?? "";
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
  clusterIdentity: "",
};

const subscription = {
  clientId: "me",
  queueGroup: "",
  inbox: "inbox",
  ackInbox: "ack",
  maxInFlight: 1024,
  ackWaitInSecs: 30,
  durableName: "dur",
  lastSent: 0,
  isDurable: true,
  isClosed: false,
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

/** How long something took, and how much of the processor; in milliseconds. */
interface Took {
  readonly wall: number;
  readonly cpu: number;
}

async function timed(run: () => unknown): Promise<Took> {
  const before = cpuUsage();
  const began = performance.now();
  await run();
  const wall = performance.now() - began;
  const { user, system } = cpuUsage(before);
  return { wall, cpu: (user + system) / 1000 };
}

function median(all: Took[], of: keyof Took): number {
  return all.map((took) => took[of]).sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
}

function show(what: string, figure: string, cpu: string): void {
  const memory = `memory ${Math.round(Deno.memoryUsage().rss / 2 ** 20)} MB`;
  console.log(`${what.padEnd(52)} ${figure.padStart(20)}   CPU ${cpu.padStart(9)}   ${memory}`);
}

function showRate(what: string, count: number, all: Took[]): void {
  const perMessage = median(all, "cpu") * 1000 / count;
  const rate = Math.round(count * 1000 / median(all, "wall")).toLocaleString("en");
  show(what, `${rate} messages/s`, `${perMessage.toFixed(2)} us`);
}

/** Runs in a fresh directory. */
async function inDirectory<T>(run: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    return await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function rate(what: string, count: number, batch: number, options: Partial<OpenFileStoreOptions>): Promise<void> {
  if (!what.includes(wanted)) return;
  const all: Took[] = [];
  for (let round = 0; round < rounds; round++) {
    all.push(
      await inDirectory(async (directory) => {
        const store = await open(directory, options);
        const channel = await store.createChannel("foo");
        const took = await timed(() => fill(channel, count, batch));
        await store.close();
        return took;
      }),
    );
  }
  showRate(what, count, all);
}

async function recovery(what: string, prepare: (store: Store) => Promise<void>): Promise<void> {
  if (!what.includes(wanted)) return;
  await inDirectory(async (directory) => {
    const store = await open(directory, { sync: false });
    await prepare(store);
    await store.close();
    const all: Took[] = [];
    for (let round = 0; round < rounds; round++) {
      const again = openFileStore({ limits: unlimited, directory }, ports);
      all.push(await timed(() => again.recover()));
      await again.close();
    }
    show(what, `${median(all, "wall").toFixed(0)} ms`, `${median(all, "cpu").toFixed(0)} ms`);
  });
}

async function reading(what: string, count: number, maxBytes: number): Promise<void> {
  if (!what.includes(wanted)) return;
  await inDirectory(async (directory) => {
    const store = await open(directory, { sync: false });
    await fill(await store.createChannel("foo"), count, 500);
    await store.close();
    const again = openFileStore({ limits: unlimited, directory }, ports);
    const { messages } = (await again.recover())!.channels.get("foo")!.store;
    const took = await timed(async () => {
      for (let at = 1; at <= count;) at = await messages.read(at, count, maxBytes, () => true);
    });
    showRate(what, count, [took]);
    await again.close();
  });
}

async function memoryRate(what: string, count: number): Promise<void> {
  if (!what.includes(wanted)) return;
  const all: Took[] = [];
  const limits = { ...unlimited, global: { ...none, maxMessages: 1_000_000 } };
  for (let round = 0; round < rounds; round++) {
    const channel = await openMemoryStore({ limits }).createChannel("foo");
    all.push(await timed(() => fill(channel, count, 500)));
  }
  showRate(what, count, all);
}

/** Deliveries and acknowledgements of one subscription, flushed every 500. */
async function acknowledging(what: string, count: number): Promise<void> {
  if (!what.includes(wanted)) return;
  const all: Took[] = [];
  for (let round = 0; round < rounds; round++) {
    all.push(
      await inDirectory(async (directory) => {
        const store = await open(directory, { sync: false });
        const { subscriptions } = await store.createChannel("foo");
        subscriptions.create({ ...subscription, id: 1 });
        const took = await timed(async () => {
          for (let sequence = 1; sequence <= count; sequence++) {
            subscriptions.addPending(1, sequence);
            subscriptions.acknowledge(1, sequence);
            if (sequence % 500 === 0) await subscriptions.flush();
          }
        });
        await store.close();
        return took;
      }),
    );
  }
  showRate(what, count, all);
}

async function manyChannels(store: Store): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    const channel = await store.createChannel(`channel.${i}`);
    await fill(channel, 10, 10);
  }
}

await rate("FILE without sync, 1 M messages, batches of 500", 1_000_000, 500, { sync: false });
await rate("FILE without sync, messages limited to 100,000", 1_000_000, 500, {
  sync: false,
  sliceMaxMessages: 10_000,
  limits: { ...unlimited, global: { ...none, maxMessages: 100_000 } },
});
await rate("FILE with sync, batches of 500", 200_000, 500, {});
await rate("FILE with sync, batches of 50", 50_000, 50, {});
await rate("FILE with sync, every message", 3_000, 1, {});
await acknowledging("FILE without sync, 1 M deliveries and acks", 1_000_000);
await recovery("recovery of 2,000 channels with 10 messages", manyChannels);
await recovery(
  "recovery of 1 M messages in one channel",
  async (store) => fill(await store.createChannel("foo"), 1_000_000, 500),
);
await reading("reading 1 M messages from files, 256 KiB at a time", 1_000_000, 256 * 1024);
await reading("reading 100 k messages from files, one at a time", 100_000, 0);
await memoryRate("MEMORY, 1 M messages, batches of 500", 1_000_000);
