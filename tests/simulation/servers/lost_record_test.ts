/** A node whose store has lost the record of whose it is, while its log knows (spec stores, section 3.4). */
import assert from "node:assert/strict";
import type { MemoryFiles } from "../../support/memory_files.ts";
import { copyTree } from "./disk_copies.ts";
import { Harness, stored } from "./harness.ts";
import type { SimulatedNode } from "./simulated_node.ts";

const RECORD = "/store/server.dat";

const DAMAGES: [what: string, damage: (files: MemoryFiles) => void, says: RegExp][] = [
  ["is rotten", rot, /disagreed: unable to recover server file "\/store\/server\.dat": corrupted data, expected crc/],
  [
    "is torn",
    (files) => {
      const file = files.open(RECORD, { mode: "existing" });
      file.truncate(20);
      file.close();
    },
    /disagreed: unable to recover server file "\/store\/server\.dat": unexpected EOF/,
  ],
  [
    "is empty",
    (files) => files.open(RECORD, { mode: "empty" }).close(),
    /disagreed: unable to recover server file "server\.dat": unable to verify file version: EOF/,
  ],
  ["is lost", (files) => files.remove(RECORD), /disagreed: no server state recovered but channels present/],
];

function rot(files: MemoryFiles): void {
  const file = files.open(RECORD, { mode: "existing" });
  file.writeAt(Uint8Array.of(0x55, 0xaa), 30);
  file.close();
}

function said(node: SimulatedNode): string {
  return node.log.lines.join("\n");
}

for (const names of [["a"], ["a", "b", "c"]]) {
  for (const [what, damage, says] of DAMAGES) {
    Deno.test(`a node of ${names.length} whose server.dat ${what} makes it anew from what its log knows, and says so`, async () => {
      const world = await Harness.start({}, 1, names.length === 1 ? { raft: { bootstrap: true } } : {}, names);
      try {
        await world.connect("me");
        for (let i = 0; i < 70; i++) assert.equal(await world.publish("me", "foo", `message ${i}`), "");
        await world.pass(2_000);
        const leader = await world.leader();
        leader.kill();
        const files = leader.files.afterKill();
        damage(files);
        const back = world.begin(leader.name, files);
        await world.leader();
        assert.equal(await world.publish("me", "foo", "message 70"), "");
        assert.equal((await world.agreed(stored)).length, 71);
        assert.match(said(back), says);
        assert.match(said(back), /done: .*server\.dat.* was made anew/);
        assert.equal(files.exists(`${RECORD}.damaged`), what !== "is lost");
        // It is whole again.
        const again = world.restart(back);
        await world.leader();
        assert.equal((await world.agreed(stored)).length, 71);
        assert.doesNotMatch(said(again), /server\.dat|server state/);
        assert.equal(again.server!.info.nodeId, leader.name);
        assert.equal(again.server!.info.clusterIdentity, again.journal!.status().identity);
      } finally {
        world.stop();
      }
    });
  }
}

Deno.test("without a log that knows whose the store is, the node does not start", async () => {
  const world = await Harness.start({}, 1, { raft: { bootstrap: true } }, ["a"]);
  try {
    await world.connect("me");
    assert.equal(await world.publish("me", "foo", "message"), "");
    await world.pass(2_000);
    const node = await world.leader();
    node.kill();
    const files = node.files.afterKill();
    const kept = node.files.afterKill();
    rot(files);
    files.removeTree("/raft");
    const back = world.begin("a", files);
    await world.clock.until(() => back.fatal !== undefined, 10_000, "the refusal");
    assert.match(back.fatal!, /streaming state was recovered but cluster log path "\/raft" is empty/);
    assert.equal(files.exists(`${RECORD}.damaged`), false);
    // Nothing was changed: with its log it starts.
    const left = back.files.afterKill();
    copyTree(kept, left, "/raft");
    world.begin("a", left);
    await world.leader();
    assert.equal((await world.agreed(stored)).length, 1);
  } finally {
    world.stop();
  }
});
