import assert from "node:assert/strict";
import type { Clock } from "../ports/clock.ts";
import { MsgProto } from "../protocol/client_messages.ts";
import type { Operation } from "../protocol/operations.ts";
import { openMemoryStore } from "../store/mod.ts";
import { Machine } from "../streaming/mod.ts";
import { Recorder } from "./recorder.ts";
import { Replica } from "./replica.ts";
import { packStored } from "./stored_form.ts";

const UNLIMITED = { maxSubscriptions: 0, maxMessages: 0, maxBytes: 0, maxAge: 0n, maxInactivity: 0n };
const LIMITS: Operation = { kind: "set limits", maxChannels: 0, channels: [{ pattern: ">", ...UNLIMITED }] };

/** A machine with so many channels, and a replica on a clock of which every look takes `look` ms. */
function setUp(channels: number, look: number) {
  const machine = new Machine({ heartbeatInterval: 1, heartbeatTimeout: 1, heartbeatFailCount: 1 });
  machine.apply(LIMITS, 1, 0);
  for (let i = 0; i < channels; i++) machine.apply({ kind: "create channel", channel: `foo.${i}` }, 2 + i, 0);
  machine.takeEffects();
  /** Steps of each turn. */
  const turns: number[] = [0];
  const begin = machine.beginSnapshot.bind(machine);
  machine.beginSnapshot = (now, firstOf) => {
    const writing = begin(now, firstOf);
    const step = writing.step.bind(writing);
    writing.step = () => {
      turns[turns.length - 1]!++;
      return step();
    };
    return writing;
  };
  let now = 0;
  let betweenTurns = () => {};
  const clock = {
    now: () => now += look,
    soon(run: () => void) {
      turns.push(0);
      betweenTurns();
      queueMicrotask(run);
    },
  } as unknown as Clock;
  const replica = new Replica(
    { machine, clock, outbound: { reportNow() {} }, recorder: { channels: new Map() } } as never,
  );
  return { machine, replica, turns, eachTurn: (run: () => void) => betweenTurns = run };
}

Deno.test("TS71: a large state is written a little each turn, and is the state as of the call whatever is applied meanwhile", async () => {
  const { machine, replica, turns, eachTurn } = setUp(5_000, 0);
  const expected = machine.snapshot();
  let index = 10_000;
  eachTurn(() => {
    const n = index++;
    machine.apply({ kind: "create channel", channel: `bar.${n}` }, n, 0);
    machine.apply({ kind: "expire", channel: `foo.${n % 5_000}`, incarnation: 2 + (n % 5_000), first: 1 }, n, 0);
    machine.apply(
      { kind: "delete channel", channel: `foo.${4_999 - (n % 100)}`, incarnation: 5_001 - (n % 100), last: 0 },
      n,
      0,
    );
  });
  assert.deepEqual(await replica.snapshot(), expected);
  assert.ok(turns.length > 70, `${turns.length} turns`);
  assert.ok(Math.max(...turns) <= 64, `${Math.max(...turns)} steps in one turn`);
  assert.ok(machine.state.channels.size > 4_900);
});

Deno.test("TS71: where a step takes long, a turn has fewer of them", async () => {
  const { replica, turns } = setUp(200, 2);
  await replica.snapshot();
  assert.ok(Math.max(...turns.slice(1)) <= 3, `${Math.max(...turns.slice(1))} steps in one turn`);
});

const warnings: string[] = [];

function emptyRecorder(): Recorder {
  const store = openMemoryStore({ limits: { maxChannels: 0, global: UNLIMITED } });
  return new Recorder(store, () => {}, () => {}, (text) => warnings.push(text));
}

/** A replica with a channel, and what its store holds: nothing, or what an earlier one left. */
async function storing(recorder = emptyRecorder()) {
  const machine = new Machine({ heartbeatInterval: 1, heartbeatTimeout: 1, heartbeatFailCount: 1 });
  const replica = new Replica({
    machine,
    clock: { now: () => 0 },
    outbound: { perform() {}, takeRefused: () => [] },
    recorder,
    listener: { published() {} },
  } as never);
  await replica.apply([{ kind: "create channel", channel: "foo" }], 1);
  const messages = () => recorder.channels.get("foo")!.messages;
  const held = () => {
    const held: string[] = [];
    messages().read(1, messages().last, 1e9, (sequence, buffer, start, end) => {
      const { data, timestamp } = MsgProto.decode(buffer, start, end);
      held.push(`${sequence} ${new TextDecoder().decode(data)}@${timestamp}`);
      return true;
    });
    return held;
  };
  return { replica, recorder, held };
}

function publishOf(text: string, time: bigint): Operation {
  const fields = MsgProto.encode({ subject: "foo", data: new TextEncoder().encode(text) });
  return { kind: "publish", channel: "foo", time, messages: packStored([fields]) };
}

Deno.test("a channel's time does not go back: not in one batch, and not where its messages are all gone", async () => {
  const { replica, recorder, held } = await storing();
  await replica.apply([publishOf("a", 200n), publishOf("b", 150n)], 2);
  assert.deepEqual(held(), ["1 a@200", "2 b@200"]);
  recorder.evictBefore("foo", 3);
  await replica.apply([publishOf("c", 160n), publishOf("d", 300n), publishOf("e", 170n)], 3);
  assert.deepEqual(held(), ["3 c@200", "4 d@300", "5 e@300"]);
});

Deno.test("what is applied again is known by the time that it got, also where the one before it is gone", async () => {
  const { replica, recorder, held } = await storing();
  const batches = [[publishOf("a", 100n)], [publishOf("b", 200n), publishOf("c", 150n)], [publishOf("d", 160n)]];
  for (const [i, batch] of batches.entries()) await replica.apply(batch, 2 + i);
  recorder.evictBefore("foo", 3);
  const started = await storing(recorder);
  for (const [i, batch] of batches.entries()) await started.replica.apply(batch, 2 + i);
  assert.deepEqual([held(), warnings], [["3 c@200", "4 d@200"], []]);
});

Deno.test("a small state is written at once", () => {
  const { machine, replica } = setUp(10, 0);
  assert.deepEqual(replica.snapshot(), machine.snapshot());
});
