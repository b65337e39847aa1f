import assert from "node:assert/strict";
import {
  bytes,
  form,
  limits,
  make,
  type Node,
  settle,
  settleBut,
  summaryOf,
} from "../../../tests/support/core_nodes.ts";

Deno.test("L6: what is proposed in one turn is one write and one append for each follower", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  a.raft.propose("operations", [bytes(1)]);
  const result = a.raft.propose("facts", [bytes(1), bytes(2)]);
  assert.deepEqual(result, { kind: "accepted", term: 1, first: 4, last: 5 });
  a.readies.length = 0;
  a.perform();
  assert.equal(a.readies.filter((ready) => ready.entries.length > 0).length, 1);
  const appends = a.appends();
  assert.deepEqual(appends.map((append) => append.entries.length), [3, 3]);
  assert.equal(appends[0]!.entries[0], a.entries[2], "entries are passed on, not copied");
  void [b, c];
});

Deno.test("L5: a window is bounded by messages and by bytes, and acknowledgements reopen it", () => {
  const changed = limits({ windowMessages: 3, windowBytes: 1_000_000, appendBytes: 100 });
  const [a, b] = form(["a", "b"], changed) as [Node, Node];
  a.raft.propose("operations", Array.from({ length: 10 }, () => bytes(60)));
  a.perform();
  assert.equal(a.appends().length, 3);
  assert.deepEqual(a.raft.status().peers.map((peer) => peer.messagesUnderWay), [3]);

  const [c, d] = form(["c", "d"], limits({ windowBytes: 250, appendBytes: 100 })) as [Node, Node];
  c.raft.propose("operations", Array.from({ length: 10 }, () => bytes(60)));
  c.perform();
  const appends = c.appends();
  assert.equal(appends.length, 3);
  for (const append of appends) d.raft.step(append);
  settle(c, d);
  assert.equal(d.entries.length, 12);
  void b;
});

Deno.test("an entry larger than an append travels alone", () => {
  const [a, b] = form(["a", "b"], limits({ appendBytes: 100 })) as [Node, Node];
  a.raft.propose("operations", [bytes(10), bytes(5_000), bytes(10)]);
  a.perform();
  const appends = a.appends();
  assert.deepEqual(appends.map((append) => append.entries.length), [1, 1, 1]);
  for (const append of appends) b.raft.step(append);
  settle(a, b);
  assert.equal(a.raft.status().commit, 5);
});

Deno.test("L1: going back costs a round for each term, not for each entry", () => {
  const followerLog = summaryOf(1, ...Array(500).fill(2), ...Array(500).fill(3));
  const leaderLog = summaryOf(1, ...Array(300).fill(2), ...Array(900).fill(4));
  const founders = ["a", "b"];
  const a = make("a", { founders, log: leaderLog, hardState: { term: 5, vote: "" } });
  const b = make("b", { founders, log: followerLog, hardState: { term: 5, vote: "" } });
  a.tick(4);
  for (let rounds = 0; rounds < 4; rounds++) {
    for (const message of a.take()) b.raft.step(message);
    b.perform();
    for (const message of b.take()) a.raft.step(message);
    a.perform();
  }
  let refusals = 0;
  for (let rounds = 0; rounds < 6; rounds++) {
    for (const message of a.take()) b.raft.step(message);
    b.perform();
    const answers = b.take();
    refusals += answers.filter((message) => message.kind === "append refusal").length;
    for (const message of answers) a.raft.step(message);
    a.perform();
  }
  assert(refusals <= 4, `${refusals} refusals`);
  assert.deepEqual(a.fetches.at(-1)?.from, 302, "behind the last common entry");
});

Deno.test("entries that left memory are asked back from disk, for followers and for applying", () => {
  const [a, b, c] = form(["a", "b", "c"], limits({ cacheBytes: 0, applyBytes: 100 })) as [Node, Node, Node];
  a.raft.propose("operations", Array.from({ length: 6 }, () => bytes(60)));
  settle(a, b);
  assert.equal(a.raft.status().commit, 8);
  assert.equal(a.fetches.length, 0);
  // c was away for longer than a lease; it answers the next heartbeats.
  for (let i = 0; i < 6; i++) {
    a.tick(2);
    a.sent = a.sent.filter((message) => message.to === "b");
    settle(a, b);
  }
  a.tick(2);
  settle(a, b, c);
  const asked = a.fetches.at(-1)!;
  assert.deepEqual([asked.purpose, asked.from, asked.to], ["c", 3, 8]);
  a.raft.fetched(asked, a.entries.slice(2, 5));
  settle(a, b, c);
  assert.equal(c.entries.length, 5);
  const next = a.fetches.at(-1)!;
  assert.deepEqual([next.from, next.to], [6, 8]);
  // Nothing could be read: it is asked again with a later heartbeat.
  a.raft.fetched(next, []);
  settle(a, b, c);
  const before = a.fetches.length;
  a.tick(4);
  settle(a, b, c);
  assert(a.fetches.length > before);
  a.raft.fetched(a.fetches.at(-1)!, a.entries.slice(5));
  settle(a, b, c);
  assert.equal(c.entries.length, 8);
});

Deno.test("S5: a leader keeps what a live follower still needs, within twice the trailing entries", () => {
  const [a, b, c] = form(["a", "b", "c"], limits({ trailingEntries: 5 })) as [Node, Node, Node];
  const mark = () => {
    const { applied, membership, identity } = a.raft.status();
    return { index: applied, term: 1, membership, identity };
  };
  const propose = (count: number) => {
    a.raft.propose("operations", Array.from({ length: count }, () => bytes(1)));
    a.perform();
    // c answers heartbeats, but gets no entries.
    for (let i = 0; i < 3; i++) {
      a.tick(1);
      settleBut((message) => message.kind === "append" && message.to === "c", a, b, c);
    }
  };
  propose(8);
  a.raft.snapshotTaken(mark());
  a.perform();
  assert(a.raft.status().baseIndex <= 2, "c has 2 of 10, which is within twice five");
  propose(20);
  a.raft.snapshotTaken(mark());
  a.perform();
  assert.equal(a.raft.status().baseIndex, a.raft.status().lastIndex - 5);
});
