import assert from "node:assert/strict";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { WhenSpeaking } from "./when_speaking.ts";

function setUp(leading: boolean, speaking: boolean) {
  const outbound = { leading, speaking };
  const clock = new VirtualClock();
  const when = new WhenSpeaking(outbound, clock);
  const said: string[] = [];
  return { outbound, clock, said, say: (text: string) => when.run(() => void said.push(text)) };
}

Deno.test("who may speak says it at once, who does not lead never", () => {
  const { outbound, said, say } = setUp(true, true);
  say("now");
  outbound.leading = outbound.speaking = false;
  say("never");
  assert.deepEqual(said, ["now"]);
});

Deno.test("a leader without a lease says it when it has one, in order", async () => {
  const { outbound, clock, said, say } = setUp(true, false);
  say("one");
  await clock.advance(500);
  say("two");
  assert.deepEqual(said, []);
  outbound.speaking = true;
  await clock.advance(30);
  assert.deepEqual(said, ["one", "two"]);
  outbound.speaking = false;
  say("three");
  outbound.speaking = true;
  await clock.advance(30);
  assert.deepEqual(said, ["one", "two", "three"]);
});

Deno.test("a leader that is none any more keeps it to itself, whatever it becomes later", async () => {
  const { outbound, clock, said, say } = setUp(true, false);
  say("one");
  outbound.leading = false;
  await clock.advance(30);
  outbound.leading = outbound.speaking = true;
  await clock.advance(30);
  assert.deepEqual(said, []);
});

Deno.test("what nobody waits for any more is not said", async () => {
  const { outbound, clock, said, say } = setUp(true, false);
  say("old");
  await clock.advance(1_990);
  say("young");
  await clock.advance(100);
  outbound.speaking = true;
  await clock.advance(30);
  assert.deepEqual(said, ["young"]);
});

Deno.test("only so much waits", async () => {
  const { outbound, clock, said, say } = setUp(true, false);
  for (let i = 0; i < 10_050; i++) say("");
  outbound.speaking = true;
  await clock.advance(30);
  assert.equal(said.length, 10_000);
});
