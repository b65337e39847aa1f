/** A snapshot's transfer that is cut short goes on after the restart; at no step is there a mix of two states (S3). */
import assert from "node:assert/strict";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { TestCluster, type TestNode } from "../../../tests/support/raft_cluster.ts";
import { PartialSnapshot } from "./partial.ts";

const small = { snapshotEntries: 40, trailingLogs: 10 };

/** A cluster whose log is cut behind a snapshot of some 300 KB that travels in pieces of 16 KB, and a follower that is down. */
async function behind(seed: number): Promise<{ cluster: TestCluster; leader: TestNode; late: TestNode }> {
  const cluster = new TestCluster(seed);
  cluster.net.maxPayload = 16 * 1024;
  cluster.trio(small);
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("first"));
  const late = cluster.alive.find((node) => node !== leader)!;
  await cluster.clock.advance(200);
  late.kill();
  for (let i = 0; i < 80; i += 10) {
    const texts = Array.from({ length: 10 }, (_, j) => `${i + j} ${"x".repeat(4000)}`);
    await cluster.done(Promise.all(texts.map((text) => leader.propose(text))), 20_000);
  }
  await cluster.clock.advance(1000);
  return { cluster, leader, late };
}

Deno.test("S3: a transfer goes on where it was when its receiver was killed", async () => {
  const { cluster, leader, late } = await behind(41);
  cluster.net.delay = (from) => from.endsWith("raft_snap") ? 5 : 0.2;
  const first = cluster.restart(late, small);
  const partial = (files: MemoryFiles) =>
    files.list("/raft/test/snapshots").find(({ name }) => name.endsWith(".partial"))?.name;
  await cluster.clock.until(() => partial(first.files) !== undefined, 20_000, "a transfer");
  await cluster.clock.advance(300);
  assert.equal(first.replica.applied.length <= 1, true);
  first.kill();
  const second = cluster.restart(first, small);
  await cluster.untilEqual(30_000);
  const line = second.lines.find((each) => each.includes("going on at byte"));
  assert.ok(line !== undefined && Number(/byte (\d+)/.exec(line)![1]) > 50_000, second.lines.join("\n"));
  assert.deepEqual(second.replica.messages, leader.replica.messages);
  assert.equal(partial(second.files), undefined);
});

Deno.test("S3: a receiver that is killed at any step of an installation ends with the new state, and went on from the old one", async () => {
  for (let moment = 0; moment < 100; moment += 9) {
    const { cluster, leader, late } = await behind(800 + moment);
    const files = late.files.afterKill();
    let calls = 0;
    files.onCall = ({ path }) => {
      if (
        !path.includes("/snapshots") && !path.endsWith("/member") && !path.endsWith("/member.new") && calls <= moment
      ) {
        return undefined;
      }
      if (calls++ === moment) cluster.nodes.get(late.name)?.kill();
      return calls > moment ? { code: "other" } : undefined;
    };
    try {
      cluster.restart(late, small, files);
    } catch {
      // killed while opening
    }
    await cluster.clock.advance(4000);
    cluster.nodes.get(late.name)?.kill();
    const survives = moment % 2;
    const again = cluster.restart(late, small, moment % 4 < 2 ? files.afterKill() : files.afterCrash(() => survives));
    await cluster.clock.until(
      () => again.replica.applied.join() === leader.replica.applied.join(),
      30_000,
      `equal states after a kill at step ${moment}`,
    );
    assert.equal(again.fatal, undefined);
  }
});

Deno.test("S3: of a partial snapshot only what its checksums prove is kept", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/s");
  const first = new PartialSnapshot(files, "/s", 10, 2);
  for (let i = 0; i < 4; i++) first.add(4000, new Uint8Array(1000).fill(i));
  assert.ok(first.isWhole);
  first.close();
  assert.deepEqual(new PartialSnapshot(files.afterKill(), "/s", 10, 2).bytes(), first.bytes());

  const torn = files.afterKill();
  const file = torn.open("/s/2-10.partial", { mode: "existing" });
  file.writeAt(Uint8Array.of(9), 8 + 2 * 1008 + 500);
  file.close();
  const second = new PartialSnapshot(torn, "/s", 10, 2);
  assert.deepEqual([second.size, second.total, second.isWhole], [2000, 4000, false]);
  second.add(4000, new Uint8Array(1000).fill(7));
  second.close();
  assert.equal(new PartialSnapshot(torn.afterKill(), "/s", 10, 2).size, 3000);

  // Another snapshot, or another image of the same one, has nothing to do with it.
  second.add(5000, new Uint8Array(1000));
  assert.equal(second.size, 0);
  assert.equal(new PartialSnapshot(torn, "/s", 11, 2).size, 0);
  assert.deepEqual(torn.list("/s").map(({ name }) => name), ["2-11.partial"]);
});

Deno.test("S3: a full disk does not stop a transfer", () => {
  const files = new MemoryFiles();
  files.makeDirectory("/s");
  const partial = new PartialSnapshot(files, "/s", 10, 2);
  files.capacity = 0;
  partial.add(2000, new Uint8Array(1000));
  partial.add(2000, new Uint8Array(1000));
  assert.ok(partial.isWhole);
  assert.equal(new PartialSnapshot(files.afterKill(), "/s", 10, 2).size, 0);
});
