/**
 * The embedded NATS server beside the real one: messages per second and the server's CPU per published message, plain and
 * with TLS; round trips of requests; memory with idle connections.
 *
 *     deno run -A tests/bench/nats_bench.ts [rounds] [idle connections] [part of a row's name, e.g. `tls 256 1:0`] [share]
 *
 * Runs are interleaved and medians shown, because machines change their mind from minute to minute. `share` makes the runs
 * shorter than usual, e.g. 0.3. Without a real nats-server on PATH only ours is measured.
 */
import { certificatePath } from "../support/certificates.ts";
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";

const rounds = Number(Deno.args[0] ?? 3);
const idleCount = Number(Deno.args[1] ?? 10_000);
const only = Deno.args[2] ?? "";
const share = Number(Deno.args[3] ?? 1);

type Encryption = "plain" | "tls";

interface Server {
  readonly name: string;
  readonly encryption: Encryption;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Load {
  readonly encryption: Encryption;
  readonly size: number;
  readonly publishers: number;
  readonly subscribers: number;
  /** Messages in all. */
  readonly count: number;
}

interface Throughput {
  readonly published: number;
  readonly delivered: number;
  /** Microseconds per published message. */
  readonly cpu: number;
}

/** Times in microseconds. */
interface RoundTrips {
  readonly perSecond: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** Per request. */
  readonly cpu: number;
}

const loads: readonly Load[] = [16, 256, 4_096].flatMap((size) => loadsOf("plain", size)).concat(loadsOf("tls", 256));

function loadsOf(encryption: Encryption, size: number): Load[] {
  const most = size === 4_096 ? 200_000 : encryption === "tls" ? 1_000_000 : 2_000_000;
  return ([[1, 0], [1, 1], [1, 4], [4, 4]] as const).map(([publishers, subscribers]) => ({
    encryption,
    size,
    publishers,
    subscribers,
    count: Math.floor(share * most / Math.max(1, subscribers)),
  }));
}

const here = (file: string) => new URL(file, import.meta.url).pathname;

function lines(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return async () => {
    for (;;) {
      const at = rest.indexOf("\n");
      if (at >= 0) {
        const line = rest.slice(0, at);
        rest = rest.slice(at + 1);
        return line;
      }
      const { value, done } = await reader.read();
      if (done) throw new Error("the process ended early");
      rest += value;
    }
  };
}

interface Running {
  readonly process: Deno.ChildProcess;
  /** The next line it prints. */
  line(): Promise<string>;
}

function run(file: string, args: readonly (string | number)[]): Running {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", here(file), ...args.map(String)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return { process, line: lines(process.stdout) };
}

const client = (server: Server, ...args: readonly (string | number)[]) =>
  run("nats_load.ts", [server.port, server.encryption, ...args]);

async function finished(...running: readonly Running[]): Promise<void> {
  for (const { process } of running) {
    // It may have closed its end already.
    await process.stdin.close().catch(() => {});
    await process.status;
  }
}

async function startOurs(encryption: Encryption): Promise<Server> {
  const { process, line } = run("embedded_nats_process.ts", [encryption]);
  const port = Number(await line());
  return {
    name: "embedded",
    encryption,
    port,
    pid: process.pid,
    stop: async () => {
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

async function startReal(encryption: Encryption): Promise<Server> {
  const files = `cert_file: "${certificatePath("server.pem")}", key_file: "${certificatePath("server.key")}"`;
  const server = await startNatsServer(encryption === "tls" ? { config: `tls { ${files} }` } : {});
  return { name: "nats-server", encryption, port: server.port, pid: server.pid, stop: () => server.stop() };
}

/** CPU time of a process in milliseconds. */
function cpuOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function residentOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1_024;
}

async function throughputOf(server: Server, { publishers, subscribers, count, size }: Load): Promise<Throughput> {
  const each = Math.floor(count / publishers);
  const total = each * publishers;
  const receiving = Array.from({ length: subscribers }, () => client(server, "sub", total, size));
  for (const { line } of receiving) await line();
  const cpu = cpuOf(server.pid);
  const publishing = Array.from({ length: publishers }, () => client(server, "pub", each, size));
  const spent = Math.max(...await Promise.all(publishing.map(async ({ line }) => Number(await line()))));
  const received = await Promise.all(receiving.map(async ({ line }) => Number(await line())));
  const used = cpuOf(server.pid) - cpu;
  await finished(...receiving, ...publishing);
  return {
    published: total / spent,
    delivered: subscribers === 0 ? 0 : subscribers * total / Math.max(...received),
    cpu: used * 1_000 / total,
  };
}

async function roundTripsOf(server: Server, requesters: number): Promise<RoundTrips> {
  const count = Math.floor(share * (requesters === 1 ? 20_000 : 60_000));
  const answering = client(server, "answer");
  await answering.line();
  const cpu = cpuOf(server.pid);
  const asking = client(server, "ask", count, requesters);
  const [seconds, middle, p99, max] = (await asking.line()).split(" ").map(Number);
  const used = cpuOf(server.pid) - cpu;
  await finished(asking, answering);
  return { perSecond: count / seconds!, median: middle!, p99: p99!, max: max!, cpu: used * 1_000 / count };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** Measures each server in turn, `rounds` times, and shows a line for each, made of the medians. */
async function compare<Result extends object>(
  title: string,
  servers: readonly Server[],
  measure: (server: Server) => Promise<Result>,
  show: (of: (key: keyof Result) => number) => string,
): Promise<void> {
  if (!title.includes(only)) return;
  const results = servers.map((): Result[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, server] of servers.entries()) results[i]!.push(await measure(server));
  }
  for (const [i, server] of servers.entries()) {
    const of = (key: keyof Result) => median(results[i]!.map((result) => result[key] as number));
    console.log(`${title.padEnd(18)} ${server.name.padEnd(12)} ${show(of)}`);
  }
}

const thousands = (value: number) => `${(value / 1_000).toFixed(0)}k`.padStart(7);
const micros = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} us`;

async function throughput(all: Readonly<Record<Encryption, readonly Server[]>>): Promise<void> {
  for (const load of loads) {
    const title = `${load.encryption} ${load.size} ${load.publishers}:${load.subscribers}`;
    await compare(title, all[load.encryption], (server) => throughputOf(server, load), (of) => {
      return `${thousands(of("published"))}/s in, ${thousands(of("delivered"))}/s out, CPU ${micros(of("cpu"))}`;
    });
  }
}

async function latency(all: Readonly<Record<Encryption, readonly Server[]>>): Promise<void> {
  for (const encryption of ["plain", "tls"] as const) {
    for (const requesters of [1, 10, 100]) {
      const title = `${encryption} requests ${requesters}`;
      await compare(title, all[encryption], (server) => roundTripsOf(server, requesters), (of) => {
        const trips = `median ${micros(of("median"))}, 99 % ${micros(of("p99"))}, max ${micros(of("max"))}`;
        return `${thousands(of("perSecond"))}/s, ${trips}, CPU ${micros(of("cpu"))}`;
      });
    }
  }
}

async function memory(server: Server): Promise<void> {
  const before = residentOf(server.pid);
  const load = client(server, "idle", idleCount);
  await load.line();
  const after = residentOf(server.pid);
  const each = Math.round((after - before) / idleCount);
  const sizes = [before, after].map((bytes) => `${(bytes / 1e6).toFixed(0)} MB`);
  console.log(
    `${server.encryption} ${server.name}: ${sizes[0]}; with ${idleCount} idle connections ${
      sizes[1]
    }, ${each} bytes each`,
  );
  await finished(load);
}

const starts = natsServerPath === undefined ? [startOurs] : [startOurs, startReal];
const all: Record<Encryption, Server[]> = { plain: [], tls: [] };
try {
  for (const encryption of ["plain", "tls"] as const) {
    for (const start of starts) all[encryption].push(await start(encryption));
  }
  if (rounds > 0) {
    console.log(`load average ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}`);
    await throughput(all);
    await latency(all);
  }
  if (idleCount > 0) { for (const server of Object.values(all).flat()) await memory(server); }
} finally {
  for (const server of Object.values(all).flat()) await server.stop();
}
