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
import { RaftBug } from "./assert.ts";
import type { Entry, Message } from "./messages.ts";
import { DEFAULT_LIMITS } from "./options.ts";

Deno.test("a core that has nothing to do has nothing ready", () => {
  const node = make("a", { founders: ["a", "b"] });
  assert(!node.raft.hasReady);
  const ready = node.raft.takeReady();
  assert.equal(ready.ticket, 0);
  assert.deepEqual(ready.messages, []);
});

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

Deno.test("L7: proposals beyond the limit of uncommitted bytes are refused until some are committed", () => {
  const [a, b] = form(["a", "b"], limits({ uncommittedBytes: 1_000 })) as [Node, Node];
  assert.equal(a.raft.propose("operations", [bytes(5_000)]).kind, "accepted", "one alone is always taken");
  assert.deepEqual(a.raft.propose("operations", [bytes(1)]), { kind: "refused", reason: "too much uncommitted" });
  settle(a, b);
  assert.equal(a.raft.propose("operations", [bytes(1)]).kind, "accepted");
});

Deno.test("P7: a leader with a slow disk applies what a majority holds; a follower waits for its own disk", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  a.slowDisk = c.slowDisk = true;
  const before = a.applied.length;
  a.raft.propose("operations", [bytes(1)]);
  settle(a, b);
  assert.equal(a.applied.length, before, "with its own disk behind, one of two others is no majority");
  const goOn = () => {
    for (let i = 0; i < 3; i++, settle(a, b, c)) a.tick(2);
  };
  c.slowDisk = false;
  goOn();
  assert.equal(a.applied.length, before + 1);
  c.slowDisk = true;
  a.raft.propose("operations", [bytes(1)]);
  settle(a, b, c);
  a.flush();
  goOn();
  assert.equal(a.applied.length, before + 2);
  assert.equal(c.applied.length, before + 1, "committed, and not on its disk");
  c.flush();
  c.perform();
  assert.equal(c.applied.length, before + 2);
});

Deno.test("L10: a follower takes no proposals", () => {
  const [, b] = form(["a", "b"]) as [Node, Node];
  assert.deepEqual(b.raft.propose("operations", [bytes(1)]), { kind: "refused", reason: "not leader" });
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

Deno.test("a restarted node applies from disk what is committed behind its snapshot", () => {
  const log = { ...summaryOf(1, 1, 1), commit: 3 };
  const a = make("a", { founders: ["a"], log, hardState: { term: 1, vote: "a" } });
  a.perform();
  assert.deepEqual(a.fetches, [{ purpose: "", from: 1, to: 3, maxBytes: DEFAULT_LIMITS.applyBytes }]);
  const entries = [1, 2, 3].map((index): Entry => ({ kind: "operations", index, term: 1, payload: bytes(1) }));
  a.raft.fetched(a.fetches[0]!, entries);
  a.perform();
  assert.deepEqual(a.applied, entries);
  assert.equal(a.raft.status().applied, 3);
});

Deno.test("entries are handed out to be applied in portions, as long as earlier ones are not", () => {
  const [a, b] = form(["a", "b"], limits({ applyBytes: 150 })) as [Node, Node];
  a.appliesAtOnce = false;
  a.applied.length = 0;
  a.raft.propose("operations", Array.from({ length: 5 }, () => bytes(60)));
  settle(a, b);
  assert.equal(a.applied.length, 2);
  a.raft.applied(a.applied.at(-1)!.index);
  a.perform();
  assert.equal(a.applied.length, 4);
});

Deno.test("M3: a learner that never catches up in time is reported, and tried again", () => {
  const [a, b] = form(["a", "b"]) as [Node, Node];
  const d = make("d");
  a.raft.changeMembership({ kind: "add", id: "d", incarnation: "d0" });
  // Entries take longer to d than an election timeout.
  let late: Message[] = [];
  for (let i = 0; i < 14 && a.notices.length === 0; i++) {
    const arriving = late;
    late = [];
    for (let t = 0; t < 11; t++) {
      a.tick(2);
      a.raft.propose("operations", [bytes(1)]);
      settleBut((message) => message.to === "d" && message.kind === "append" && late.push(message) > 0, a, b, d);
    }
    for (const message of arriving) d.raft.step(message);
    settleBut((message) => message.to === "d" && message.kind === "append" && late.push(message) > 0, a, b, d);
  }
  assert.deepEqual(a.notices, [{ kind: "learner too slow", peer: "d" }]);
  for (let i = 0; i < 20; i++) {
    a.tick(2);
    settle(a, b, d);
  }
  const members = a.raft.status().membership.membership.members;
  assert.deepEqual(members.map((member) => member.voter), [true, true, true]);
});

Deno.test("P12: a log that is not trusted neither votes nor campaigns until it holds the leader's commit", () => {
  const founders = ["a", "b", "c"];
  const c = make("c", { founders, distrustLog: true, hardState: { term: 1, vote: "" } });
  c.tick(100);
  assert.deepEqual(c.take(), [], "it does not campaign");
  const [a, b] = [make("a", { founders }), make("b", { founders })];
  a.tick(3);
  for (const message of a.take()) if (message.to === "c") c.raft.step(message);
  c.perform();
  assert.deepEqual(c.take().map((message) => "reason" in message && message.reason), ["distrusted"]);
  a.tick(12);
  settle(a, b);
  a.raft.propose("operations", [bytes(1), bytes(1)]);
  settle(a, b);
  for (let i = 0; i < 4; i++) {
    a.tick(2);
    settle(a, b, c);
  }
  const { term, lastIndex } = a.raft.status().hardState && { term: a.raft.term, lastIndex: a.raft.status().lastIndex };
  assert.equal(c.raft.status().commit, a.raft.status().commit);
  c.tick(25);
  c.take();
  c.raft.step({
    kind: "vote",
    from: "b",
    incarnation: "b0",
    to: "c",
    expected: "c0",
    identity: a.raft.identity,
    founders: "",
    term: term + 1,
    lastIndex,
    lastTerm: term,
    hint: false,
    transfer: false,
  });
  c.perform();
  assert.deepEqual(c.take().map((message) => "reason" in message && message.reason), ["granted"]);
});

Deno.test("P12: trustLog() ends the distrust", () => {
  const a = make("a", { founders: ["a"], distrustLog: true });
  a.tick(50);
  assert.equal(a.raft.role, "follower");
  a.raft.trustLog();
  a.tick(50);
  assert.equal(a.raft.role, "leader");
});

Deno.test("P8: a node that is not electable does not campaign", () => {
  const a = make("a", { founders: ["a"] });
  a.raft.setElectable(false);
  a.tick(50);
  assert.equal(a.raft.role, "follower");
});

Deno.test("M9: founders who disagree do not talk, and both lists are named once", () => {
  const a = make("a", { founders: ["a", "b"] });
  const b = make("b", { founders: ["a", "b", "c"] });
  a.tick(30);
  for (let i = 0; i < 3; i++) settle(a, b), a.tick(30);
  assert.deepEqual(b.notices, [{ kind: "other founders", peer: "a", theirs: "a,b", ours: "a,b,c" }]);
  assert.equal(a.raft.term, 0);
});

Deno.test("M8: messages of another cluster are dropped, and told once", () => {
  const a = make("a", { founders: ["a", "b"], identity: "ours" });
  for (let i = 0; i < 2; i++) {
    a.raft.step({
      kind: "append",
      from: "b",
      incarnation: "b0",
      to: "a",
      expected: "",
      identity: "theirs",
      founders: "",
      term: 9,
      sequence: 1,
      prevIndex: 0,
      prevTerm: 0,
      commit: 1,
      answer: 0,
      entries: [{ kind: "no-op", index: 1, term: 9 }],
    });
    a.perform();
  }
  assert.deepEqual(a.notices, [{ kind: "other identity", peer: "b", theirs: "theirs", ours: "ours" }]);
  assert.deepEqual([a.raft.term, a.raft.status().lastIndex], [0, 0]);
});

Deno.test("TS96: a follower whose disk went back in time is found out", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  a.raft.propose("operations", [bytes(1), bytes(1)]);
  settle(a, b, c);
  const old = make("c", { founders: ["a", "b", "c"], identity: a.raft.identity, log: summaryOf(1, 1) });
  for (let i = 0; i < 3; i++) {
    a.tick(2);
    settle(a, b, old);
  }
  assert(old.notices.some((notice) => notice.kind === "log lost" && notice.peer === "c"));
  a.raft.propose("operations", [bytes(1)]);
  for (let i = 0; i < 4; i++) {
    a.tick(2);
    settle(a, b, old);
  }
  assert(a.notices.some((notice) => notice.kind === "log lost" && notice.peer === "c"));
  assert.equal(old.entries.length, 5, "and gets back what it lost");
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

Deno.test("a log that is ahead of the term on disk raises the term", () => {
  const a = make("a", { founders: ["a", "b"], log: summaryOf(1, 4), hardState: { term: 2, vote: "b" } });
  assert.equal(a.raft.term, 4);
  assert.deepEqual(a.raft.takeReady().hardState, { term: 4, vote: "" });
});

Deno.test("two leaders in one term are a bug, and end the process", () => {
  const [a, b] = form(["a", "b"]) as [Node, Node];
  void b;
  const message: Message = {
    kind: "heartbeat",
    from: "b",
    incarnation: "b0",
    to: "a",
    expected: "a0",
    identity: a.raft.identity,
    founders: "",
    term: 1,
    commit: 0,
    commitTerm: 0,
    round: 1,
    sentAt: 0,
  };
  assert.throws(() => a.raft.step(message), RaftBug);
});

Deno.test("appends that no leader would send, and acknowledgements of what was never sent, change nothing", () => {
  const [a, b] = form(["a", "b"]) as [Node, Node];
  const header = { incarnation: "a0", expected: "", identity: a.raft.identity, founders: "", term: 1 };
  const entries = (...marks: [number, number][]) =>
    marks.map(([index, term]): Entry => ({ kind: "no-op", index, term }));
  const append = {
    kind: "append",
    from: "a",
    to: "b",
    ...header,
    sequence: 1,
    prevIndex: 2,
    commit: 2,
    answer: 0,
  } as const;
  b.raft.step({ ...append, prevTerm: 1, entries: entries([3, 1], [5, 1]) });
  b.raft.step({ ...append, prevTerm: 1, entries: entries([3, 1], [4, 0]) });
  b.raft.step({ ...append, prevTerm: 1, entries: entries([3, 2]) });
  b.perform();
  assert.equal(b.raft.status().lastIndex, 2);
  a.raft.step({ ...header, incarnation: "b0", kind: "append reply", from: "b", to: "a", match: 99, disk: "ok" });
  a.perform();
  assert.equal(a.raft.status().peers[0]!.match, 2);
});

/** A follower that lost the end of its log; it was in term 1 and knows that entry 2 is committed. */
function distrusted(lastIndex: number): Node {
  const terms = Array(lastIndex).fill(1);
  const log = { ...summaryOf(...terms), commit: 2, identityIndex: 1, identityInLog: "x" };
  return make("c", {
    founders: ["a", "b", "c"],
    identity: "x",
    distrustLog: true,
    log,
    hardState: { term: 1, vote: "a" },
  });
}

const fromLeader = { from: "a", incarnation: "a0", to: "c", expected: "c0", identity: "x", founders: "" } as const;

/** The number by which `node` asks the leader of `term`. */
function questionOf(node: Node, term: number): number {
  node.raft.step({ kind: "heartbeat", ...fromLeader, term, commit: 2, commitTerm: 1, round: 1, sentAt: 0 });
  node.perform();
  const ask = node.take().find((message) => message.kind === "append refusal");
  assert(ask?.kind === "append refusal" && ask.ask > 0 && ask.sequence === 0, "it asks to be compared");
  return ask.ask;
}

Deno.test("P12: a leader's word from before does not end the distrust", () => {
  const c = distrusted(3);
  const append = { kind: "append", ...fromLeader, term: 1, sequence: 1, prevTerm: 1, entries: [] } as const;
  c.raft.step({ ...append, prevIndex: 3, commit: 3, answer: 0 });
  c.perform();
  assert(c.raft.distrustsLog, "sent before the end was lost, perhaps");
  const answer = questionOf(c, 1);
  c.raft.step({ ...append, prevIndex: 3, commit: 5, answer: answer + 1 });
  c.perform();
  assert(c.raft.distrustsLog, "an answer to somebody else");
  c.raft.step({ ...append, prevIndex: 3, commit: 5, answer });
  c.perform();
  assert(c.raft.distrustsLog, "4 and 5 are missing");
  const entries = [4, 5].map((index): Entry => ({ kind: "no-op", index, term: 1 }));
  c.raft.step({ ...append, prevIndex: 3, commit: 5, answer, entries });
  c.perform();
  assert(!c.raft.distrustsLog);
});

Deno.test("P12: a new leader's word counts once it has committed something of its own", () => {
  const c = distrusted(3);
  const append = { kind: "append", ...fromLeader, term: 2, sequence: 1, prevTerm: 1 } as const;
  const answer = questionOf(c, 2);
  const entries: Entry[] = [{ kind: "no-op", index: 4, term: 1 }, { kind: "no-op", index: 5, term: 2 }];
  c.raft.step({ ...append, prevIndex: 3, commit: 3, answer, entries });
  c.perform();
  assert(c.raft.distrustsLog, "entry 4 may be committed without the leader's knowing");
  c.raft.step({ ...append, prevIndex: 5, prevTerm: 2, commit: 5, answer, entries: [] });
  c.perform();
  assert(!c.raft.distrustsLog);
});

Deno.test("P12: what was acknowledged before the end was lost is not counted any more", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  // c acknowledges an entry that the leader's own disk does not have yet; then c loses it.
  a.raft.propose("operations", [bytes(1)]);
  const ready = a.raft.takeReady();
  for (const { message } of ready.messages) if (message.to === "c") c.raft.step(message);
  c.perform();
  for (const message of c.take()) a.raft.step(message);
  const lost = distrusted(2);
  lost.raft.step({
    ...fromLeader,
    kind: "heartbeat",
    identity: "x",
    term: 1,
    commit: 2,
    commitTerm: 1,
    round: 9,
    sentAt: 0,
  });
  lost.perform();
  for (const message of lost.take()) a.raft.step({ ...message, identity: a.raft.identity });
  a.raft.stored(ready.ticket);
  assert.equal(a.raft.status().commit, 2, "only the leader has it");
  a.perform();
  a.tick(2);
  settle(a, b);
  assert.equal(a.raft.status().commit, 3, "now b has it, too");
});
