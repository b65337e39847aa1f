import assert from "node:assert/strict";
import { BUSY_PIECE, BUSY_RATE, Pace } from "./pace.ts";

/** How many bytes leave in `millis` when each piece is asked for as soon as the one before has left. */
function sent(pace: Pace, millis: number, each: () => void): number {
  let now = 1000;
  let bytes = 0;
  for (const end = now + millis; now < end;) {
    each();
    const wait = pace.wait(now);
    if (wait > 0) {
      now += wait;
      continue;
    }
    pace.left(now, BUSY_PIECE);
    bytes += BUSY_PIECE;
    // Time for reading and sending it.
    now += 0.1;
  }
  return bytes;
}

Deno.test("an idle node sends as fast as it is asked; one that serves clients no more than its share", () => {
  let work = 0;
  const idle = sent(new Pace(() => work), 1000, () => {});
  assert.ok(idle > 600 * 1024 * 1024, `${idle} bytes a second`);
  const busy = sent(new Pace(() => work), 1000, () => work++);
  assert.ok(busy <= BUSY_RATE + 2 * BUSY_PIECE && busy > BUSY_RATE * 0.9, `${busy} bytes a second`);
});

Deno.test("a tenth of a second after the last client's request it is full speed again", () => {
  let work = 0;
  const pace = new Pace(() => work);
  work++;
  assert.equal(pace.busy(1000), true);
  pace.left(1000, BUSY_RATE);
  assert.ok(pace.wait(1050) > 900);
  assert.equal(pace.wait(1101), 0);
});
