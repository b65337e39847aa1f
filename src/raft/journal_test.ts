import assert from "node:assert/strict";
import { TestCluster } from "../../tests/support/raft_cluster.ts";
import { mayYetBeDone } from "../ports/journal.ts";

Deno.test("TS8: three nodes with the same list of peers elect one leader within a second and agree", async () => {
  const cluster = new TestCluster();
  cluster.trio();
  const leader = await cluster.untilLeader(1000);
  await cluster.clock.advance(500);
  assert.equal(cluster.alive.filter((node) => node.replica.leading).length, 1);
  const results = ["x", "y", "z"].map((text) => leader.propose(text));
  await cluster.clock.advance(200);
  for (const outcomes of await Promise.all(results)) assert.deepEqual(outcomes, [{ kind: "done" }]);
  await cluster.untilEqual();
  assert.equal(leader.replica.applied.length, 3);
  const identity = leader.journal.status().identity;
  assert.match(identity, /^[0-9a-f]{32}$/);
  for (const node of cluster.alive) assert.equal(node.journal.status().identity, identity);
});

/** A publisher that retries nothing: one commit every `pause` ms at whoever leads; remembers what was acknowledged. */
class Publisher {
  acked: string[] = [];
  sent = 0;
  #stopped = false;

  constructor(readonly cluster: TestCluster, pause: number) {
    const next = () => {
      if (this.#stopped) return;
      const leader = cluster.leader;
      if (leader?.journal.mayServe) {
        const text = `p${++this.sent}`;
        leader.propose(text).then(() => this.acked.push(text), () => {});
      }
      cluster.clock.wakeAt(cluster.clock.now() + pause, next);
    };
    next();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Every acknowledged text was applied exactly once on every living node. */
  check(): void {
    for (const node of this.cluster.alive) {
      const applied = node.replica.applied.map((line) => line.slice(line.indexOf(":") + 1));
      const once = new Set(applied);
      assert.equal(once.size, applied.length, `node ${node.name} applied something twice`);
      for (const text of this.acked) assert.ok(once.has(text), `node ${node.name} lacks ${text}`);
    }
  }
}

Deno.test("TS29: the leader is killed under load, a new one leads, and the old one comes back with everything", async () => {
  const cluster = new TestCluster(3);
  cluster.trio();
  const first = await cluster.untilLeader();
  const publisher = new Publisher(cluster, 3);
  await cluster.clock.advance(300);
  first.kill();
  const killedAt = cluster.clock.now();
  const second = await cluster.untilLeader();
  const gap = cluster.clock.now() - killedAt;
  assert.ok(gap < 1500, `${gap} ms without a leader`);
  assert.notEqual(second, first);
  await cluster.clock.advance(200);
  const back = cluster.restart(first);
  await cluster.clock.advance(1000);
  publisher.stop();
  await cluster.untilEqual();
  publisher.check();
  assert.ok(publisher.acked.length > 200);
  assert.ok(back.replica.applied.length > 0);
});

Deno.test("a power loss of all nodes at once loses nothing that was acknowledged", async () => {
  const cluster = new TestCluster(4);
  const nodes = cluster.trio();
  await cluster.untilLeader();
  const publisher = new Publisher(cluster, 2);
  await cluster.clock.advance(300);
  publisher.stop();
  for (const node of nodes) node.kill();
  for (const node of nodes) cluster.restart(node, {}, node.files.afterCrash(() => 0));
  await cluster.untilLeader(3000);
  await cluster.clock.advance(500);
  await cluster.untilEqual();
  publisher.check();
  assert.ok(publisher.acked.length > 100);
});

Deno.test("TS17, TS18: a node without id and peers joins by itself, also before there is a cluster, and keeps its id", async () => {
  const cluster = new TestCluster(5);
  const joiner = cluster.add("", { logPath: "/raft-d" });
  const id = joiner.journal.nodeId;
  assert.match(id, /^[0-9A-Za-z]{22}$/);
  await cluster.clock.advance(60_000);
  assert.ok(joiner.lines.some((line) => line.includes("still trying to join")), joiner.lines.join("\n"));
  cluster.trio();
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("x"));
  await cluster.clock.advance(3000);
  await cluster.untilEqual();
  const members = leader.journal.status().members;
  assert.deepEqual(
    members.filter((member) => member.voter).map((member) => member.id).sort(),
    ["a", "b", "c", id].sort(),
  );
  joiner.kill();
  const again = cluster.restart(joiner, { logPath: "/raft-d" });
  assert.equal(again.journal.nodeId, id);
  await cluster.clock.advance(2000);
  assert.deepEqual(again.replica.applied.length, 1);
});

Deno.test("TS36: a leader that is stopped hands over first", async () => {
  const cluster = new TestCluster(6);
  cluster.trio();
  const first = await cluster.untilLeader();
  const publisher = new Publisher(cluster, 2);
  await cluster.clock.advance(200);
  const stoppedAt = cluster.clock.now();
  let stopped = false;
  first.journal.stop().then(() => {
    stopped = true;
    first.alive = false;
  });
  await cluster.clock.until(
    () => cluster.leader !== undefined && cluster.leader !== first && cluster.leader.journal.mayServe,
    2000,
  );
  const gap = cluster.clock.now() - stoppedAt;
  assert.ok(gap <= 300, `${gap} ms until another node serves`);
  await cluster.clock.advance(1000);
  assert.ok(stopped, "the old leader has stopped");
  assert.equal(first.fatal, undefined);
  publisher.stop();
  await cluster.untilEqual();
  publisher.check();
});

Deno.test("F3: a node that stops leaves to others what it was asked for: nobody may be told that it failed", async () => {
  const cluster = new TestCluster(6);
  const nodes = cluster.trio();
  const leader = await cluster.untilLeader();
  for (const node of nodes) if (node !== leader) node.kill();
  const error = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);
  const inFlight = error(leader.propose("in flight"));
  const stopped = leader.journal.stop();
  await cluster.clock.advance(700);
  await cluster.done(stopped);
  leader.alive = false;
  assert.ok(mayYetBeDone(await inFlight));
  assert.ok(mayYetBeDone(await error(leader.propose("late"))));
});

Deno.test("TS31, TS32: without a majority the leader steps down and answers nobody; with it again all goes on", async () => {
  const cluster = new TestCluster(7);
  const nodes = cluster.trio();
  const leader = await cluster.untilLeader();
  const others = nodes.filter((node) => node !== leader);
  for (const node of others) node.kill();
  const result = leader.propose("in flight").then(() => "agreed", (error) => error.code);
  await cluster.clock.advance(1500);
  assert.equal(await result, "unknown");
  assert.equal(leader.replica.leading, false);
  assert.equal(leader.journal.mayServe, false);
  await assert.rejects(leader.propose("nobody leads"), { code: "not-leader", message: "node is not the leader" });
  cluster.restart(others[0]!);
  const next = await cluster.untilLeader();
  await cluster.done(next.propose("after"));
  await cluster.untilEqual();
  assert.ok(next.replica.applied.some((line) => line.endsWith(":after")));
});

Deno.test("TS21, TS22: bootstrap beside a live cluster is refused", async () => {
  const cluster = new TestCluster(8);
  cluster.trio();
  await cluster.untilLeader();
  cluster.add("z", { bootstrap: true });
  await cluster.clock.advance(3000);
  assert.match(cluster.failed.get("z")!.message, /already exists/);
});

Deno.test("TS20: of two servers that bootstrap at once at most one survives", async () => {
  const cluster = new TestCluster(9);
  cluster.add("a", { bootstrap: true });
  cluster.add("b", { bootstrap: true });
  await cluster.clock.advance(5000);
  assert.equal(cluster.failed.get("b")?.message, "Server a was also started with -cluster_bootstrap");
  assert.ok(cluster.nodes.get("a")!.replica.leading);
  assert.ok(
    cluster.nodes.get("a")!.lines.some((line) => line.includes("Server b was also started with -cluster_bootstrap")),
  );
});

Deno.test("TS23: two clusters under one name that meet late: the younger one stops, the older one goes on", async () => {
  const cluster = new TestCluster(10);
  cluster.net.reaches = (from, to) => from[0] === to[0];
  cluster.add("a", { bootstrap: true });
  await cluster.clock.advance(100);
  cluster.add("b", { bootstrap: true });
  await cluster.clock.advance(4000);
  assert.ok(cluster.nodes.get("a")!.replica.leading && cluster.nodes.get("b")!.replica.leading);
  cluster.net.heal();
  await cluster.clock.advance(2000);
  assert.match(cluster.nodes.get("b")!.fatal ?? "", /belongs to another cluster .* which is older/);
  assert.ok(cluster.nodes.get("a")!.replica.leading);
});

Deno.test("TS25: nodes with different lists of peers name the difference and stop", async () => {
  const cluster = new TestCluster(11);
  cluster.add("a", { peers: ["a", "b", "c"] });
  cluster.add("b", { peers: ["a", "b"] });
  await cluster.clock.advance(3000);
  for (const name of ["a", "b"]) {
    const text = cluster.nodes.get(name)!.fatal ?? cluster.failed.get(name)?.message ?? "";
    assert.match(text, /a,b,c/);
    assert.match(text, /a,b[ ,]/);
  }
});

Deno.test("TS26: a second process with a node's name exits, the first one is not disturbed", async () => {
  const cluster = new TestCluster(12);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const follower = cluster.alive.find((node) => node !== leader)!;
  await cluster.clock.advance(1000);
  const twin = cluster.add(follower.name, { peers: ["a", "b", "c"], logPath: "/elsewhere" });
  cluster.nodes.set("twin", twin);
  cluster.nodes.set(follower.name, follower);
  await cluster.clock.advance(3000);
  const text = twin.fatal ?? cluster.failed.get(follower.name)?.message ?? "";
  assert.match(text, /in use by another process/);
  assert.equal(follower.fatal, undefined);
  assert.ok(leader.replica.leading, "the leader still leads");
});

Deno.test("TS26: the second process gives way also where the first one is the last to answer", async () => {
  const cluster = new TestCluster(12);
  cluster.trio();
  const leader = await cluster.untilLeader();
  const follower = cluster.alive.find((node) => node !== leader)!;
  await cluster.clock.advance(1000);
  cluster.net.delay = (from) => from.startsWith(follower.name) ? 20 : 0.2;
  const twin = cluster.add(follower.name, { peers: ["a", "b", "c"], logPath: "/elsewhere" });
  cluster.nodes.set("twin", twin);
  cluster.nodes.set(follower.name, follower);
  await cluster.clock.advance(3000);
  assert.match(twin.fatal ?? cluster.failed.get(follower.name)?.message ?? "", /in use by another process/);
  assert.equal(follower.fatal, undefined);
});

Deno.test("TS27: a follower that lost its disk joins anew and gets everything", async () => {
  const cluster = new TestCluster(13);
  cluster.trio();
  const leader = await cluster.untilLeader();
  for (let i = 0; i < 20; i++) leader.propose(`m${i}`);
  await cluster.clock.advance(500);
  const victim = cluster.alive.find((node) => node !== leader)!;
  victim.kill();
  await cluster.clock.advance(200);
  const blank = cluster.add(victim.name, { peers: ["a", "b", "c"] });
  await cluster.clock.advance(4000);
  assert.equal(blank.fatal, undefined);
  await cluster.untilEqual();
  assert.equal(blank.replica.applied.length, 20);
  const member = leader.journal.status().members.find((one) => one.id === victim.name);
  assert.equal(member?.voter, true);
});

Deno.test("TS28: a majority that was wiped and formed a new cluster yields to the old one's data", async () => {
  const cluster = new TestCluster(14);
  const [a, b, c] = cluster.trio();
  const leader = await cluster.untilLeader();
  leader.propose("precious");
  await cluster.clock.advance(500);
  for (const node of [a!, b!, c!]) node.kill();
  cluster.add("a", { peers: ["a", "b", "c"] });
  cluster.add("b", { peers: ["a", "b", "c"] });
  await cluster.untilLeader();
  await cluster.clock.advance(1000);
  const third = cluster.restart(c!);
  await cluster.clock.advance(3000);
  assert.match(cluster.nodes.get("a")!.fatal ?? "", /belongs to another cluster/);
  assert.match(cluster.nodes.get("b")!.fatal ?? "", /belongs to another cluster/);
  assert.equal(third.fatal, undefined);
});

Deno.test("equal seeds give equal traces", async () => {
  const trace = async () => {
    const cluster = new TestCluster(77);
    const lines: string[] = [];
    const publish = cluster.net.route.bind(cluster.net);
    cluster.net.route = (from, parcel) => {
      lines.push(`${cluster.clock.now()} ${from.name} ${parcel.subject} ${parcel.payload.length}`);
      return publish(from, parcel);
    };
    cluster.trio();
    const leader = await cluster.untilLeader();
    const publisher = new Publisher(cluster, 7);
    await cluster.clock.advance(300);
    leader.kill();
    await cluster.clock.advance(2000);
    cluster.restart(leader);
    await cluster.clock.advance(1000);
    publisher.stop();
    return lines.join("\n");
  };
  const first = await trace();
  assert.ok(first.length > 10_000);
  assert.equal(await trace(), first);
});

Deno.test("a commit in a calm moment is on its way to the others before the caller goes on; more in one turn share the next", async () => {
  const cluster = new TestCluster();
  cluster.trio();
  const leader = await cluster.untilLeader(1000);
  // Between two looks of the leader's loop.
  await cluster.clock.advance(105.7);
  const underWay = () => leader.journal.status().peers.map((peer) => peer.messagesUnderWay);
  assert.deepEqual(underWay(), [0, 0]);
  const first = leader.propose("calm");
  assert.deepEqual(underWay(), [1, 1]);
  const others = [leader.propose("soon"), leader.propose("after")];
  assert.deepEqual(underWay(), [1, 1]);
  await cluster.clock.advance(100);
  await Promise.all([first, ...others]);
});

Deno.test("a leader that stops hands over to the follower that has been there for longest", async () => {
  for (const seed of [1, 2, 3, 4]) {
    const cluster = new TestCluster(seed);
    cluster.trio();
    const leader = await cluster.untilLeader(1000);
    await cluster.clock.advance(500);
    const [first, second] = cluster.alive.filter((node) => node !== leader);
    const young = seed % 2 === 0 ? first! : second!;
    const old = young === first ? second! : first!;
    young.kill();
    const meanwhile = leader.propose("meanwhile");
    await cluster.clock.advance(500);
    await meanwhile;
    cluster.restart(young);
    await cluster.untilEqual();
    await cluster.clock.advance(500);
    void leader.journal.stop();
    await cluster.clock.advance(20);
    const next = await cluster.untilLeader(1000);
    assert.equal(next.name, old.name, `seed ${seed}`);
  }
});
