import assert from "node:assert/strict";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { silentLog } from "../ports/log.ts";
import { Delivering } from "./delivering.ts";

/** A Delivering whose neighbours only note what is asked of them. */
function lonely() {
  const clock = new VirtualClock();
  const outbound = { leading: true, speaking: true, perform() {} };
  const rounds: string[] = [];
  const channel = { messages: { first: 1 } };
  const parts = {
    clock,
    outbound,
    machine: { deliver: (name: string) => rounds.push(name), takeEffects: () => [] },
    recorder: { channels: new Map([["foo", channel], ["bar", channel]]) },
    bus: {},
    log: silentLog,
  };
  return { clock, outbound, rounds, delivering: new Delivering(parts as never) };
}

Deno.test("deliveries that the lease forbids are made once it is renewed", async () => {
  const { clock, outbound, rounds, delivering } = lonely();
  outbound.speaking = false;
  delivering.channels(["foo"]);
  delivering.channels(["foo", "bar"]);
  await clock.advance(500);
  assert.deepEqual(rounds, []);
  outbound.speaking = true;
  await clock.advance(20);
  assert.deepEqual(rounds, ["foo", "bar"]);
  await clock.advance(500);
  assert.deepEqual(rounds, ["foo", "bar"]);
  assert.equal(clock.nextAt, undefined);
});

Deno.test("deliveries of a server that does not lead are forgotten", async () => {
  const { clock, outbound, rounds, delivering } = lonely();
  outbound.speaking = false;
  delivering.channels(["foo"]);
  outbound.leading = false;
  await clock.advance(500);
  outbound.leading = outbound.speaking = true;
  await clock.advance(500);
  assert.deepEqual(rounds, []);
});
