import assert from "node:assert/strict";
import { RaftLog } from "./log.ts";
import type { Message } from "./messages.ts";
import { EMPTY_LOG } from "./options.ts";
import { Outbox } from "./outbox.ts";

const none = { index: 0, membership: { members: [] } };
const header = { from: "a", incarnation: "a0", to: "b", expected: "", term: 1, identity: "", founders: "" };
const message: Message = { kind: "timeout now", ...header };

function setUp(): { outbox: Outbox; log: RaftLog } {
  return { outbox: new Outbox(0), log: new RaftLog(EMPTY_LOG, none, 0) };
}

Deno.test("P1: messages wait for the write that holds the newest term and vote", () => {
  const { outbox, log } = setUp();
  outbox.send(message);
  outbox.save({ term: 1, vote: "b" });
  outbox.send(message);
  const first = outbox.take(log, []);
  assert.deepEqual(first.messages.map(({ after }) => after), [0, first.ticket]);
  outbox.send(message);
  assert.deepEqual(outbox.take(log, []).messages.map(({ after }) => after), [first.ticket]);
  outbox.stored(first.ticket);
  outbox.send(message);
  assert.deepEqual(outbox.take(log, []).messages.map(({ after }) => after), [0]);
});

Deno.test("tickets count writes, and only writes", () => {
  const { outbox, log } = setUp();
  outbox.send(message);
  assert.equal(outbox.take(log, []).ticket, 0);
  log.append({ kind: "no-op", index: 1, term: 1 });
  assert(outbox.hasReady(log));
  const ready = outbox.take(log, []);
  assert.equal(ready.ticket, 1);
  assert.equal(ready.entries.length, 1);
  outbox.cutLog(1);
  assert.deepEqual([outbox.take(log, []).cutThrough, outbox.lastTicket], [1, 2]);
  assert(!outbox.hasReady(log));
});

Deno.test("a commit that moves is something to tell", () => {
  const { outbox, log } = setUp();
  log.append({ kind: "no-op", index: 1, term: 1 });
  outbox.take(log, []);
  log.commit = 1;
  assert(outbox.hasReady(log));
  assert.equal(outbox.take(log, []).commit, 1);
  assert(!outbox.hasReady(log));
});

Deno.test("noticeOnce() says a thing once, and remembers a bounded number of things", () => {
  const { outbox, log } = setUp();
  for (let i = 0; i < 3_000; i++) outbox.noticeOnce(`subject ${i % 2_000}`, { kind: "removed", index: i });
  assert.equal(outbox.take(log, []).notices.length, 1_000);
});
