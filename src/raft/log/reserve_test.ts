import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { TestCluster } from "../../../tests/support/raft_cluster.ts";
import { FileFailed } from "../../ports/files.ts";
import { Reserve } from "./reserve.ts";

Deno.test("P6: the reserve grows piece by piece, is found again, and gives its room up", () => {
  const files = new MemoryFiles();
  const reserve = new Reserve(files, "/reserve", 3 * 1024 * 1024);
  assert.deepEqual([reserve.isWhole, reserve.grow(), reserve.grow(), reserve.isWhole], [false, false, true, true]);
  assert.ok(new Reserve(files.afterKill(), "/reserve", 3 * 1024 * 1024).isWhole);
  assert.deepEqual([reserve.spend(), reserve.spend(), reserve.isWhole, files.exists("/reserve")], [
    true,
    false,
    false,
    false,
  ]);
  files.capacity = 1024;
  assert.equal(reserve.grow(), false);
  assert.equal(files.exists("/reserve"), false);
  new Reserve(files, "/reserve", 0);
});

Deno.test("P6: what is essential is tried again with the reserve's room, once", () => {
  const files = new MemoryFiles();
  const reserve = new Reserve(files, "/reserve", 1024);
  reserve.grow();
  let tries = 0;
  const full = () => {
    tries++;
    throw new FileFailed("full", "/x", "no space left on device");
  };
  assert.throws(() => reserve.essential(full), { code: "full" });
  assert.equal(tries, 2);
  assert.throws(() => reserve.essential(full), { code: "full" });
  assert.equal(tries, 3);
});

Deno.test("P6: a follower without room on its disk still votes, and is in step again when there is room", async () => {
  const cluster = new TestCluster(71);
  cluster.trio({ reserveBytes: 256 * 1024 });
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("before"));
  await cluster.clock.advance(3000);
  const [full, other] = cluster.alive.filter((node) => node !== leader);
  assert.ok(full!.files.exists("/raft/test/reserve"));
  full!.files.capacity = full!.files.used;
  await cluster.done(leader.propose("fills the disk"));
  await cluster.clock.advance(600);
  assert.equal(leader.journal.status().peers.find(({ id }) => id === full!.name)!.disk, "full");
  // Votes are needed while there is no room: the one that is left is elected with the vote of the full one.
  leader.kill();
  await cluster.clock.until(() => other!.journal.status().role === "Leader", 10_000, "an election");
  assert.equal(full!.fatal, undefined);
  full!.files.capacity = Infinity;
  await cluster.untilLeader();
  await cluster.done(cluster.leader!.propose("after"), 10_000);
  await cluster.untilEqual(10_000);
  await cluster.clock.advance(3000);
  assert.ok(full!.files.exists("/raft/test/reserve"));
});
