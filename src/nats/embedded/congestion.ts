/** Holding publishers back while a consumer of their messages, a client or another server, is far behind. */
import type { Clock } from "../../ports/clock.ts";
import type { Message } from "./message.ts";
import type { Millis } from "../../protocol/units.ts";
import type { Outbox } from "./outbox.ts";

/** How long a publisher waits for a consumer that takes nothing at all. */
const STUCK: Millis = 2_000;
/** Pending bytes of a consumer from which its publishers are held back, as a share of the limit. */
const BRAKE_SHARE = 64;

export interface Consumer {
  readonly closed: boolean;
  readonly outbox: Outbox;
  /** When the write began during which publishers waited in vain; 0 when they never did. */
  stuckWrite: number;
}

/** Tells whoever published that this consumer is far behind, when it is; `maxPending` is the limit of a client. */
export function slowDown(consumer: Consumer, message: Message, maxPending: number): void {
  if (consumer.outbox.pending * BRAKE_SHARE <= maxPending) return;
  const origin = message.origin as { congested?: Consumer | undefined } | undefined;
  if (origin === undefined || origin === consumer || !("congested" in origin)) return;
  origin.congested = consumer;
}

/** Resolves when the consumer has caught up, is gone, or has turned out to take nothing at all. */
export async function caughtUp(consumer: Consumer, clock: Clock, maxPending: number): Promise<void> {
  const before = consumer.outbox.writingSince;
  if (consumer.closed || (consumer.stuckWrite !== 0 && consumer.stuckWrite === before)) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.wakeAt(clock.now() + STUCK, () => {
      if (consumer.outbox.writingSince === before) consumer.stuckWrite = before;
      resolve();
    });
    void consumer.outbox.drained(maxPending / BRAKE_SHARE).then(() => {
      cancel();
      resolve();
    });
  });
}
