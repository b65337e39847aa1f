import assert from "node:assert/strict";
import { ConnectionRate } from "./connection_rate.ts";
import { RecordingLog } from "../../../tests/support/recording_log.ts";
import { VirtualClock } from "../../../tests/support/virtual_clock.ts";

Deno.test("ConnectionRate takes so many a second, and says how many it did not", async () => {
  const clock = new VirtualClock();
  const log = new RecordingLog();
  const rate = new ConnectionRate(clock, log);
  const admitted = () => Array.from({ length: 5 }, () => rate.admits(2));
  assert.deepEqual(admitted(), [true, true, false, false, false]);
  await clock.advance(999);
  assert.equal(rate.admits(2), false);
  await clock.advance(1);
  assert.deepEqual(admitted(), [true, true, false, false, false]);
  assert.equal(rate.admits(0), true);
  await clock.advance(5_000);
  assert.deepEqual(log.lines, [4, 3].map((count) => `WRN Rejected ${count} connections due to TLS rate limiting`));
});
