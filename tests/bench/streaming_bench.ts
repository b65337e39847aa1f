/**
 * Whole servers under load: messages per second and the servers' CPU per message, with each store, alone and as three
 * nodes, beside the reference where it is installed. Rounds are interleaved; medians are shown.
 *
 *     deno run -A tests/bench/streaming_bench.ts [messages] [rounds] [part of a case's name]
 */
import { Cluster } from "../support/cluster.ts";
import { findProgram } from "../support/programs.ts";
import { Scenario } from "../support/scenario.ts";
import { serverCommand, type ServerProcess } from "../support/server_process.ts";

const [messages = 200_000, rounds = 3] = Deno.args.slice(0, 2).map(Number);
const only = Deno.args[2] ?? "";
const load = decodeURIComponent(new URL("streaming_load.ts", import.meta.url).pathname);

interface Candidate {
  readonly name: string;
  readonly command: readonly string[];
}

interface Case {
  readonly name: string;
  readonly nodes: 1 | 3;
  readonly args: readonly string[];
  readonly window: number;
  readonly subscribers: number;
  /** One at a time is slow: this part of the messages will do. */
  readonly share: number;
}

interface Figures {
  readonly perSecond: number;
  /** Microseconds of all servers together. */
  readonly cpuPerMessage: number;
}

const file = ["-store", "file", "-dir", "data"];
const asynchronous = { window: 16_384, subscribers: 0, share: 1 };
const synchronous = { window: 1, subscribers: 0, share: 0.1 };
const cases: readonly Case[] = [
  { name: "MEMORY, async", nodes: 1, args: [], ...asynchronous },
  { name: "MEMORY, async, 1 subscriber", nodes: 1, args: [], ...asynchronous, subscribers: 1 },
  { name: "MEMORY, one at a time", nodes: 1, args: [], ...synchronous },
  { name: "FILE, async", nodes: 1, args: file, ...asynchronous },
  { name: "FILE, async, 1 subscriber", nodes: 1, args: file, ...asynchronous, subscribers: 1 },
  { name: "FILE, one at a time", nodes: 1, args: file, ...synchronous },
  { name: "3 nodes, async", nodes: 3, args: [], ...asynchronous },
  { name: "3 nodes, one at a time", nodes: 3, args: [], ...synchronous },
  // The reference's default.
  { name: "3 nodes, async, no sync", nodes: 3, args: ["-cluster_sync=false"], ...asynchronous },
  { name: "3 nodes, one at a time, no sync", nodes: 3, args: ["-cluster_sync=false"], ...synchronous },
];

async function measure(candidate: Candidate, one: Case): Promise<Figures> {
  const world = new Scenario();
  try {
    const launch = { command: candidate.command };
    let url: string;
    let servers: ServerProcess[];
    if (one.nodes === 1) {
      const unlimited = ["-mm", "0", "-mb", "0"];
      const started = await world.server([...unlimited, ...one.args], launch);
      url = started.url;
      servers = [started.server];
    } else {
      const cluster = await Cluster.ofThree(world, "embedded", launch, ...one.args);
      url = cluster.url;
      servers = world.servers;
    }
    return await run(one, url, servers);
  } finally {
    await world.end(false);
  }
}

async function run(one: Case, url: string, servers: readonly ServerProcess[]): Promise<Figures> {
  const count = Math.round(messages * one.share);
  const subscribers = Array.from({ length: one.subscribers }, () => client(url, "sub", String(count)));
  for (const subscriber of subscribers) await subscriber.ready;
  const before = cpuOf(servers);
  const publisher = client(url, "pub", String(count), "256", String(one.window));
  const seconds = Math.max(...await Promise.all([publisher, ...subscribers].map(({ seconds }) => seconds)));
  return { perSecond: count / seconds, cpuPerMessage: (cpuOf(servers) - before) / count * 1e6 };
}

/** Starts one client of the load. */
function client(url: string, role: string, ...args: string[]): { ready: Promise<unknown>; seconds: Promise<number> } {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", load, url, "test-cluster", role, ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const ready = Promise.withResolvers<void>();
  const seconds = (async () => {
    let text = "";
    for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.includes("ready")) ready.resolve();
    }
    const { success } = await process.status;
    if (!success) throw new Error(`the load's ${role} failed`);
    return Number(text.trim().split("\n").at(-1));
  })();
  seconds.catch((error) => ready.reject(error));
  ready.promise.catch(() => {});
  return { ready: ready.promise, seconds };
}

/** Seconds of CPU that these processes have used, by Linux's count of hundredths. */
function cpuOf(servers: readonly ServerProcess[]): number {
  let ticks = 0;
  for (const { pid } of servers) {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

function candidates(): Candidate[] {
  const ours = { name: "ours", command: serverCommand() };
  const reference = findProgram("nats-streaming-server");
  return reference === undefined ? [ours] : [ours, { name: "reference", command: [reference] }];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const all = candidates();
console.log(`${messages} messages of 256 B, medians of ${rounds} rounds; CPU of all servers\n`);
console.log(
  `${"case".padEnd(34)}${all.map(({ name }) => `${name}/s`.padStart(14) + "us/message".padStart(12)).join("")}`,
);
for (const one of cases.filter(({ name }) => name.includes(only))) {
  const figures = all.map((): Figures[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, candidate] of all.entries()) figures[i]!.push(await measure(candidate, one));
  }
  const columns = figures.map((rows) =>
    median(rows.map(({ perSecond }) => perSecond)).toFixed(0).padStart(14) +
    median(rows.map(({ cpuPerMessage }) => cpuPerMessage)).toFixed(2).padStart(12)
  );
  console.log(one.name.padEnd(34) + columns.join(""));
}
Deno.exit(0);
