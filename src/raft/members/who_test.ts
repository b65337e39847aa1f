import assert from "node:assert/strict";
import { MemoryNet } from "../../../tests/support/memory_bus.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import { Presence, Who } from "./who.ts";

function pair() {
  const clock = new VirtualClock();
  const net = new MemoryNet(clock);
  const heard: string[] = [];
  const make = (nodeId: string) => {
    const self = () => Presence.complete({ nodeId, boot: `boot-${nodeId}`, identity: "0123456789abcdef" });
    return new Who(net.connect(nodeId), clock, "test", self, (other, isAnswer) => {
      heard.push(`${other.nodeId} ${other.boot} ${other.identity}${isAnswer ? "!" : ""}`);
    });
  };
  return { clock, net, heard, a: make("a"), b: make("b") };
}

Deno.test("what was damaged on the way is not taken for anybody's word", async () => {
  const { clock, net, heard, a } = pair();
  let bit = 0;
  net.fate = (_from, _to, _subject, payload) => {
    const damaged = payload.slice();
    damaged[(bit >> 3) % damaged.length]! ^= 1 << (bit & 7);
    bit++;
    return [{ payload: damaged, delay: 0, inOrder: true }];
  };
  for (let i = 0; i < 800; i++) a.ask("_INBOX.x");
  await clock.settle();
  assert.ok(bit >= 800);
  assert.deepEqual(heard, []);
  net.fate = undefined;
  a.ask("_INBOX.x");
  await clock.settle();
  assert.deepEqual(heard, ["a boot-a 0123456789abcdef"]);
});

Deno.test("who is asked by its boot id answers, or is not there", async () => {
  const { clock, heard, a, b } = pair();
  const answers = Promise.all([a.answers("boot-b"), a.answers("boot-c")]);
  await clock.advance(300);
  assert.deepEqual(await answers, [true, false]);
  assert.ok(heard.includes("b boot-b 0123456789abcdef!"));
  b.close();
  const again = a.answers("boot-b");
  await clock.advance(300);
  assert.equal(await again, false);
});
