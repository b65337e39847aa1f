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

/** A machine's snapshot, as one for another node is written. */
function snapshotOf(machine: Machine, now: number): Uint8Array {
  const writing = machine.beginSnapshot(now);
  while (writing.step());
  machine.endSnapshot();
  return writing.finish();
}

const REMEMBERING = { heartbeatInterval: 1, heartbeatTimeout: 1, heartbeatFailCount: 1, acknowledgeAgain: 5_000 };

function publishing(machine: Machine, index: number, now: number, ...guids: string[]): void {
  machine.apply({ kind: "publish", channel: "foo", time: 1n, messages: messages(...guids) }, index, now);
}

Deno.test("S2: a snapshot takes along what was published lately: who has the state by it knows that, too", () => {
  const machine = new Machine(REMEMBERING);
  machine.apply({ kind: "create channel", channel: "foo" }, 1, 0);
  publishing(machine, 2, 0, ...Array.from({ length: 5_000 }, (_, i) => `old ${i}`));
  publishing(machine, 3, 9_000, "a", "b-", "c");
  const other = new Machine(REMEMBERING);
  other.apply({ kind: "create channel", channel: "foo" }, 1, 0);
  publishing(other, 2, 0, "own");
  other.restore(snapshotOf(machine, 10_000), 100);
  publishing(other, 4, 100, "d");
  other.takeEffects();
  other.lead(200, 1n, () => 0n);
  const again = other.takeEffects().flatMap((each) => each.kind === "acknowledge" ? texts([each.messages]) : []);
  const news = ["a>reply.a>me", "c>reply.c>me", "d>reply.d>me"];
  assert.deepEqual(again.filter((each) => !each.startsWith("old")), ["own>reply.own>me", ...news]);
  const { keys } = other.knownPublishes(200);
  const known = () => [..."abcdef"].filter((guid) => keys.has(text("me"), 0, 2, text(guid), 0, 1));
  assert.deepEqual(known(), ["a", "c", "d"]);
  // As long after the snapshot's arrival as after a publish.
  assert.ok(!other.knownPublishes(5_101).keys.has(text("me"), 0, 2, text("a"), 0, 1));
});

Deno.test("S2: what was published lately makes a snapshot larger by a bound, and is no part of the state compared", () => {
  const [machine, other] = [new Machine(REMEMBERING), new Machine(REMEMBERING)];
  for (const each of [machine, other]) each.apply({ kind: "create channel", channel: "foo" }, 1, 0);
  const guids = Array.from({ length: 1_000 }, (_, i) => `guid-of-22-characters-${i}`);
  for (let i = 0; i < 100; i++) for (const each of [machine, other]) publishing(each, 2 + i, i, ...guids);
  const snapshot = snapshotOf(machine, 100);
  assert.ok(snapshot.length > 1_000_000 && snapshot.length < 2.2 * 1024 * 1024, `${snapshot.length} bytes`);
  const bare = machine.snapshot();
  assert.ok(bare.length < 100);
  // What earlier releases wrote, who knew of no such part, and what they read of this one's.
  const restored = new Machine(REMEMBERING);
  restored.restore(bare, 0);
  assert.deepEqual([restored.snapshot(), restored.knownPublishes(0).keys.has(text("me"), 0, 2, text("a"), 0, 1)], [
    bare,
    false,
  ]);
  restored.restore(snapshot, 0);
  assert.deepEqual(restored.snapshot(), bare);
  assert.deepEqual(other.snapshot(), bare);
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
