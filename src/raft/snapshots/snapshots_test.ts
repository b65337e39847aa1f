import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { Snapshots } from "./snapshots.ts";

const state = new Uint8Array([1, 2, 3]);

function markOf(index: number) {
  return { index, term: 1, identity: "", membership: { index: 0, membership: { members: [] } } };
}

Deno.test("a snapshot that cannot be read does not push out those that are written after it", async () => {
  const files = new MemoryFiles();
  const open = () => new Snapshots(files, "/snapshots", { clusterId: "test", keep: 1 });
  for (const index of [10, 20]) await open().write({ mark: markOf(index), state }, () => ({ index: 10, term: 1 }));
  files.rot("/snapshots/1-20.snapshot", 0);
  const snapshots = open();
  const lines: string[] = [];
  assert.deepEqual(snapshots.sound((line) => lines.push(line)).map(({ mark }) => mark.index), [10]);
  assert.match(lines[0]!, /1-20\.snapshot cannot be read/);
  await snapshots.write({ mark: markOf(15), state }, () => undefined);
  assert.deepEqual(files.list("/snapshots").map(({ name }) => name), ["1-15.snapshot"]);
  // One of the same name takes its place.
  files.rot("/snapshots/1-15.snapshot", 0);
  assert.equal(snapshots.sound(() => {}).length, 0);
  await snapshots.write({ mark: markOf(15), state }, () => undefined);
  assert.equal(snapshots.sound(() => {}).length, 1);
});

Deno.test("a snapshot that a killed run left is on the disk before anything builds on it", async () => {
  const files = new MemoryFiles();
  const open = (on: MemoryFiles) => new Snapshots(on, "/snapshots", { clusterId: "test", keep: 2 });
  await open(files).write({ mark: markOf(10), state }, () => undefined);
  const killed = open(files);
  files.onCall = ({ kind, path }) => kind === "sync" && path === "/snapshots" ? { code: "other" } : undefined;
  await assert.rejects(killed.write({ mark: markOf(20), state }, () => undefined));
  files.onCall = undefined;
  const indexes = (on: MemoryFiles) => open(on).sound(() => {}).map(({ mark }) => mark.index);
  const left = files.afterKill();
  assert.deepEqual(indexes(left), [20, 10]);
  assert.deepEqual(indexes(left.afterCrash(() => 0)), [20, 10]);
});
