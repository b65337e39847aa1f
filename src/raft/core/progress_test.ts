import assert from "node:assert/strict";
import type { Entry } from "./messages.ts";
import { NodeState } from "./node_state.ts";
import { DEFAULT_LIMITS, EMPTY_LOG } from "./options.ts";
import { Progress } from "./progress.ts";
import { announce } from "./replication.ts";

const limits = { ...DEFAULT_LIMITS, windowMessages: 2, windowBytes: 1_000 };

function progress(next = 1): Progress {
  return new Progress({ id: "b", incarnation: "b0", voter: true }, next, 0, limits);
}

function entries(from: number, count: number, size = 1): Entry[] {
  return Array.from({ length: count }, (_, i) => {
    return { kind: "operations", index: from + i, term: 1, payload: new Uint8Array(size) };
  });
}

function leaderState(): NodeState {
  const timeouts = {
    heartbeatTimeout: 20,
    electionTimeout: 20,
    leaseTimeout: 10,
    heartbeatInterval: 2,
    commitInterval: 1,
  };
  return new NodeState({
    id: "a",
    incarnation: "a0",
    identity: "",
    newIdentity: "",
    founders: ["a", "b"],
    timeouts,
    limits,
    hardState: { term: 0, vote: "" },
    log: EMPTY_LOG,
    applied: 0,
    distrustLog: false,
    random: { below: () => 0 },
    now: 0,
  }, { follow: () => {}, campaign: () => {}, hasten: () => {}, lead: () => {} });
}

const membership = { index: 0, membership: { members: [] } };

Deno.test("a probe has one append under way until it is answered", () => {
  const peer = progress(5);
  peer.sent(entries(5, 1), 0);
  assert(peer.paused);
  assert.equal(peer.next, 5, "nothing is taken for granted");
  peer.accepted(4);
  assert.equal(peer.state, "replicate");
  assert.equal(peer.next, 5);
  assert(!peer.paused);
});

Deno.test("only the answer to a heartbeat that was sent after it gives a probe up for lost", () => {
  const peer = progress(5);
  peer.sentRound = 7;
  peer.sent(entries(5, 1), 0);
  peer.answered(7);
  assert(peer.paused);
  peer.answered(8);
  assert(!peer.paused);
});

Deno.test("replicating pauses when the window is full of messages or of bytes", () => {
  const peer = progress();
  peer.accepted(0);
  peer.sent(entries(1, 1), 0);
  assert(!peer.paused);
  peer.sent(entries(2, 3), 0);
  assert(peer.paused);
  assert.equal(peer.next, 5);
  peer.accepted(1);
  assert(!peer.paused);
  peer.sent(entries(5, 1, 2_000), 0);
  assert(peer.paused);
  peer.accepted(5);
  assert.equal(peer.bytesUnderWay, 0);
  assert.equal(peer.messagesUnderWay, 0);
});

Deno.test("match never sinks by acknowledgements, and next stays above it", () => {
  const peer = progress();
  peer.accepted(7);
  assert(!peer.accepted(3));
  assert.deepEqual([peer.match, peer.next], [7, 8]);
  peer.probe(2);
  assert.equal(peer.next, 8);
});

Deno.test("an announced snapshot pauses everything until it, or more, is there", () => {
  const peer = progress(3);
  peer.announce({ index: 10, term: 1, membership, identity: "" }, 5);
  assert(peer.paused);
  peer.accepted(4);
  assert.equal(peer.state, "snapshot");
  peer.accepted(10);
  assert.deepEqual([peer.state, peer.next], ["replicate", 11]);
});

Deno.test("S6: a snapshot that is announced again is the same, unless it could not be installed", () => {
  const state = leaderState();
  const peer = progress(3);
  const mark = (index: number) => ({ index, term: 1, membership, identity: "" });
  const announced = () => {
    announce(state, peer);
    const message = state.outbox.take(state.log, []).messages.at(-1)!.message;
    return message.kind === "snapshot announce" ? message.snapshot.index : 0;
  };
  state.log.snapshot = mark(10);
  assert.equal(announced(), 10);
  state.log.snapshot = mark(20);
  assert.equal(announced(), 10);
  peer.installFailed = true;
  assert.equal(announced(), 20);
});

Deno.test("what was acknowledged before an append was sent is older than its refusal", () => {
  const peer = progress();
  peer.sequence = 3;
  peer.accepted(5);
  assert(!peer.isAfterMatch(3));
  assert(peer.isAfterMatch(4));
  peer.forget(2);
  assert.deepEqual([peer.match, peer.next, peer.state], [2, 3, "probe"]);
});
