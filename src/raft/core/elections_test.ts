import assert from "node:assert/strict";
import { bytes, form, make, type Node, settle, summaryOf, TIMEOUTS } from "../../../tests/support/core_nodes.ts";

const founders = ["a", "b", "c"];
const timeouts = { ...TIMEOUTS, heartbeatTimeout: 200, electionTimeout: 200, leaseTimeout: 100, heartbeatInterval: 20 };
const latest = { below: (bound: number) => bound - 1 };

/** How many ticks it takes until `node` asks for pre-votes. */
function ticksToPreVote(node: Node, most: number): number {
  for (let ticks = 0; ticks <= most; ticks++) {
    node.perform();
    if (node.take().some(({ kind }) => kind === "pre-vote")) return ticks;
    node.tick(1);
  }
  return Infinity;
}

Deno.test("after a start the first pre-vote comes within little more than a heartbeat", () => {
  assert.equal(ticksToPreVote(make("a", { founders, timeouts }), 100), 5);
  assert.equal(ticksToPreVote(make("a", { founders, timeouts, random: latest }), 100), 24);
});

Deno.test("who refuses a pre-vote because it has more in its log asks for pre-votes itself soon", () => {
  const hard = { founders, timeouts, hardState: { term: 2, vote: "" }, random: latest };
  const a = make("a", { ...hard, log: summaryOf(1, 2) });
  const b = make("b", { ...hard, log: summaryOf(1, 2, 2) });
  assert.equal(ticksToPreVote(b, 100), 24);
  // Nobody was there to hear it.
  assert.equal(ticksToPreVote(a, 100), 24);
  a.tick(200);
  settle(a, b);
  assert.ok(ticksToPreVote(b, 200) <= timeouts.heartbeatInterval, "b waits for its next turn");
  b.tick(200);
  settle(a, b);
  b.tick(1);
  assert.equal(b.raft.role, "leader");
});

/** An answer of another voter to what `node` asked for the term after its present one, or for its present one. */
function answer(node: Node, from: string, kind: "pre-vote reply" | "vote reply", granted: boolean): void {
  const { term, identity } = node.raft;
  const header = { from, incarnation: `${from}0`, to: "a", expected: "a0", identity, founders: "", term };
  const reason = granted ? "granted" : "distrusted";
  node.raft.step({
    ...{ kind, ...header, reason, forTerm: kind === "vote reply" ? term : term + 1, guardTicks: 0, guardLeader: "" },
  });
  node.perform();
}

Deno.test("the vote of a leader that was started again is waited for, though somebody else has refused", () => {
  for (const isBack of [true, false]) {
    const [, a] = form(["b", "a", "c"], { timeouts }) as [Node, Node];
    const role = (): string => a.raft.role;
    a.raft.leaderGone("b");
    assert.ok(ticksToPreVote(a, 30) < 30);
    answer(a, isBack ? "b" : "c", "pre-vote reply", true);
    assert.equal(role(), "candidate");
    answer(a, "c", "vote reply", false);
    // The other one may be saving its vote.
    a.tick(30);
    assert.equal(role() === "candidate", isBack);
    if (isBack) answer(a, "b", "vote reply", true);
    assert.equal(role() === "leader", isBack);
  }
});

Deno.test("who knows a live leader does not, whatever it has in its log", () => {
  const [a, b, c] = form(founders) as [Node, Node, Node];
  a.raft.propose("operations", [bytes(1)]);
  settle(a, b);
  assert.ok(ticksToPreVote(c, 100) < 100);
  c.tick(20);
  settle(b, c);
  assert.equal(ticksToPreVote(b, TIMEOUTS.heartbeatInterval + 1), Infinity);
});
