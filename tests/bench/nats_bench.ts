/**
 * The embedded NATS server beside the real one: messages per second, the server's CPU per published message, and memory
 * with idle connections.
 *
 *     deno run -A tests/bench/nats_bench.ts [rounds] [idle connections]
 *
 * Runs are interleaved and medians shown, because machines change their mind from minute to minute. Without a real
 * nats-server on PATH only ours is measured.
 */
import { natsServerPath, startNatsServer } from "../support/nats_server.ts";

const rounds = Number(Deno.args[0] ?? 3);
const idleCount = Number(Deno.args[1] ?? 10_000);

interface Server {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Result {
  readonly published: number;
  readonly delivered: number;
  /** Microseconds per published message. */
  readonly cpu: number;
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

function run(file: string, args: string[]): { process: Deno.ChildProcess; line: () => Promise<string> } {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", here(file), ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return { process, line: lines(process.stdout) };
}

async function startOurs(): Promise<Server> {
  const { process, line } = run("embedded_nats_process.ts", []);
  const port = Number(await line());
  return {
    name: "embedded",
    port,
    pid: process.pid,
    stop: async () => {
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

async function startReal(): Promise<Server> {
  const server = await startNatsServer();
  return { name: "nats-server", port: server.port, pid: server.pid, stop: () => server.stop() };
}

/** CPU time of a process in milliseconds. */
function cpuOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function residentOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1_024;
}

async function measure(
  server: Server,
  publishers: number,
  subscribers: number,
  count: number,
  size: number,
): Promise<Result> {
  const each = Math.floor(count / publishers);
  const total = each * publishers;
  const start = (role: string, messages: number) =>
    run("nats_load.ts", [String(server.port), role, String(messages), String(size)]);
  const receiving = Array.from({ length: subscribers }, () => start("sub", total));
  for (const { line } of receiving) await line();
  const cpu = cpuOf(server.pid);
  const publishing = Array.from({ length: publishers }, () => start("pub", each));
  const spent = Math.max(...await Promise.all(publishing.map(async ({ line }) => Number(await line()))));
  const received = await Promise.all(receiving.map(async ({ line }) => Number(await line())));
  const used = cpuOf(server.pid) - cpu;
  for (const { process } of [...receiving, ...publishing]) {
    await process.stdin.close();
    await process.status;
  }
  return {
    published: total / spent,
    delivered: subscribers === 0 ? 0 : subscribers * total / Math.max(...received),
    cpu: used * 1_000 / total,
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

const thousands = (value: number) => `${(value / 1_000).toFixed(0)}k`.padStart(8);

async function throughput(servers: readonly Server[]): Promise<void> {
  console.log("size  pub:sub  server        published/s  delivered/s  CPU per message");
  for (const size of [16, 256, 4_096]) {
    for (const [publishers, subscribers] of [[1, 0], [1, 1], [1, 4], [4, 4]] as const) {
      const count = Math.floor((size === 4_096 ? 100_000 : 2_000_000) / Math.max(1, subscribers));
      const results = servers.map((): Result[] => []);
      for (let round = 0; round < rounds; round++) {
        for (const [i, server] of servers.entries()) {
          results[i]!.push(await measure(server, publishers, subscribers, count, size));
        }
      }
      for (const [i, server] of servers.entries()) {
        const of = (pick: (result: Result) => number) => median(results[i]!.map(pick));
        const rates = `${thousands(of((r) => r.published))}     ${thousands(of((r) => r.delivered))}`;
        const start = `${String(size).padEnd(5)} ${publishers}:${subscribers}      ${server.name.padEnd(12)}`;
        console.log(`${start}  ${rates}         ${of((r) => r.cpu).toFixed(2)} us`);
      }
    }
  }
}

async function memory(server: Server): Promise<void> {
  const before = residentOf(server.pid);
  const load = run("nats_load.ts", [String(server.port), "idle", String(idleCount)]);
  await load.line();
  const after = residentOf(server.pid);
  const each = Math.round((after - before) / idleCount);
  console.log(
    `${server.name}: ${(before / 1e6).toFixed(0)} MB; with ${idleCount} idle connections ${
      (after / 1e6).toFixed(0)
    } MB, ${each} bytes each`,
  );
  await load.process.stdin.close();
  await load.process.status;
}

const servers = [await startOurs(), ...(natsServerPath === undefined ? [] : [await startReal()])];
try {
  if (rounds > 0) await throughput(servers);
  if (idleCount > 0) { for (const server of servers) await memory(server); }
} finally {
  for (const server of servers) await server.stop();
}
