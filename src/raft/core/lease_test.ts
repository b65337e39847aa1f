import assert from "node:assert/strict";
import { Lease } from "./lease.ts";
import { NodeState } from "./node_state.ts";
import { DEFAULT_LIMITS, EMPTY_LOG } from "./options.ts";
import { Progress } from "./progress.ts";

const TIMEOUTS = {
  heartbeatTimeout: 200,
  electionTimeout: 200,
  leaseTimeout: 100,
  heartbeatInterval: 20,
  commitInterval: 10,
};

function setUp(quietUntil = 0): { state: NodeState; peers: Map<string, Progress>; lease: Lease } {
  const founders = ["a", "b", "c"];
  const state = new NodeState({
    id: "a",
    incarnation: "a0",
    identity: "x",
    newIdentity: "",
    founders,
    timeouts: TIMEOUTS,
    limits: DEFAULT_LIMITS,
    hardState: { term: 1, vote: "a" },
    log: EMPTY_LOG,
    applied: 0,
    distrustLog: false,
    random: { below: () => 0 },
    now: 1_000,
  }, { follow: () => {}, campaign: () => {}, hasten: () => {}, lead: () => {} });
  const member = (id: string) => new Progress({ id, incarnation: "", voter: true }, 1, 0, DEFAULT_LIMITS);
  const peers = new Map(["b", "c"].map((id) => [id, member(id)]));
  return { state, peers, lease: new Lease(state, peers, quietUntil) };
}

function readsOf(state: NodeState): unknown[] {
  return [...state.outbox.take(state.log, []).reads];
}

Deno.test("Q2: the lease runs from when the round was sent, less the drift, once a majority answered", () => {
  const { state, peers, lease } = setUp();
  const round = lease.startRound(true);
  state.now = 1_030;
  lease.update();
  assert.equal(lease.until, 0);
  lease.answered(peers.get("b")!, round, 1_000);
  lease.update();
  assert.equal(lease.until, 1_090);
});

Deno.test("Q4: after a break only rounds that were sent later count", () => {
  const { state, peers, lease } = setUp();
  const round = lease.startRound(true);
  state.now = 1_050;
  lease.break();
  lease.answered(peers.get("b")!, round, 1_000);
  lease.update();
  assert.equal(lease.until, 0);
  lease.answered(peers.get("b")!, lease.startRound(true), 1_050);
  lease.update();
  assert.equal(lease.until, 1_140);
});

Deno.test("E7: there is no lease before the one of an earlier leader is over", () => {
  const { state, peers, lease } = setUp(1_060);
  lease.answered(peers.get("b")!, lease.startRound(true), 1_000);
  lease.update();
  assert.equal(lease.until, 0);
  state.now = 1_060;
  assert.equal(lease.until, 1_090);
});

Deno.test("answers to rounds that were never sent count for nothing", () => {
  const { peers, lease } = setUp();
  lease.startRound(true);
  lease.answered(peers.get("b")!, 9, 1_000);
  lease.answered(peers.get("c")!, 1, 5_000);
  lease.update();
  assert.equal(lease.until, 0);
});

Deno.test("Q1: a read is confirmed by a round that began after it, and not before the term is committed", () => {
  const { state, peers, lease } = setUp();
  const early = lease.startRound(true);
  lease.read(1);
  assert(lease.wantsRound);
  lease.answered(peers.get("b")!, early, 1_000);
  lease.update();
  assert.deepEqual(readsOf(state), []);
  lease.startRound(false);
  assert(lease.wantsRound, "no entry of the term is committed");
  const round = lease.startRound(true);
  assert(!lease.wantsRound);
  lease.read(2);
  assert(!lease.wantsRound, "a round is under way: the next one is for later reads");
  lease.answered(peers.get("c")!, round, 1_000);
  lease.update();
  assert.deepEqual(readsOf(state), [{ read: 1, index: 0 }]);
  lease.end();
  assert.deepEqual(readsOf(state), [{ read: 2, index: undefined }]);
});

Deno.test("reads that wait are bounded", () => {
  const { state, lease } = setUp();
  for (let read = 1; read <= 10_002; read++) lease.read(read);
  assert.deepEqual(readsOf(state), [{ read: 10_001, index: undefined }, { read: 10_002, index: undefined }]);
});
