/** One state replaces another: never two at once, and nothing is applied to a state that is not whole. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { silentLog } from "../ports/log.ts";
import { Abandoned, type Snapshot } from "./snapshots/mod.ts";
import { Snapshotting, type SnapshottingParts } from "./snapshotting.ts";

function snapshotOf(index: number): Snapshot {
  const membership = { index: 0, membership: { members: [] } };
  return { mark: { index, term: 1, membership, identity: "x" }, state: new TextEncoder().encode(`state ${index}`) };
}

/** A node whose own snapshot is 10; what happens is written down. */
function node() {
  const events: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const member = { doubtful: false };
  const state = { stopped: false };
  const raft = {
    setElectable: (may: boolean) => events.push(`electable ${may}`),
    mayInstall: () => true,
    snapshotInstalled: ({ index }: { index: number }) => events.push(`installed ${index}`),
    snapshotFailed: () => events.push("failed"),
    snapshotTaken: ({ index }: { index: number }) => events.push(`took ${index}`),
  };
  const parts = {
    options: { snapshotEntries: 100, snapshotBytes: 1000 },
    directory: {
      snapshot: snapshotOf(10),
      member,
      wal: { term: () => 1 },
      report: { tell() {} },
      updateMember: (changes: object) => Object.assign(member, changes),
      snapshots: { write: ({ mark }: Snapshot) => Promise.resolve(events.push(`wrote ${mark.index}`)) },
    },
    node: { poke: (run: (raft: unknown) => unknown) => run(raft) },
    applying: {
      membership: snapshotOf(0).mark.membership,
      hold: () => Promise.resolve(),
      release: () => events.push("release"),
      replaced() {},
    },
    replica: {
      restore(bytes: Uint8Array) {
        const state = new TextDecoder().decode(bytes);
        events.push(`begin ${state}`);
        const wait = Promise.withResolvers<void>();
        waiting.set(state, wait);
        return wait.promise.then(() => events.push(`end ${state}`));
      },
      snapshot: () => new Uint8Array(),
      doubt: () => events.push("doubt"),
      endDoubt: () => events.push("end of doubt"),
      settle() {},
    },
    backfill: {
      snapshot: ({ index }: { index: number }) => Promise.resolve(snapshotOf(index)),
      snapshotKept() {},
      interrupt: () => waiting.get("state 10")?.reject(new Abandoned("newer")),
    },
    digests: { clear() {}, note() {} },
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    log: silentLog,
    pinned: () => undefined,
    stopped: () => state.stopped,
    failed: (error: unknown) => events.push(`failed: ${error}`),
  };
  const snapshotting = new Snapshotting(parts as unknown as SnapshottingParts);
  const settle = async () => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  return { events, waiting, member, state, snapshotting, settle };
}

/** As {@link node}, once its own snapshot is its state. */
async function recovered(): Promise<ReturnType<typeof node>> {
  const made = node();
  void made.snapshotting.recover();
  await made.settle();
  made.waiting.get("state 10")!.resolve();
  await made.settle();
  return made;
}

Deno.test("a newer snapshot takes the place of one whose messages cannot be had; nothing is applied before it is whole", async () => {
  const { events, waiting, snapshotting, settle } = node();
  void snapshotting.recover();
  await settle();
  void snapshotting.install("b", snapshotOf(50).mark);
  await settle();
  assert.deepEqual(events, ["electable false", "begin state 10", "doubt", "begin state 50"]);
  waiting.get("state 50")!.resolve();
  await settle();
  assert.deepEqual(events.slice(4), ["end state 50", "wrote 50", "installed 50", "electable true", "release"]);
});

Deno.test("a snapshot waits until another one is in place", async () => {
  const { events, waiting, snapshotting, settle } = await recovered();
  void snapshotting.install("b", snapshotOf(50).mark);
  void snapshotting.install("b", snapshotOf(60).mark);
  await settle();
  assert.deepEqual(events.slice(2), ["end state 10", "electable true", "release", "doubt", "begin state 50"]);
  waiting.get("state 50")!.resolve();
  await settle();
  assert.equal(events[events.length - 1], "begin state 60");
});

Deno.test("doubt is not ended while a state is being replaced: it would be that one's", async () => {
  const { events, waiting, member, snapshotting, settle } = await recovered();
  void snapshotting.install("b", snapshotOf(50).mark);
  await settle();
  assert.equal(member.doubtful, true);
  void snapshotting.endDoubt();
  await settle();
  assert.ok(!events.includes("end of doubt"));
  waiting.get("state 50")!.resolve();
  await settle();
  assert.equal(member.doubtful, false);
  assert.ok(!events.includes("end of doubt"));
  member.doubtful = true;
  void snapshotting.endDoubt();
  await settle();
  assert.deepEqual([events.slice(-2), member.doubtful], [["end of doubt", "release"], false]);
});

Deno.test("doubt ends with a snapshot of this node's own: it needs nobody else to go on from that", async () => {
  const { events, member, snapshotting, settle } = await recovered();
  member.doubtful = true;
  await snapshotting.take(20);
  await settle();
  assert.deepEqual([events.slice(-4), member.doubtful], [["wrote 20", "took 20", "end of doubt", "release"], false]);
});

Deno.test("a node that stops while a snapshot is put in place says no more of it: its log is not written to any more", async () => {
  const { events, waiting, state, snapshotting, settle } = await recovered();
  void snapshotting.install("b", snapshotOf(50).mark);
  await settle();
  waiting.get("state 50")!.resolve();
  for (let i = 0; i < 50 && !events.includes("wrote 50"); i++) await Promise.resolve();
  state.stopped = true;
  await settle();
  assert.equal(events.at(-1), "wrote 50");
});
