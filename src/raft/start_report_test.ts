/** Each start tells one report: what was read, what disagreed, what was done. */
import assert from "node:assert/strict";
import type { MemoryFiles } from "../../tests/support/memory_files.ts";
import { TestCluster, type TestNode } from "../../tests/support/raft_cluster.ts";

const small = { snapshotEntries: 10, trailingLogs: 3 };

/** A single node that agreed with itself upon thirty operations, and was killed. */
async function killed(): Promise<{ cluster: TestCluster; node: TestNode; files: MemoryFiles }> {
  const cluster = new TestCluster(9);
  const node = cluster.add("a", { ...small, bootstrap: true });
  await cluster.untilLeader();
  for (let i = 0; i < 30; i++) await cluster.done(node.propose(`m${i}`));
  await cluster.clock.advance(500);
  node.kill();
  return { cluster, node, files: node.files.afterKill() };
}

/** The lines of a node's report, without their levels. */
function report(node: TestNode): string[] {
  const at = node.lines.findIndex((line) => line === "INF cluster start report:");
  assert.ok(at >= 0, node.lines.join("\n"));
  assert.equal(node.lines.filter((line) => line.includes("start report")).length, 1);
  const rest = node.lines.slice(at + 1);
  const end = rest.findIndex((line) => !/^\w+ {3}(read|disagreed|done): /.test(line));
  return rest.slice(0, end < 0 ? undefined : end).map((line) => line.slice(6));
}

function newest(files: MemoryFiles, directory: string): string {
  const order = (name: string) => Number(/(\d+)\./.exec(name)?.[1]);
  const names = files.list(directory).map(({ name }) => name).sort((a, b) => order(a) - order(b));
  return `${directory}/${names[names.length - 1]}`;
}

function damage(files: MemoryFiles, path: string, at: (size: number) => number): void {
  const file = files.open(path, { mode: "existing" });
  file.writeAt(Uint8Array.of(0xff, 0x0f, 0xf0), at(file.size()));
  file.close();
}

const NODE = /^read: \/raft\/test: node a, incarnation \w{22}, cluster [0-9a-f]{32}$/;
const STATE = /^read: term 1, log \(\d+, 32\], the last of term 1, snapshot \d+, committed at least 32$/;
const REFUSED = /^done: nothing more, this node does not start$/;
const NOTHING = [/^disagreed: nothing$/, /^done: nothing, this node goes on where it was$/];

const CASES: [what: string, change: (files: MemoryFiles) => void, lines: RegExp[]][] = [
  ["a node that is new", (files) => files.removeTree("/raft"), [
    /^read: \/raft\/test: nothing, this node is new \(a\)$/,
    /^disagreed: nothing$/,
    /^done: this node founds a cluster of a$/,
  ]],
  ["a clean start", () => {}, [NODE, STATE, ...NOTHING]],
  ["a torn tail", (files) => damage(files, "/raft/test/log/00000001.wal", (size) => size), [
    NODE,
    STATE,
    /^disagreed: the log ended in an unfinished write of 3 bytes$/,
    /^done: cut 3 bytes of an unfinished write off the log: nobody was told of it$/,
  ]],
  [
    "a snapshot that cannot be read",
    (files) => damage(files, newest(files, "/raft/test/snapshots"), (size) => size - 9),
    [
      /^disagreed: snapshot \/raft\/test\/snapshots\/1-\d+\.snapshot cannot be read: checksum of a snapshot's state/,
      /^disagreed: cluster log \/raft\/test\/log begins after entry \d+, but no snapshot up to there can be read/,
    ],
  ],
  ["a damaged log", (files) => damage(files, "/raft/test/log/00000001.wal", (size) => size - 400), [
    /^read: \/raft\/test: node a$/,
    /^disagreed: cluster log .* is damaged at offset \d+: /,
    REFUSED,
  ]],
];

Deno.test("the report of a node that is new and joins", async () => {
  const cluster = new TestCluster(9);
  const node = cluster.add("a", small);
  await cluster.clock.until(() => node.lines.some((line) => line.includes("start report")), 20_000, "the report");
  assert.deepEqual(report(node), [
    "read: /raft/test: nothing, this node is new (a)",
    "disagreed: nothing",
    "done: this node asks to be taken in by its cluster",
  ]);
});

for (const [what, change, lines] of CASES) {
  Deno.test(`the report of ${what}`, async () => {
    const { cluster, node, files } = await killed();
    change(files);
    const again = cluster.restart(node, { ...small, bootstrap: true }, files);
    // As a store does.
    again.replica.messages = [...node.replica.messages];
    await cluster.clock.until(
      () => again.lines.some((line) => line.includes("start report")) || cluster.failed.size > 0,
      20_000,
      "the report",
    );
    const told = report(again);
    for (const line of lines) assert.ok(told.some((each) => line.test(each)), `${line} in\n${told.join("\n")}`);
    if (cluster.failed.size === 0) assert.equal(told.length, lines.length, told.join("\n"));
  });
}
