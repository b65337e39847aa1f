import assert from "node:assert/strict";
import { closeKey, connectKey, RecentRequests, subscribeKey, unsubscribeKey } from "./recent_requests.ts";
import type { Operation } from "../protocol/operations.ts";

const disconnect: Operation = { kind: "disconnect", clientId: "me" };

Deno.test("what was carried out counts for as many requests as it was carried out for", () => {
  const recent = new RecentRequests();
  recent.note(disconnect, 0);
  recent.note(disconnect, 1);
  recent.note({ kind: "create channel", channel: "foo" }, 1);
  assert.deepEqual([1, 2, 3].map(() => recent.take(closeKey("me"))), [true, true, false]);
  assert.equal(recent.take(closeKey("other")), false);
});

Deno.test("requests are told apart by what makes them unique", () => {
  const recent = new RecentRequests();
  const base = { clientId: "me", channel: "foo", inbox: "in" };
  recent.note({ ...base, kind: "unsubscribe", remove: true }, 0);
  assert.equal(recent.take(subscribeKey("me", "foo", "in")), false);
  assert.equal(recent.take(unsubscribeKey("me", "foo", "other")), false);
  assert.equal(recent.take(unsubscribeKey("me", "foo", "in")), true);
  const connId = new Uint8Array(0);
  recent.note({
    ...{ kind: "connect", clientId: "me", heartbeatInbox: "hb", connId, protocol: 1 },
    ...{ pingInterval: 5, pingMaxOut: 3, replace: false },
  }, 0);
  assert.equal(recent.take(connectKey("me", "elsewhere")), false);
  assert.equal(recent.take(connectKey("me", "hb")), true);
});

Deno.test("it is known for five seconds at least and ten at most", () => {
  for (const [after, known] of [[4_999, true], [9_999, true], [10_001, false], [60_000, false]] as const) {
    const recent = new RecentRequests();
    recent.note(disconnect, 1_000);
    recent.note({ kind: "disconnect", clientId: "other" }, 1_000 + after);
    assert.equal(recent.take(closeKey("me")), known, `after ${after} ms`);
  }
});

Deno.test("where there were too many, nothing is known of what was before", () => {
  const recent = new RecentRequests();
  for (let i = 0; i <= 50_000; i++) recent.note({ kind: "disconnect", clientId: `c${i}` }, 7);
  assert.equal(recent.since, 7);
  assert.equal(recent.take(closeKey("c1")), false);
});
