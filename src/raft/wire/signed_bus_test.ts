import assert from "node:assert/strict";
import { MemoryNet } from "../../../tests/support/memory_bus.ts";
import { TestCluster } from "../../../tests/support/raft_cluster.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";
import { CODE, SignedBus } from "./signed_bus.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const SECRET = "sixteen letters or more";

function pair(theirSecret = SECRET, theirCluster = "test") {
  const clock = new VirtualClock();
  const net = new MemoryNet(clock);
  const counts = { ours: 0, theirs: 0 };
  const ours = new SignedBus(net.connect("ours"), SECRET, "test", () => counts.ours++);
  const theirs = new SignedBus(net.connect("theirs"), theirSecret, theirCluster, () => counts.theirs++);
  const heard: string[] = [];
  ours.subscribe("foo", ({ buffer, payloadStart, payloadEnd }) => {
    heard.push(new TextDecoder().decode(buffer.subarray(payloadStart, payloadEnd)));
  });
  return { clock, net, ours, theirs, counts, heard };
}

Deno.test("11.9: who knows the secret is heard, with exactly what was said", async () => {
  const { clock, theirs, counts, heard, net, ours } = pair();
  assert.ok(theirs.publish(bytes("foo"), bytes("..hello.."), 2, 7));
  assert.ok(theirs.publish(bytes("foo"), new Uint8Array(0)));
  await clock.advance(10);
  assert.deepEqual(heard, ["hello", ""]);
  assert.deepEqual(counts, { ours: 0, theirs: 0 });
  assert.equal(ours.maxPayload, net.connect("x").maxPayload - CODE);
});

Deno.test("11.9: unsigned, changed, cut and otherwise signed messages are dropped and counted", async () => {
  const { clock, net, counts, heard, theirs } = pair("another secret of that kind");
  const plain = net.connect("plain");
  const captured: Uint8Array[] = [];
  plain.subscribe("copy", ({ buffer, payloadStart, payloadEnd }) => {
    captured.push(buffer.slice(payloadStart, payloadEnd));
  });
  new SignedBus(net.connect("third"), SECRET, "test", () => {}).publish(bytes("copy"), bytes("hello"));
  theirs.publish(bytes("foo"), bytes("hello"));
  plain.publish(bytes("foo"), bytes("hello"));
  plain.publish(bytes("foo"), bytes("a text that is longer than a code"));
  await clock.advance(10);
  const signed = captured[0]!;
  for (let i = 0; i < signed.length; i++) {
    const changed = signed.slice();
    changed[i]! ^= 1;
    plain.publish(bytes("foo"), changed);
  }
  plain.publish(bytes("foo"), signed.subarray(0, signed.length - 1));
  plain.publish(bytes("foo"), signed.subarray(signed.length - CODE));
  await clock.advance(10);
  assert.deepEqual(heard, []);
  assert.equal(counts.ours, 3 + signed.length + 2);
  plain.publish(bytes("foo"), signed);
  await clock.advance(10);
  assert.deepEqual(heard, ["hello"]);
});

Deno.test("11.9: a secret is good for one cluster id", async () => {
  const { clock, theirs, heard } = pair(SECRET, "other");
  theirs.publish(bytes("foo"), bytes("hello"));
  await clock.advance(10);
  assert.deepEqual(heard, []);
});

Deno.test("11.9: an unsigned answer is none", async () => {
  const { clock, net, ours, counts } = pair();
  const plain = net.connect("plain");
  plain.subscribe("ask", ({ buffer, replyStart, replyEnd }) => {
    plain.publish(buffer.slice(replyStart, replyEnd), bytes("an answer that anybody could have given"));
  });
  const signing = new SignedBus(net.connect("signing"), SECRET, "test", () => {});
  signing.subscribe("tell", ({ buffer, replyStart, replyEnd }) => {
    signing.publish(buffer.slice(replyStart, replyEnd), bytes("yes"));
  });
  const answers = [ours.request("ask", bytes("?"), 100), ours.request("tell", bytes("?"), 100)];
  await clock.advance(200);
  assert.deepEqual(await Promise.all(answers), [{ kind: "timeout" }, { kind: "reply", payload: bytes("yes") }]);
  assert.equal(counts.ours, 1);
});

Deno.test("11.9: a cluster with a secret takes in whoever knows it, and nobody else", async () => {
  const cluster = new TestCluster(91);
  cluster.trio({ secret: SECRET });
  const leader = await cluster.untilLeader();
  await cluster.done(leader.propose("x"));
  const knows = cluster.add("d", { secret: SECRET });
  const guesses = cluster.add("e", { secret: "sixteen letters, but others" });
  const silent = cluster.add("f");
  await cluster.clock.advance(15_000);
  assert.equal(knows.replica.applied.length, 1);
  for (const stranger of [guesses, silent]) {
    assert.equal(stranger.replica.applied.length, 0);
    assert.ok(stranger.lines.some((line) => line.includes("no leader has answered")), stranger.lines.join("\n"));
  }
  assert.deepEqual(leader.journal.status().members.map(({ id }) => id), ["a", "b", "c", "d"]);
  assert.equal(leader.lines.filter((line) => line.includes("not signed with this cluster's secret")).length, 1);
});

Deno.test("11.9: operators need not sign, and a short secret is refused", async () => {
  const cluster = new TestCluster(92);
  cluster.trio({ secret: SECRET, allowAddRemoveNode: true });
  await cluster.untilLeader();
  const client = cluster.net.connect("operator");
  const answer = await cluster.done(client.request("_STAN.raft.test.node.add", bytes("a"), 5000));
  assert.ok(answer.kind === "reply" && new TextDecoder().decode(answer.payload) === "+OK");
  assert.throws(() => cluster.add("g", { secret: "short" }), {
    message: "cluster secret is too short (5 characters): give at least 16",
  });
});
