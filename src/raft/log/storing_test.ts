/** What is synced, and when what was written counts as durable (spec clustering, sections 1 and 11.7). */
import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import type { Entry } from "../core/mod.ts";
import { HardStateFile } from "./hard_state.ts";
import { Storing } from "./storing.ts";
import { Wal } from "./wal.ts";

const MEMBERSHIP = { members: [{ id: "a", incarnation: "a0", voter: true }] };

function operations(index: number): Entry {
  return { kind: "operations", index, term: 1, payload: new Uint8Array(10) };
}

function setUp(sync: boolean) {
  const files = new MemoryFiles();
  files.makeDirectory("/raft");
  const wal = new Wal(files, "/raft/log", { identity: new Uint8Array(16) });
  const told: number[] = [];
  let tell = () => {};
  const stored = (ticket: number) => {
    told.push(ticket);
    tell();
  };
  const events = { stored, disk() {}, slow() {}, failed() {} };
  const storing = new Storing(wal, new HardStateFile(files, "/raft/vote"), new VirtualClock(), sync, events);
  let syncs = 0;
  files.onCall = ({ kind, path }) => {
    if (kind === "sync" && path.startsWith("/raft/log/")) syncs++;
    return undefined;
  };
  let ticket = 0;
  const write = (...entries: Entry[]) => {
    storing.write({ ticket: ++ticket, hardState: undefined, restartLogAt: undefined, entries, cutThrough: 0 });
  };
  // The first write makes the file.
  write(operations(1));
  storing.sync(true);
  syncs = 0;
  told.length = 0;
  /** Resolves when so many tickets were told as durable. */
  const tellsOf = async (count: number) => {
    while (told.length < count) await new Promise<void>((resolve) => tell = resolve);
  };
  return { storing, write, told, tellsOf, syncs: () => syncs };
}

Deno.test("what was written is durable once it is synced; without syncing, at once", () => {
  for (const sync of [true, false]) {
    const { storing, write, told, syncs } = setUp(sync);
    write(operations(2));
    write(operations(3));
    storing.sync(true);
    assert.deepEqual([told, syncs()], [[3], sync ? 1 : 0]);
  }
});

for (const blocking of [true, false]) {
  Deno.test(`a change of the members is synced also where nothing else is, ${blocking ? "at once" : "beside"}`, async () => {
    const { storing, write, told, tellsOf, syncs } = setUp(false);
    write(operations(2), { kind: "membership", index: 3, term: 1, membership: MEMBERSHIP });
    storing.sync(blocking);
    assert.deepEqual([told, syncs()], blocking ? [[2], 1] : [[], 1]);
    write(operations(4));
    storing.sync(blocking);
    await tellsOf(2);
    assert.deepEqual([told, syncs()], [[2, 3], 1]);
  });
}
