/** Holding publishers back while a consumer of their messages, a client or another server, is far behind. */
import type { Clock } from "../../ports/clock.ts";
import type { Message } from "./message.ts";
import type { Millis } from "../../protocol/units.ts";
import type { Outbox } from "./outbox.ts";

/** How long a publisher waits for a consumer that takes nothing at all. */
const STUCK: Millis = 2_000;
/** Pending bytes of a consumer from which its publishers are held back, as a share of the limit. */
const BRAKE_SHARE = 64;
/** … but not below this, unless the limit itself is that small. */
const BRAKE_LEAST = 262_144;

export interface Consumer {
  readonly closed: boolean;
  readonly outbox: Outbox;
  /** When the write began during which publishers waited in vain; 0 when they never did. */
  stuckWrite: number;
}

/**
 * Tells whoever published that this consumer is far behind, when it is; `maxPending` is the limit of a client. Of several
 * the one that is furthest behind counts; those that take nothing at all do not.
 */
export function slowDown(consumer: Consumer, message: Message, maxPending: number): void {
  if (consumer.outbox.pending <= brakeAt(maxPending)) return;
  const origin = message.origin as { congested?: Consumer | undefined } | undefined;
  if (origin === undefined || origin === consumer || !("congested" in origin) || isStuck(consumer)) return;
  const other = origin.congested;
  if (other === undefined || other.outbox.pending < consumer.outbox.pending) origin.congested = consumer;
}

/** Resolves when the consumer has caught up, is gone, or has turned out to take nothing at all. */
export async function caughtUp(consumer: Consumer, clock: Clock, maxPending: number): Promise<void> {
  if (consumer.closed || isStuck(consumer)) return;
  const before = consumer.outbox.writingSince;
  await new Promise<void>((resolve) => {
    const judge = () => {
      if (consumer.outbox.writingSince === before) consumer.stuckWrite = before;
      resolve();
    };
    // After a pause of this process, what the consumer has taken meanwhile is to be seen first.
    const cancel = clock.wakeAt(clock.now() + STUCK, () => clock.soon(judge));
    void consumer.outbox.drained(brakeAt(maxPending)).then(() => {
      cancel();
      resolve();
    });
  });
}

/** Whether it has taken nothing since publishers last waited for it. */
function isStuck(consumer: Consumer): boolean {
  return consumer.stuckWrite !== 0 && consumer.stuckWrite === consumer.outbox.writingSince;
}

/** Pending bytes from which publishers are held back. */
function brakeAt(maxPending: number): number {
  return Math.max(maxPending / BRAKE_SHARE, Math.min(BRAKE_LEAST, maxPending / 2));
}
