import assert from "node:assert/strict";
import fc from "fast-check";
import { RaftLog } from "./log.ts";
import type { Entry, SnapshotMark } from "./messages.ts";
import { EMPTY_LOG, foundersMembership } from "./options.ts";

const founders = { index: 0, membership: foundersMembership(["b", "a"]) };

function emptyLog(): RaftLog {
  return new RaftLog(EMPTY_LOG, founders, 0);
}

function noOp(index: number, term: number): Entry {
  return { kind: "no-op", index, term };
}

function logOf(...terms: number[]): RaftLog {
  const log = emptyLog();
  terms.forEach((term, i) => log.append(noOp(i + 1, term)));
  return log;
}

Deno.test("RaftLog.termAt() knows the base, the entries and nothing else", () => {
  const log = logOf(1, 1, 3);
  assert.deepEqual([0, 1, 2, 3, 4].map((index) => log.termAt(index)), [0, 1, 1, 3, undefined]);
  assert.equal(log.lastTerm, 3);
});

Deno.test("RaftLog.isUpToDate() compares the last term, then the last index", () => {
  const log = logOf(1, 2, 2);
  assert(log.isUpToDate(3, 2));
  assert(log.isUpToDate(1, 3));
  assert(!log.isUpToDate(2, 2));
  assert(!log.isUpToDate(9, 1));
});

Deno.test("RaftLog.lastWithTermAtMost() goes back by terms", () => {
  const log = logOf(1, 1, 4, 4, 5);
  assert.equal(log.lastWithTermAtMost(4, 5), 4);
  assert.equal(log.lastWithTermAtMost(3, 5), 2);
  assert.equal(log.lastWithTermAtMost(0, 5), 0);
  assert.equal(log.lastWithTermAtMost(5, 3), 3);
});

Deno.test("RaftLog refuses gaps, terms that sink, and taking back what is committed", () => {
  const log = logOf(2, 2);
  assert.throws(() => log.append(noOp(4, 2)), /comes after 2/);
  assert.throws(() => log.append(noOp(3, 1)), /is below 2/);
  log.commit = 1;
  assert.throws(() => log.truncateFrom(1), /committed/);
});

Deno.test("C3: a write that was overwritten meanwhile is durable only as far as it still stands", () => {
  const log = logOf(1, 1, 1);
  log.takeUnwritten(1);
  log.truncateFrom(2);
  log.append(noOp(2, 2));
  log.takeUnwritten(2);
  assert(log.stored(1));
  assert.equal(log.durable, 1);
  log.stored(2);
  assert.equal(log.durable, 2);
});

Deno.test("a later ticket covers the earlier ones", () => {
  const log = logOf(1);
  log.takeUnwritten(1);
  log.append(noOp(2, 1));
  log.takeUnwritten(2);
  log.stored(2);
  assert.equal(log.durable, 2);
  assert(!log.stored(1), "nothing new");
});

Deno.test("M4: taking back a membership entry reverts to the one before", () => {
  const log = emptyLog();
  const grown = foundersMembership(["a", "b", "c"]);
  log.append(noOp(1, 1));
  log.append({ kind: "membership", index: 2, term: 1, membership: grown });
  assert.equal(log.membership.membership, grown);
  assert.equal(log.committedMembership, founders);
  log.commit = 1;
  log.truncateFrom(2);
  assert.equal(log.membership, founders);
});

Deno.test("an identity that is taken back is forgotten", () => {
  const log = emptyLog();
  log.append({ kind: "identity", index: 1, term: 1, identity: "x" });
  assert.equal(log.identityInLog, "x");
  log.truncateFrom(1);
  assert.equal(log.identityInLog, "");
});

Deno.test("cutThrough() keeps the term at the base, the membership in effect and the entries behind", () => {
  const log = emptyLog();
  const grown = foundersMembership(["a", "b", "c"]);
  log.append(noOp(1, 1));
  log.append({ kind: "membership", index: 2, term: 1, membership: grown });
  log.append(noOp(3, 2));
  log.append(noOp(4, 2));
  log.takeUnwritten(1);
  log.stored(1);
  log.commit = log.handedOut = log.applied = 3;
  log.cutThrough(3);
  assert.deepEqual([2, 3, 4].map((index) => log.termAt(index)), [undefined, 2, 2]);
  assert.equal(log.membership.membership, grown);
  assert.throws(() => log.cutThrough(4), /not applied/);
  log.applied = log.commit = 4;
  log.cutThrough(4);
  assert.equal(log.lastTerm, 2);
  log.append(noOp(5, 2));
  assert.equal(log.termAt(5), 2);
});

Deno.test("S4: restartAt() leaves nothing but the snapshot, and late writes make nothing else durable", () => {
  const log = logOf(1, 1, 1);
  log.takeUnwritten(1);
  const membership = { index: 2, membership: foundersMembership(["a"]) };
  const snapshot: SnapshotMark = { index: 10, term: 4, membership, identity: "x" };
  log.restartAt(snapshot);
  log.append(noOp(11, 4));
  log.stored(1);
  assert.equal(log.durable, 10);
  assert.equal(log.termAt(10), 4);
  assert.equal(log.membership, membership);
});

Deno.test("RaftLog recovers from a summary, and refuses one that lacks what was committed", () => {
  const snapshot: SnapshotMark = { index: 4, term: 2, membership: founders, identity: "x" };
  const runs = [{ from: 4, term: 2 }, { from: 6, term: 3 }];
  const summary = { ...EMPTY_LOG, baseIndex: 3, baseTerm: 1, lastIndex: 7, runs, snapshot, commit: 5 };
  const log = new RaftLog(summary, founders, 0);
  assert.deepEqual([3, 4, 5, 6, 7].map((index) => log.termAt(index)), [1, 2, 2, 3, 3]);
  assert.deepEqual([log.applied, log.commit, log.durable], [4, 5, 7]);
  assert.throws(() => new RaftLog({ ...summary, commit: 8 }, founders, 0), /8 was committed/);
});

Deno.test("shrinkCache() keeps what is not durable or not handed out", () => {
  const log = logOf(1, 1, 1, 1);
  log.takeUnwritten(1);
  log.stored(1);
  log.commit = 4;
  log.handedOut = 2;
  log.shrinkCache(0);
  assert.equal(log.cache.first, 3);
});

Deno.test("terms by runs equal terms by entries, through appends, truncations and cuts", () => {
  const step = fc.oneof(
    fc.nat(2).map((more) => ({ kind: "append", number: more })),
    fc.nat(5).map((back) => ({ kind: "truncate", number: back })),
    fc.nat(3).map((on) => ({ kind: "cut", number: on })),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const log = emptyLog();
    const terms = [0];
    let base = 0;
    let ticket = 0;
    for (const { kind, number } of steps) {
      if (kind === "append") {
        const term = terms.at(-1)! + (number === 2 ? 1 : 0);
        log.append(noOp(terms.length, term));
        terms.push(term);
      } else if (kind === "truncate") {
        const from = Math.max(base + 1, terms.length - number);
        if (from < terms.length) log.truncateFrom(from);
        terms.length = Math.min(terms.length, from);
      } else {
        base = Math.min(terms.length - 1, base + number);
        log.takeUnwritten(++ticket);
        log.stored(ticket);
        log.commit = log.handedOut = log.applied = Math.max(log.applied, base);
        log.cutThrough(base);
      }
      for (let i = 0; i <= terms.length; i++) assert.equal(log.termAt(i), i < base ? undefined : terms[i]);
      assert.equal(log.lastIndex, terms.length - 1);
    }
  }));
});
