/** Work that is done a little each turn, so that nothing else waits for it. */
import type { Clock } from "../ports/clock.ts";
import type { Awaitable, Millis } from "../protocol/units.ts";

/** Steps that are done in one turn, and how long they may take. */
const STEPS = 64;
const SLICE: Millis = 5;

/** Calls `step` until it answers `false`; little work is done at once. */
export function doInTurns(step: () => boolean, clock: Clock): Awaitable<void> {
  for (let i = 0; i < STEPS; i++) if (!step()) return;
  return goOn(step, clock);
}

async function goOn(step: () => boolean, clock: Clock): Promise<void> {
  for (;;) {
    await new Promise<void>((resolve) => clock.soon(resolve));
    const begun = clock.now();
    for (let i = 0; i < STEPS && clock.now() - begun < SLICE; i++) if (!step()) return;
  }
}
