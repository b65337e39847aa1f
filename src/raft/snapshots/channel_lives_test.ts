import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { MemoryNet } from "../../../tests/support/memory_bus.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import { encodeOperations } from "../../protocol/operation_codec.ts";
import type { Operation } from "../../protocol/operations.ts";
import { Wal } from "../log/mod.ts";
import { type BulkRequest, encodeRequest, readAnswer } from "./bulk_format.ts";
import { BulkService, type BulkServiceParts } from "./bulk_service.ts";
import { ChannelLives } from "./channel_lives.ts";

const NOTHING = "nothing";

/** A log of these operations, from entry 1 on; {@link NOTHING} stands for an entry that holds none. */
function logOf(...operations: (Operation | typeof NOTHING)[]): Wal {
  const wal = new Wal(new MemoryFiles(), "/log", { identity: new Uint8Array(16) });
  add(wal, ...operations);
  return wal;
}

function add(wal: Wal, ...operations: (Operation | typeof NOTHING)[]): void {
  for (const operation of operations) {
    const index = wal.lastIndex + 1;
    if (operation === NOTHING) wal.append([{ index, term: 1, kind: 2, payload: new Uint8Array(0) }]);
    else wal.append([{ index, term: 1, kind: 0, payload: encodeOperations([operation]) }]);
  }
}

function made(channel: string): Operation {
  return { kind: "create channel", channel };
}

function deleted(channel: string, incarnation: number, last = 3): Operation {
  return { kind: "delete channel", channel, incarnation, last };
}

Deno.test("the log tells where an incarnation is deleted, and of what is stored whether it can only be of one", () => {
  const wal = logOf(NOTHING, made("foo"), made("bar"), deleted("foo", 2), made("foo"));
  const lives = new ChannelLives(() => wal);
  assert.deepEqual([lives.deletion("foo", 2), lives.deletion("foo", 5), lives.deletion("bar", 3)], [
    4,
    undefined,
    undefined,
  ]);
  assert.equal(lives.view("bar", 3, 0), "only");
  assert.equal(lives.view("foo", 5, 0), "unclear", "it may be the first foo's");
  assert.equal(lives.view("foo", 5, 4), "only", "the first one was deleted before the state");
  assert.equal(lives.view("bar", 5, 0), "none", "entry 5 makes another one");
  assert.equal(lives.view("bar", 6, 0), "none");
  add(wal, deleted("foo", 5), deleted("bar", 3));
  assert.deepEqual([lives.deletion("foo", 5), lives.deletion("bar", 3)], [6, 7]);
});

Deno.test("entries that are replaced or cut off count no more", () => {
  const wal = logOf(made("foo"), deleted("foo", 1), made("foo"), deleted("foo", 3), NOTHING);
  const lives = new ChannelLives(() => wal);
  assert.equal(lives.deletion("foo", 3), 4);
  wal.cut(2);
  assert.deepEqual([lives.deletion("foo", 1), lives.deletion("foo", 3)], [undefined, 4]);
  assert.equal(lives.view("foo", 1, 0), "unclear", "what is behind the base the log does not tell");
  wal.append([{ index: 4, term: 2, kind: 2, payload: new Uint8Array(0) }]);
  assert.equal(lives.deletion("foo", 3), undefined);
});

/** What a node answers whose state is as of `stateIndex`, knows `known` and whose store holds three messages of foo. */
async function answer(wal: Wal, stateIndex: number, known: number | undefined, incarnation: number): Promise<string> {
  const clock = new VirtualClock();
  const net = new MemoryNet(clock);
  const parts = {
    bus: net.connect("server"),
    clusterId: "c",
    nodeId: "a",
    lives: new ChannelLives(() => wal),
    clock,
    identity: () => "x",
    work: () => 0,
    stateIndex: () => stateIndex,
    replica: {
      knows: (_: string, asked: number) => known === asked,
      holding: (_: string, asked: number) => (known ?? asked) === asked ? { first: 1, last: 3 } : undefined,
    },
  };
  const service = new BulkService(parts as unknown as BulkServiceParts);
  const request: BulkRequest = { what: "holding", channel: "foo", incarnation };
  const asked = net.connect("client").request("_STAN.raft.c.n.a.s", encodeRequest("c", "x", request), 100);
  let isOver = false;
  void asked.then(() => isOver = true);
  await clock.until(() => isOver, 1000, "an answer");
  service.close();
  const reply = await asked;
  if (reply.kind !== "reply") return "silence";
  const { status, body } = readAnswer(reply.payload);
  if (status === "gone") return body.done ? "gone" : "deleted";
  return `${body.number()} to ${body.number()}`;
}

Deno.test("what a store holds of a channel that the state has not come to is handed out only where it is certain whose it is", async () => {
  const wal = logOf(NOTHING, made("foo"), deleted("foo", 2), made("foo"));
  assert.equal(await answer(wal, 4, 4, 4), "1 to 3");
  assert.equal(await answer(wal, 0, undefined, 4), "silence", "of the first foo, or of the second");
  assert.equal(await answer(wal, 2, 2, 4), "silence", "it is the first foo's in this state");
  assert.equal(await answer(wal, 3, undefined, 4), "1 to 3", "there was none when the second was made");
  assert.equal(await answer(wal, 4, 4, 9), "gone", "of a foo that this log does not know");
  assert.equal(await answer(wal, 0, undefined, 9), "gone");
});

Deno.test("a node whose state went past a channel says that it was deleted", async () => {
  const wal = logOf(NOTHING, made("foo"), deleted("foo", 2), made("foo"));
  assert.equal(await answer(wal, 4, 4, 2), "deleted");
  assert.equal(await answer(wal, 3, undefined, 2), "deleted");
});
