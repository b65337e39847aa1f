import assert from "node:assert/strict";
import { ListReplica } from "../../tests/support/raft_cluster.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { StoreFailed } from "../ports/store.ts";
import { encodeOperations } from "../protocol/operation_codec.ts";
import type { Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import type { Awaitable } from "../protocol/units.ts";
import { Applying } from "./applying.ts";
import type { Entry } from "./core/mod.ts";
import { Proposals } from "./proposals.ts";

const NOBODY = { index: 0, membership: { members: [] } };

function entry(index: number): Entry {
  const payload = encodeOperations([{ kind: "disconnect", clientId: `c${index}` }]);
  return { kind: "operations", index, term: 1, payload };
}

function messages(index: number): Entry {
  const nothing = { count: 0, bytes: new Uint8Array(0), bounds: new Int32Array(0) };
  const payload = encodeOperations([{ kind: "publish", channel: "foo", time: 1n, messages: nothing }]);
  return { kind: "operations", index, term: 1, payload };
}

/** Takes its time. */
class SlowReplica extends ListReplica {
  finish: () => void = () => {};

  override apply(operations: readonly Operation[], index: number): never {
    return this.#later(operations, index) as never;
  }

  #later(operations: readonly Operation[], index: number): Awaitable<readonly Outcome[]> {
    return new Promise((resolve) => this.finish = () => resolve(super.apply(operations, index)));
  }
}

function applyingOf(replica: ListReplica) {
  const clock = new VirtualClock();
  const applied: number[] = [];
  const full: boolean[] = [];
  const applying = new Applying(replica, new Proposals(), clock, NOBODY, {
    applied: ({ index }) => applied.push(index),
    deleting() {},
    full: (is) => full.push(is),
    failed: (error) => {
      throw error;
    },
  });
  return { applying, clock, applied, full };
}

Deno.test("S3: what a snapshot covers is not applied on top of it, though it was committed and waited", async () => {
  const replica = new SlowReplica();
  const { applying, clock, applied } = applyingOf(replica);
  applying.release();
  applying.push([1, 2, 3, 4, 5, 6].map(entry));
  const held = applying.hold();
  replica.finish();
  await held;
  assert.deepEqual(applied, [1]);
  applying.replaced({ index: 4, term: 1, membership: NOBODY, identity: "" });
  applying.release();
  for (let i = 0; i < 2; i++) {
    replica.finish();
    await clock.advance(1);
  }
  assert.deepEqual(replica.applied, ["1:c1", "5:c5", "6:c6"]);
  assert.deepEqual(applied, [1, 5, 6]);
});

Deno.test("S3: who waits for an entry that a snapshot covers is answered", async () => {
  const { applying, clock } = applyingOf(new ListReplica());
  let reached = false;
  void applying.reached(4).then(() => reached = true);
  applying.replaced({ index: 4, term: 1, membership: NOBODY, identity: "" });
  await clock.advance(1);
  assert.ok(reached);
});

Deno.test("P6: entries that came meanwhile are not mixed into what is tried again", async () => {
  const replica = new ListReplica();
  const { applying, clock, full } = applyingOf(replica);
  const tried: number[] = [];
  const apply = replica.apply.bind(replica);
  replica.apply = (operations, index) => {
    tried.push(index);
    if (tried.length < 3) throw new StoreFailed("full", "no room");
    return apply(operations, index);
  };
  applying.release();
  applying.push([messages(1)]);
  applying.push([messages(2)]);
  await clock.advance(2000);
  assert.deepEqual(tried, [1, 1, 1, 2]);
  assert.deepEqual(full, [true, false, true, false]);
});
