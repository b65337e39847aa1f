import assert from "node:assert/strict";
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { Machine } from "./machine.ts";
import { RecentPublishes } from "./recent_publishes.ts";

/** Messages with these guids; an empty reply where the guid ends in `-`. */
function messages(...guids: string[]): PackedMessages {
  let text = "";
  const bounds: number[] = [];
  for (const guid of guids) {
    for (const part of ["fields", guid, guid.endsWith("-") ? "" : `reply.${guid}`, "me"]) {
      bounds.push(text.length);
      text += part;
    }
    bounds.push(text.length);
  }
  return { count: guids.length, bytes: new TextEncoder().encode(text), bounds: Int32Array.from(bounds) };
}

/** `guid>reply>client` of each message. */
function texts(packed: readonly PackedMessages[]): string[] {
  const decoder = new TextDecoder();
  return packed.flatMap(({ count, bytes, bounds }) =>
    Array.from(
      { length: count },
      (_, i) =>
        [1, 2, 3].map((mark) =>
          decoder.decode(bytes.subarray(bounds[i * MARKS + mark]!, bounds[i * MARKS + mark + 1]!))
        ).join(">"),
    )
  );
}

Deno.test("guid, reply and client of recent publishes are remembered, in order, without those nobody waits for", () => {
  const recent = new RecentPublishes(1_000);
  recent.add(messages("a", "b-", "c"), 0);
  recent.add(messages("d"), 500);
  assert.deepEqual(texts(recent.all(600)), ["a>reply.a>me", "c>reply.c>me", "d>reply.d>me"]);
});

Deno.test("nothing is remembered longer than the span after the newest, or with a span of 0", () => {
  const recent = new RecentPublishes(1_000);
  recent.add(messages("a"), 0);
  assert.deepEqual(texts(recent.all(1_001)), []);
  const none = new RecentPublishes(0);
  none.add(messages("a"), 0);
  assert.deepEqual(texts(none.all(0)), []);
});

Deno.test("memory is bounded: the oldest are forgotten first", () => {
  const recent = new RecentPublishes(1_000_000);
  const batch = messages(...Array.from({ length: 1000 }, (_, i) => `guid-of-22-characters-${i}`));
  for (let i = 0; i < 1_300; i++) recent.add(batch, i);
  recent.add(messages("newest"), 1_300);
  const remembered = recent.all(1_300);
  assert.ok(remembered.length <= 256);
  assert.ok(recent.known(1_300).since > 0, "what was forgotten is told");
  const count = remembered.reduce((sum, each) => sum + each.count, 0);
  assert.ok(count > 800_000 && count < 1_100_000, `${count} remembered`);
  assert.equal(texts(remembered.slice(-1)).pop(), "newest>reply.newest>me");
});

Deno.test("a new leader acknowledges what was applied lately, whoever led then", () => {
  const settings = { heartbeatInterval: 1, heartbeatTimeout: 1, heartbeatFailCount: 1, acknowledgeAgain: 5_000 };
  const machine = new Machine(settings);
  machine.apply({ kind: "create channel", channel: "foo" }, 1, 0);
  machine.apply({ kind: "publish", channel: "foo", time: 1n, messages: messages("a", "b") }, 2, 0);
  machine.takeEffects();
  machine.lead(100, 1n, () => 0n);
  const again = machine.takeEffects().flatMap((each) => each.kind === "acknowledge" ? texts([each.messages]) : []);
  assert.deepEqual(again, ["a>reply.a>me", "b>reply.b>me"]);
});

Deno.test("F2: publishes are known by client and guid, those that are applied later too, for a while", () => {
  const recent = new RecentPublishes(1_000);
  recent.add(messages("a", "b-"), 0);
  const { keys, until } = recent.known(100);
  const known = () => [..."abcdef"].filter((guid) => keys.has(text("me"), 0, 2, text(guid), 0, 1));
  assert.deepEqual(known(), ["a"]);
  recent.add(messages("c", "d-"), 900);
  assert.deepEqual(known(), ["a", "c"]);
  assert.equal(until, 1_100);
  recent.add(messages("e"), 1_101);
  recent.add(messages("f"), 900);
  assert.deepEqual(known(), ["a", "c"]);
});

function text(ascii: string): Uint8Array {
  return new TextEncoder().encode(ascii);
}
