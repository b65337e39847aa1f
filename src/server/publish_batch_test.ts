import assert from "node:assert/strict";
import { PubMsg } from "../protocol/client_messages.ts";
import { MARKS, type Operation, type Publish } from "../protocol/operations.ts";
import { type Outcome, refused } from "../protocol/outcomes.ts";
import { PubMsgOffsets } from "../protocol/publish_request.ts";
import { PublishBatch } from "./publish_batch.ts";

const encoder = new TextEncoder();

/** Adds a message to a channel; its guid is its text. */
function add(batch: PublishBatch, channel: string, text: string): void {
  const buffer = PubMsg.encode({ clientId: "me", guid: text, subject: channel, data: encoder.encode(text) });
  const offsets = new PubMsgOffsets();
  assert.ok(offsets.decode(buffer, 0, buffer.length));
  batch.add(channel, buffer, offsets, 0, 0, encoder.encode("me"));
}

/** The guids of a publish, in order. */
function guids({ messages: { count, bytes, bounds } }: Publish): string {
  const texts: string[] = [];
  for (let i = 0; i < count * MARKS; i += MARKS) {
    texts.push(new TextDecoder().decode(bytes.subarray(bounds[i + 1], bounds[i + 2])));
  }
  return texts.join(" ");
}

function shown(operations: readonly Operation[]): string[] {
  return operations.map((operation) => {
    if (operation.kind === "create channel") return `create ${operation.channel}`;
    assert.ok(operation.kind === "publish");
    return `${operation.channel}: ${guids(operation)}`;
  });
}

const none = () => false;
const all = () => true;

Deno.test("messages of one channel are one publish, in order of arrival, under one time", () => {
  const batch = new PublishBatch(10);
  for (const text of ["a", "b", "c"]) add(batch, "foo", text);
  assert.equal(batch.count, 3);
  const operations = batch.operations(7n, none);
  assert.deepEqual(shown(operations), ["foo: a b c"]);
  assert.equal((operations[0] as Publish).time, 7n);
});

Deno.test("messages of several channels are dealt out, channels in order of first use", () => {
  const batch = new PublishBatch(10);
  for (const [channel, text] of [["foo", "1"], ["bar", "2"], ["foo", "3"], ["baz", "4"], ["bar", "5"]] as const) {
    add(batch, channel, text);
  }
  assert.deepEqual(shown(batch.operations(1n, none)), ["foo: 1 3", "bar: 2 5", "baz: 4"]);
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => batch.channels[batch.placeOf(i)]), ["foo", "bar", "foo", "baz", "bar"]);
  assert.equal(batch.packed().count, 5);
});

Deno.test("the creation of a channel comes right before its publish", () => {
  const batch = new PublishBatch(10);
  add(batch, "foo", "1");
  add(batch, "bar", "2");
  assert.deepEqual(shown(batch.operations(1n, (channel) => channel === "bar")), ["foo: 1", "create bar", "bar: 2"]);
});

const created: Outcome = { kind: "channel created", incarnation: 1 };
const published: Outcome = { kind: "published", first: 1, count: 1 };

Deno.test("a channel that cannot be created refuses its own messages and no others", () => {
  const full = refused("too many channels");
  const unknown = refused("unknown channel");
  for (
    const [isNew, outcomes, expected] of [
      [all, [created, published, full, unknown, created, published], [published, full, published]],
      [all, [full, unknown, created, published, full, unknown], [full, published, full]],
      [none, [published, unknown, published], [published, unknown, published]],
      [(name: string) => name === "b", [unknown, full, unknown, published], [unknown, full, published]],
    ] as const
  ) {
    const batch = new PublishBatch(10);
    for (const channel of ["a", "b", "c"]) add(batch, channel, channel);
    batch.operations(1n, isNew);
    assert.deepEqual([0, 1, 2].map((place) => batch.outcomeAt(place, outcomes)), expected);
  }
});

Deno.test("after reset it is empty and may be used again", () => {
  const batch = new PublishBatch(10);
  add(batch, "foo", "old");
  batch.operations(1n, all);
  batch.reset();
  assert.deepEqual([batch.count, batch.size, batch.channels.length], [0, 0, 0]);
  add(batch, "bar", "new");
  add(batch, "foo", "more");
  assert.deepEqual(shown(batch.operations(2n, none)), ["bar: new", "foo: more"]);
});
