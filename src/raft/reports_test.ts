import assert from "node:assert/strict";
import type { DeliveryFact } from "../protocol/operations.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import { Reports } from "./reports.ts";

/** Gathers facts about subscriptions of one channel; `flush` answers `id sent|acknowledged` for each. */
function gather() {
  const flushed: DeliveryFact[] = [];
  const reports = new Reports(new VirtualClock(), (facts) => {
    flushed.push(...facts);
    return true;
  });
  return {
    sent: (subscriptionId: number, ...sent: number[]) =>
      reports.add({ channel: "foo", incarnation: 1, subscriptionId, sent, acknowledged: [] }),
    acked: (subscriptionId: number, ...acknowledged: number[]) =>
      reports.add({ channel: "foo", incarnation: 1, subscriptionId, sent: [], acknowledged }),
    flush(): string[] {
      reports.flush();
      return flushed.splice(0).map((each) => `${each.subscriptionId} ${each.sent}|${each.acknowledged}`);
    },
  };
}

Deno.test("what was sent and acknowledged meanwhile is left out but for the newest, which raises the position", () => {
  const { sent, acked, flush } = gather();
  sent(1, 1, 2, 3, 4);
  acked(1, 1, 2, 4);
  assert.deepEqual(flush(), ["1 3,4|4"]);
  acked(1, 3);
  assert.deepEqual(flush(), ["1 |3"]);
  assert.deepEqual(flush(), []);
});

Deno.test("a message that was passed on and came back is with its first member", () => {
  const { sent, acked, flush } = gather();
  sent(1, 5, 7);
  assert.deepEqual(flush(), ["1 5,7|"]);
  for (const sequence of [5, 7]) {
    sent(2, sequence);
    acked(1, sequence);
    sent(1, sequence);
    acked(2, sequence);
  }
  assert.deepEqual(flush(), ["2 7|7", "1 5,7|"]);
});

Deno.test("when it is acknowledged then, followers hear of it", () => {
  const { sent, acked, flush } = gather();
  sent(1, 5, 7);
  flush();
  sent(2, 5);
  acked(1, 5);
  sent(1, 5);
  acked(2, 5);
  acked(1, 5);
  assert.deepEqual(flush(), ["2 5|5", "1 |5"]);
});

Deno.test("so it is when all of it happens between two reports", () => {
  const { sent, acked, flush } = gather();
  sent(1, 7);
  sent(2, 7);
  acked(1, 7);
  sent(1, 7);
  acked(2, 7);
  assert.deepEqual(flush(), ["1 7|", "2 7|7"]);
});

Deno.test("what cannot be sent goes later, together with what came since, statements first", async () => {
  const clock = new VirtualClock();
  const sent: string[] = [];
  let open = false;
  const reports = new Reports(clock, (facts) => {
    if (open) sent.push(...facts.map((each) => `${each.subscriptionId} ${each.sent}|${each.acknowledged}`));
    return open;
  });
  const fact = (subscriptionId: number, sequences: number[], acknowledged: number[] = []) => {
    return { channel: "foo", incarnation: 1, subscriptionId, sent: sequences, acknowledged };
  };
  reports.state([{ ...fact(7, [1]), complete: { lastSent: 1 } }]);
  reports.add(fact(1, [1, 2]));
  reports.add(fact(1, [], [2]));
  reports.flush();
  reports.add(fact(1, [3], [1]));
  await clock.advance(1_500);
  assert.deepEqual(sent, []);
  open = true;
  await clock.advance(1_000);
  assert.deepEqual(sent, ["7 1|", "1 3|1"]);
});

Deno.test("what could not be reported before a snapshot is acknowledged by name: whoever has the snapshot knows of it", () => {
  const sent: string[] = [];
  let open = false;
  const reports = new Reports(new VirtualClock(), (facts) => {
    if (open) sent.push(...facts.map((each) => `${each.sent}|${each.acknowledged}`));
    return open;
  });
  const about = { channel: "foo", incarnation: 1, subscriptionId: 1 };
  reports.add({ ...about, sent: [1, 2, 3], acknowledged: [] });
  reports.flush();
  reports.add({ ...about, sent: [], acknowledged: [1, 3] });
  open = true;
  reports.flush();
  assert.deepEqual(sent, ["2,3|1,3"]);
});
