import assert from "node:assert/strict";
import type { Lack } from "../../ports/journal.ts";
import { chooseSnapshot } from "./choosing.ts";

/** A snapshot of entry `index`, which names as many messages of the channel `foo`. */
function snapshot(index: number) {
  const membership = { index: 0, membership: { members: [] } };
  return { mark: { index, term: 1, membership, identity: "" }, state: Uint8Array.of(index) };
}

/** Of a store that holds the messages of `foo` up to `last`. */
function holding(last: number) {
  return ([to]: Uint8Array): Lack[] => to! <= last ? [] : [{ channel: "foo", from: last + 1, to: to! }];
}

const FOUND = [snapshot(130), snapshot(120), snapshot(110)];

Deno.test("the newest snapshot is it where the store lacks nothing", () => {
  assert.equal(chooseSnapshot(FOUND, 105, true, holding(130)), undefined);
});

Deno.test("P8: an older snapshot is it when the log behind it holds what the store lacks, alone or not", () => {
  for (const isAlone of [false, true]) {
    const choice = chooseSnapshot(FOUND, 105, isAlone, holding(125))!;
    assert.equal(choice.snapshot, FOUND[1]);
    assert.equal(
      choice.disagreed,
      'the store lacks messages that snapshot 130 names: channel "foo": messages 126 to 130',
    );
    assert.match(choice.done, /applied again from snapshot 120 on/);
    assert.equal(chooseSnapshot(FOUND, 0, isAlone, holding(0))!.snapshot, undefined, "the log is whole");
    // The log does not go back as far as the older ones.
    assert.equal(chooseSnapshot(FOUND, 125, isAlone, holding(125))!.snapshot, FOUND[0]);
  }
});

Deno.test("P8: what neither the log nor another node has is named, and as little as can be is given up", () => {
  const choice = chooseSnapshot(FOUND, 105, true, holding(0))!;
  assert.equal(choice.snapshot, FOUND[2]);
  assert.equal(
    choice.done,
    'neither the log nor another node holds what the store lacks, it is lost: channel "foo": messages 1 to 110',
  );
  assert.match(
    chooseSnapshot(FOUND, 105, true, holding(109))!.done,
    /it is lost: channel "foo": message 110$/,
  );
  assert.match(chooseSnapshot(FOUND, 105, false, holding(0))!.done, /fetched from other nodes/);
});

Deno.test("many channels are counted, not listed", () => {
  const lacks = Array.from({ length: 25 }, (_, i) => ({ channel: `c${i}`, from: 1, to: 1 }));
  const { done } = chooseSnapshot([snapshot(9)], 9, true, () => lacks)!;
  assert.match(done, /channel "c19": message 1, and 5 more channels$/);
});
