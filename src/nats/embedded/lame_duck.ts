/** Leaves gently: no new clients, the present ones are asked to go, then closed one by one (spec nats-server, section 1.10). */
import type { ClientSession } from "./clients/mod.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Millis } from "../../protocol/units.ts";

/** The longest pause between two clients. */
const LONGEST_PAUSE: Millis = 1_000;

export interface LameDuckPlan {
  readonly clock: Clock;
  readonly duration: Millis;
  readonly grace: Millis;
  /** Those who are still connected. */
  sessions(): readonly ClientSession[];
}

/** Resolves when no client is left. */
export async function closeOneByOne(plan: LameDuckPlan): Promise<void> {
  const wait = (time: Millis) =>
    new Promise<void>((resolve) => void plan.clock.wakeAt(plan.clock.now() + time, resolve));
  if (plan.sessions().length === 0) return;
  await wait(plan.grace);
  const rest = Math.max(plan.duration - plan.grace, 1_000);
  const pause = Math.min(LONGEST_PAUSE, rest / Math.max(plan.sessions().length, 1));
  for (;;) {
    const session = plan.sessions()[0];
    if (session === undefined) return;
    session.close("Server Shutdown", true);
    if (plan.sessions().length > 0) await wait(pause);
  }
}
