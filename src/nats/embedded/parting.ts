/** How a connection ends that has something to say first. */
import type { Clock } from "../../ports/clock.ts";
import type { Millis } from "../../protocol/units.ts";
import type { Outbox } from "./outbox.ts";

/** How long parting words may take to get out. */
const PARTING: Millis = 1_000;

/** Sends what is queued, and calls `gone` when it is out, `late` when it takes too long. */
export function partWith(outbox: Outbox, clock: Clock, gone: () => void, late: () => void = gone): void {
  outbox.flush();
  const cancel = clock.wakeAt(clock.now() + PARTING, late);
  void outbox.drained(1).then(() => {
    cancel();
    gone();
  });
}
