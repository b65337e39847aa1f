import assert from "node:assert/strict";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { silentLog } from "../../ports/log.ts";
import { Backfill, type BackfillParts } from "./backfill.ts";
import { BulkAnswer } from "./bulk_format.ts";
import type { MembershipAt } from "../core/mod.ts";

function members(index: number, ids: string): MembershipAt {
  return { index, membership: { members: [...ids].map((id) => ({ id, incarnation: `${id}0`, voter: true })) } };
}

/** Whom node `c` asks for the snapshot at 10 that it is told of by `from`, and which none of them has. */
async function asked(
  { known, leader, from, told }: { known: MembershipAt; leader: string; from: string; told: MembershipAt },
): Promise<string> {
  const asked: string[] = [];
  const transport = {
    ask(id: string) {
      asked.push(id);
      return Promise.resolve({ kind: "reply", payload: new BulkAnswer("gone").take() });
    },
  };
  const backfill = new Backfill({
    transport: transport as unknown as BackfillParts["transport"],
    snapshots: { files: new MemoryFiles(), directory: "/snapshots" },
    replica: { readMessages: () => assert.fail("it reads its own") },
    ...{ clock: new VirtualClock(), log: silentLog, clusterId: "test", nodeId: "c", proceedOnFailure: false },
    ...{ leader: () => leader, membership: () => known, identity: () => "x", stopped: () => false },
  });
  const mark = { index: 10, term: 1, membership: told, identity: "x" };
  assert.equal(await backfill.snapshot(mark, from), undefined);
  return asked.join("");
}

Deno.test("a node that was given a wrong list of peers asks those that the snapshot names", async () => {
  assert.equal(await asked({ known: members(0, "cxy"), leader: "a", from: "a", told: members(0, "abc") }), "ab");
});

Deno.test("a node that was away while the members changed asks those that the snapshot names", async () => {
  assert.equal(await asked({ known: members(2, "cxy"), leader: "b", from: "b", told: members(8, "abc") }), "ba");
});

Deno.test("members that changed behind the snapshot, as this node knows, are asked", async () => {
  assert.equal(await asked({ known: members(12, "bcde"), leader: "d", from: "a", told: members(8, "abc") }), "adbe");
});

Deno.test("what this node's log says behind its end is overruled by a snapshot that reaches further", async () => {
  assert.equal(await asked({ known: members(9, "cxy"), leader: "a", from: "a", told: members(8, "abc") }), "ab");
});

Deno.test("a leader that neither knows as a member is asked all the same", async () => {
  assert.equal(await asked({ known: members(2, "abc"), leader: "d", from: "a", told: members(2, "abc") }), "adb");
});
