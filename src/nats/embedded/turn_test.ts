import assert from "node:assert/strict";
import type { Outbox } from "./outbox.ts";
import { Turn } from "./turn.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";

function setUp() {
  const clock = new VirtualClock();
  const events: string[] = [];
  const turn = new Turn(clock);
  turn.onEnd(() => events.push("end"));
  const outbox = (name: string) => ({ dirty: false, flush: () => events.push(name) }) as unknown as Outbox;
  const read = (source: object, out?: Outbox) => {
    turn.begin(source);
    if (out !== undefined) turn.mark(out);
    turn.end();
  };
  return { clock, events, turn, outbox, read };
}

Deno.test("Turn ends a batch at once for the only busy connection, and with the turn for several", () => {
  const { clock, events, outbox, read } = setUp();
  const [a, b] = [{}, {}];
  const out = outbox("flush");
  for (let i = 0; i < 3; i++) {
    read(a, out);
    clock.runDue();
  }
  events.length = 0;
  read(a, out);
  assert.deepEqual(events, ["end", "flush"]);
  events.length = 0;
  read(b, out);
  read(a, out);
  assert.deepEqual(events, []);
  clock.runDue();
  assert.deepEqual(events, ["end", "flush"]);
});

Deno.test("Turn flushes each outbox once, after the listeners, with what they published", () => {
  const { clock, events, turn, outbox, read } = setUp();
  const [first, second] = [outbox("first"), outbox("second")];
  turn.onEnd(() => turn.mark(second));
  turn.begin({});
  turn.mark(first);
  turn.mark(first);
  turn.end();
  clock.runDue();
  assert.deepEqual(events, ["end", "first", "second"]);
  events.length = 0;
  read({});
  clock.runDue();
  assert.deepEqual(events, ["end", "second"]);
});

Deno.test("Turn flushes what is published outside of any batch with the turn", () => {
  const { clock, events, turn, outbox } = setUp();
  turn.mark(outbox("timer"));
  assert.deepEqual(events, []);
  clock.runDue();
  assert.deepEqual(events, ["end", "timer"]);
  const gone = () => assert.fail("nobody listens any more");
  turn.onEnd(gone);
  turn.offEnd(gone);
  turn.touch();
  assert.equal(clock.runDue(), true);
});
