/** A node whose log may lack what it acknowledged (P12), and one that must not be elected (P8). */
import assert from "node:assert/strict";
import { bytes, form, make, type Node, settle, summaryOf } from "../../../tests/support/core_nodes.ts";
import type { Entry } from "./messages.ts";

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

Deno.test("P12: where most had lost something, nobody whose log is shorter than the longest is voted for, or campaigns", () => {
  const c = distrusted(3);
  c.raft.trustLog({ index: 5, term: 1 });
  c.tick(100);
  assert.equal(c.raft.role, "follower");
  const ask = { kind: "pre-vote", from: "a", incarnation: "a0", to: "c", expected: "c0", identity: "x" } as const;
  const answerTo = (lastIndex: number, lastTerm: number) => {
    c.raft.step({ ...ask, founders: "", term: 1, lastIndex, lastTerm, hint: false });
    c.perform();
    return c.take().map((message) => "reason" in message && message.reason);
  };
  assert.deepEqual(answerTo(4, 1), ["log older"]);
  assert.deepEqual(answerTo(5, 1), ["granted"]);
  assert.deepEqual(answerTo(4, 2), ["granted"]);
  assert(c.raft.mayLackEntries, "a restart compares again");
  c.raft.trustLog();
  c.tick(100);
  assert.equal(c.raft.role, "pre-candidate");
  assert(!c.raft.mayLackEntries);
});

Deno.test("P8: a node that is not electable does not campaign", () => {
  const a = make("a", { founders: ["a"] });
  a.raft.setElectable(false);
  a.tick(50);
  assert.equal(a.raft.role, "follower");
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
