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

Deno.test("a core that has nothing to do has nothing ready", () => {
  const node = make("a", { founders: ["a", "b"] });
  assert(!node.raft.hasReady);
  const ready = node.raft.takeReady();
  assert.equal(ready.ticket, 0);
  assert.deepEqual(ready.messages, []);
});

Deno.test("L7: proposals beyond the limit of uncommitted bytes are refused until some are committed", () => {
  const [a, b] = form(["a", "b"], limits({ uncommittedBytes: 1_000 })) as [Node, Node];
  assert.equal(a.raft.propose("operations", [bytes(5_000)]).kind, "accepted", "one alone is always taken");
  assert.deepEqual(a.raft.propose("operations", [bytes(1)]), { kind: "refused", reason: "too much uncommitted" });
  settle(a, b);
  assert.equal(a.raft.propose("operations", [bytes(1)]).kind, "accepted");
});

Deno.test("L10: a follower takes no proposals", () => {
  const [, b] = form(["a", "b"]) as [Node, Node];
  assert.deepEqual(b.raft.propose("operations", [bytes(1)]), { kind: "refused", reason: "not leader" });
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
