import assert from "node:assert/strict";
import { bytes, form, make, type Node, settle, summaryOf } from "../../../tests/support/core_nodes.ts";
import type { Message } from "./messages.ts";

/** Node c after somebody put a backup of its disk back: entries up to `terms.length`, of which `commit` are committed. */
function restored(identity: string, commit: number, ...terms: number[]): Node {
  const log = { ...summaryOf(...terms), commit, identityIndex: 1, identityInLog: identity };
  return make("c", { founders: ["a", "b", "c"], identity, log, hardState: { term: terms.at(-1)!, vote: "" } });
}

Deno.test("TS96: entries of a disk that went back in time are not committed on the leader's word, though there are as many", () => {
  const c = restored("x", 1, 1, 1, 1, 1);
  const header = {
    from: "a",
    incarnation: "a0",
    to: "c",
    expected: "c0",
    identity: "x",
    founders: "",
    term: 3,
  } as const;
  // This node had acknowledged entries 2 to 4 of term 2 in their place.
  c.raft.step({ kind: "heartbeat", ...header, commit: 4, commitTerm: 2, round: 1, sentAt: 0 });
  c.perform();
  assert.equal(c.raft.status().commit, 1);
  assert.ok(c.raft.distrustsLog, "it may have voted for somebody since");
  const ask = c.take().find((message) => message.kind === "append refusal");
  assert(ask?.kind === "append refusal" && ask.ask > 0);
  assert.equal(ask.lastIndex, 1, "of what is behind its commit the leader may not count anything");
});

Deno.test("TS96: a leader brings a member up to date whose old disk holds other entries in the same places", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  const shared = a.raft.status().lastIndex;
  a.raft.transfer("b");
  settle(a, b, c);
  assert.equal(b.raft.role, "leader");
  for (let i = 1; i <= 3; i++) b.raft.propose("operations", [bytes(i)]);
  settle(a, b, c);
  const { commit, lastIndex } = b.raft.status();
  assert.deepEqual([commit, lastIndex], [shared + 4, shared + 4]);
  // In its backup there are entries of the first term that no majority ever got.
  const old = restored(a.raft.identity, shared, ...Array(lastIndex).fill(1));
  for (let i = 0; i < 8; i++) {
    b.tick(2);
    settle(a, b, old);
  }
  assert.equal(old.raft.status().commit, commit);
  assert.ok(!old.raft.distrustsLog);
  assert.deepEqual(old.entries.slice(-3).map((entry) => entry.term), [2, 2, 2]);
});

Deno.test("TS96: who has lost what it acknowledged hears of it before it is given that again, though the leader noticed first", () => {
  const [a, b, c] = form(["a", "b", "c"]) as [Node, Node, Node];
  for (let i = 1; i <= 3; i++) a.raft.propose("operations", [bytes(i)]);
  settle(a, b, c);
  a.tick(2);
  settle(a, b, c);
  const { commit } = a.raft.status();
  const back = restored(a.raft.identity, 1, ...Array(commit - 2).fill(1));
  // The next append finds nothing to follow on.
  a.raft.propose("operations", [bytes(4)]);
  settle(a, b, back);
  // It says what it holds, as it may at any time.
  const { identity, term } = a.raft;
  const header = { from: "c", incarnation: "c0", to: "a", expected: "a0", identity, founders: "", term } as const;
  a.raft.step({ kind: "append reply", ...header, match: 1, disk: "ok" });
  settle(a, b, back);
  assert.ok(a.notices.some(({ kind }) => kind === "log lost"));
  assert.equal(back.raft.status().lastIndex, commit - 2, "nothing is sent that would hide the loss");
  a.tick(2);
  a.perform();
  for (const message of a.take()) if (message.to === "c") back.raft.step(message);
  back.perform();
  assert.ok(back.raft.distrustsLog, "it gives no vote meanwhile");
  for (let i = 0; i < 4; i++) {
    settle(a, b, back);
    a.tick(2);
  }
  settle(a, b, back);
  assert.equal(back.raft.status().commit, a.raft.status().commit);
  assert.ok(!back.raft.distrustsLog);
});

Deno.test("M7: a vote is for whoever asked, and not for another process of the same name", () => {
  const b = make("b", { founders: ["a", "b", "c"] });
  const ask = { from: "a", incarnation: "a7", to: "b", expected: "", identity: "", founders: "a,b,c" } as const;
  const question = { ...ask, term: 1, lastIndex: 0, lastTerm: 0, hint: false };
  b.raft.step({ kind: "pre-vote", ...question, term: 0 });
  b.raft.step({ kind: "vote", ...question, transfer: false });
  b.perform();
  const answers = b.take().filter((message: Message) =>
    message.kind === "vote reply" || message.kind === "pre-vote reply"
  );
  assert.deepEqual(answers.map((answer) => answer.expected), ["a7", "a7"]);
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
