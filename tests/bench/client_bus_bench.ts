/**
 * How fast the bus to an external NATS server publishes and receives 256-byte messages, beside the bare library.
 *
 *     deno run -A tests/bench/client_bus_bench.ts [messages]
 *
 * Needs a real nats-server on PATH. Rates are medians of five rounds; CPU is this process's own per message.
 */
import { connect } from "@nats-io/transport-node";
import { connectBus } from "../../src/nats/client/mod.ts";
import { silentLog } from "../../src/ports/log.ts";
import type { MessageBus } from "../../src/ports/message_bus.ts";
import { systemClock, systemNetwork, systemRandom } from "../../src/system/mod.ts";
import { startNatsServer } from "../support/nats_server.ts";

const count = Number(Deno.args[0] ?? 1_000_000);
const rounds = 5;
const payload = new Uint8Array(256).fill(0x78);
const subject = new TextEncoder().encode("bench.subject");
const ports = { network: systemNetwork(), clock: systemClock(), random: systemRandom(), log: silentLog };

/** With `send <url>` as further arguments this is the process that feeds the receiver. */
const sendTo = Deno.args[1] === "send" ? Deno.args[2]! : undefined;
const server = sendTo === undefined ? await startNatsServer() : undefined;
const servers = [sendTo ?? `nats://127.0.0.1:${server!.port}`];

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Publishes as fast as the bus takes it; a turn's pause wherever it refuses. */
async function publishAll(bus: MessageBus): Promise<void> {
  for (let i = 0; i < count;) {
    // Pauses of a turn every 2,000 messages, as a server that also reads would make them.
    for (let burst = 0; burst < 2000 && i < count; burst++, i++) {
      if (bus.publish(subject, payload)) continue;
      i--;
      break;
    }
    await turn();
  }
  await bus.flush();
}

async function publishing(): Promise<void> {
  const bus = await connectBus({ servers, name: "bench" }, ports);
  await publishAll(bus);
  await bus.close();
}

/** Another process publishes, so that only receiving is this one's work. */
async function receiving(): Promise<void> {
  const bus = await connectBus({ servers, name: "bench" }, ports);
  let left = count;
  // The clock starts with the first message, not with the other process.
  let end: (() => { rate: number; cpu: number }) | undefined;
  const done = Promise.withResolvers<void>();
  bus.subscribe("bench.subject", () => {
    end ??= measure();
    if (--left === 0) done.resolve();
  });
  await bus.flush();
  const sender = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename!, String(count), "send", servers[0]!],
    stdout: "null",
  }).spawn();
  await done.promise;
  report("receive 256 B", end!());
  await sender.status;
  await bus.close();
}

async function libraryPublishing(): Promise<void> {
  const connection = await connect({ servers: servers[0]! });
  for (let i = 0; i < count; i++) {
    connection.publish("bench.subject", payload);
    if (i % 2000 === 0) await turn();
  }
  await connection.flush();
  await connection.close();
}

const seen = new Map<string, { rate: number; cpu: number }[]>();

function measure(): () => { rate: number; cpu: number } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  return () => {
    const used = process.cpuUsage(cpu);
    return { rate: count / (performance.now() - start) * 1000, cpu: (used.user + used.system) / count };
  };
}

function report(name: string, figure: { rate: number; cpu: number }): void {
  seen.set(name, [...seen.get(name) ?? [], figure]);
}

if (sendTo !== undefined) {
  await publishing();
  Deno.exit();
}
for (let round = 0; round < rounds; round++) {
  let end = measure();
  await publishing();
  report("publish 256 B", end());
  end = measure();
  await libraryPublishing();
  report("publish 256 B, library alone", end());
  await receiving();
}
for (const [name, figures] of seen) {
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  const rate = median(figures.map((figure) => figure.rate));
  const cpu = median(figures.map((figure) => figure.cpu));
  console.log(`${name.padEnd(30)} ${(rate / 1e6).toFixed(2)} M/s   ${cpu.toFixed(2)} us of CPU a message`);
}
await server!.stop();
