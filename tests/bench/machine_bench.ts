/**
 * How many messages a second the machine alone publishes, delivers and has acknowledged, in batches, with effects thrown
 * away. Usage: `deno run tests/bench/machine_bench.ts [seconds for each case]`.
 */
import { DEFAULT_LIMITS, Machine, type Subscription } from "../../src/streaming/mod.ts";

interface Case {
  readonly name: string;
  readonly batch: number;
  readonly subscribers: number;
  readonly queueGroup: string;
}

const CASES: readonly Case[] = [
  { name: "1 subscriber, batches of 1024", batch: 1024, subscribers: 1, queueGroup: "" },
  { name: "1 subscriber, batches of 64", batch: 64, subscribers: 1, queueGroup: "" },
  { name: "1 subscriber, one at a time", batch: 1, subscribers: 1, queueGroup: "" },
  { name: "4 subscribers, batches of 256", batch: 256, subscribers: 4, queueGroup: "" },
  { name: "group of 1, batches of 256", batch: 256, subscribers: 1, queueGroup: "g" },
  { name: "group of 4, batches of 256", batch: 256, subscribers: 4, queueGroup: "g" },
  { name: "group of 100, batches of 256", batch: 256, subscribers: 100, queueGroup: "g" },
];

const MESSAGES = { bytes: new Uint8Array(0), bounds: new Int32Array(0) };

/** A leading machine with one client and `subscribers` subscriptions on `foo`. */
function prepare({ subscribers, queueGroup }: Case): { machine: Machine; subscriptions: Subscription[] } {
  const machine = new Machine({ heartbeatInterval: 30_000, heartbeatTimeout: 10_000, heartbeatFailCount: 10 });
  machine.lead(0, 0n, () => 0n);
  machine.apply({ kind: "set limits", ...DEFAULT_LIMITS }, 1, 0);
  const settings = { protocol: 1, pingInterval: 5, pingMaxOut: 3, replace: false };
  machine.apply(
    { kind: "connect", clientId: "me", heartbeatInbox: "hb", connId: new Uint8Array(1), ...settings },
    2,
    0,
  );
  machine.apply({ kind: "create channel", channel: "foo" }, 3, 0);
  for (let i = 0; i < subscribers; i++) {
    machine.apply(
      {
        kind: "subscribe",
        clientId: "me",
        channel: "foo",
        queueGroup,
        inbox: `in${i}`,
        ackInbox: `ack${i}`,
        maxInFlight: 1024,
        ackWaitInSecs: 30,
        durableName: "",
        start: { kind: "new" },
        replaceDurable: false,
      },
      4 + i,
      0,
    );
  }
  const subscriptions = [...machine.state.channels.get("foo")!.subscriptions.values()];
  for (const each of subscriptions) machine.started(each, 0);
  machine.deliver("foo", 1, 0);
  machine.takeEffects();
  return { machine, subscriptions };
}

/** Publishes one batch, delivers it and acknowledges it; answers the number of deliveries. */
function turn(machine: Machine, batch: number, index: number, now: number): number {
  machine.apply({ kind: "publish", channel: "foo", time: 1n, messages: { count: batch, ...MESSAGES } }, index, now);
  machine.deliver("foo", 1, now);
  let delivered = 0;
  for (const effect of machine.takeEffects()) {
    if (effect.kind !== "deliver") continue;
    delivered += effect.sequences.length;
    for (const sequence of effect.sequences) machine.acknowledge(effect.subscription, sequence, now);
  }
  machine.takeEffects();
  return delivered;
}

function measure(each: Case, millis: number): void {
  const { machine } = prepare(each);
  let index = 1_000;
  const run = (until: number): { messages: number; deliveries: number } => {
    let messages = 0;
    let deliveries = 0;
    while (performance.now() < until) {
      for (let i = 0; i < 64; i++) {
        deliveries += turn(machine, each.batch, index, index);
        messages += each.batch;
        index++;
      }
    }
    return { messages, deliveries };
  };
  run(performance.now() + millis / 4);
  const start = performance.now();
  const { messages, deliveries } = run(start + millis);
  const seconds = (performance.now() - start) / 1_000;
  const rate = (count: number) => `${(count / seconds / 1e6).toFixed(2)} M/s`;
  console.log(`${each.name.padEnd(32)} ${rate(messages)} published, ${rate(deliveries)} delivered and acknowledged`);
}

for (const each of CASES) measure(each, 1_000 * Number(Deno.args[0] ?? 1));
