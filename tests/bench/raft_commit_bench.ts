/** Commit rate and latency of three Raft journals in one process, on real files, over buses in memory. */
import process from "node:process";
import type { Replica } from "../../src/ports/journal.ts";
import { silentLog } from "../../src/ports/log.ts";
import type { Operation, Publish } from "../../src/protocol/operations.ts";
import { MARKS } from "../../src/protocol/operations.ts";
import { openRaftJournal, type RaftJournal } from "../../src/raft/mod.ts";
import { systemClock } from "../../src/system/clock.ts";
import { systemFiles } from "../../src/system/files.ts";
import { systemRandom } from "../../src/system/random.ts";
import { MemoryNet } from "../support/memory_bus.ts";

const SIZE = 256;

function batchOf(count: number): Publish {
  const bytes = new Uint8Array(count * (SIZE + 60));
  const bounds = new Int32Array(count * MARKS);
  for (let i = 0; i < count; i++) {
    const at = i * (SIZE + 60);
    bounds.set([at, at + SIZE + 10, at + SIZE + 32, at + SIZE + 50, at + SIZE + 60], i * MARKS);
  }
  return { kind: "publish", channel: "foo", time: 1n, messages: { count, bytes, bounds } };
}

function counter(): Replica & { applied: number; leads: boolean } {
  return {
    applied: 0,
    leads: false,
    apply(operations: readonly Operation[]) {
      this.applied += operations.length;
      return operations.map(() => ({ kind: "done" as const }));
    },
    learn() {},
    lead() {
      this.leads = true;
    },
    follow() {
      this.leads = false;
    },
    snapshot: () => new Uint8Array(0),
    restore() {},
    holding: () => undefined,
    readMessages: (_c, _from, to) => to + 1,
  };
}

async function run(sync: boolean): Promise<void> {
  const clock = systemClock();
  const net = new MemoryNet(clock);
  const directory = Deno.makeTempDirSync(Deno.args[0] === undefined ? {} : { dir: Deno.args[0] });
  const peers = ["a", "b", "c"];
  const journals: RaftJournal[] = [];
  const replicas = peers.map(counter);
  for (const [i, nodeId] of peers.entries()) {
    const journal = openRaftJournal({
      clusterId: "bench",
      nodeId,
      peers,
      sync,
      logPath: `${directory}/${nodeId}`,
      store: { recovered: false, nodeId: "" },
    }, {
      openBus: (role) => net.connect(`${nodeId}-${role}`),
      files: systemFiles(),
      clock,
      random: systemRandom(),
      log: silentLog,
      onFatal: (reason) => console.error(reason),
    });
    journals.push(journal);
    await journal.start(replicas[i]!);
  }
  while (!replicas.some((replica) => replica.leads)) await pause(20);
  const leader = journals[replicas.findIndex((replica) => replica.leads)]!;
  for (const [count, window] of [[1, 1], [1, 64], [64, 4], [256, 4], [1024, 4]] as const) {
    await measure(leader, batchOf(count), count, window, sync);
  }
  for (const journal of journals) await journal.stop();
  Deno.removeSync(directory, { recursive: true });
}

async function measure(
  leader: RaftJournal,
  batch: Publish,
  count: number,
  window: number,
  sync: boolean,
): Promise<void> {
  const times: number[] = [];
  const end = performance.now() + 2000;
  const begun = performance.now();
  const cpu = cpuMicros();
  const worker = async () => {
    while (performance.now() < end) {
      const at = performance.now();
      await leader.commit([batch]);
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: window }, worker));
  const seconds = (performance.now() - begun) / 1000;
  times.sort((a, b) => a - b);
  const messages = times.length * count;
  const used = (cpuMicros() - cpu) / messages;
  console.log(
    `sync=${sync} ${count} messages a commit, ${window} at once: ${Math.round(times.length / seconds)} commits/s, ` +
      `${Math.round(messages / seconds)} messages/s, median ${times[times.length >> 1]!.toFixed(2)} ms, ` +
      `p99 ${times[Math.floor(times.length * 0.99)]!.toFixed(2)} ms, ${
        used.toFixed(2)
      } us CPU a message (all three nodes)`,
  );
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

await run(true);
await run(false);
Deno.exit(0);
