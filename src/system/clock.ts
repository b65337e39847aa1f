/** The machine's clock. */
import type { Cancel, Clock } from "../ports/clock.ts";
import { type Millis, type Nanos, nanosFromMillis } from "../protocol/units.ts";
import { isCurrentRuntime } from "./runtime_version.ts";
import { wallTime } from "./wall_time.ts";

/** The longest wait that `setTimeout` takes, in milliseconds; longer ones are waited for in pieces. */
const longestTimer = 2 ** 31 - 1;

/** The clock that a running server uses. */
export function systemClock(): Clock {
  // Deno before 2.9 takes over a millisecond for an immediate; a message port is faster there.
  return new SystemClock(isCurrentRuntime ? afterThisTurn : messagePortQueue());
}

/** Exported for its tests: `soon` is what runs a function at the end of this turn. */
export class SystemClock implements Clock {
  readonly #soon: (run: () => void) => void;

  constructor(soon: (run: () => void) => void) {
    this.#soon = soon;
  }

  now(): Millis {
    return performance.now();
  }

  wall(): Nanos {
    return nanosFromMillis(wallTime());
  }

  wakeAt(at: Millis, wake: () => void): Cancel {
    if (at <= performance.now()) return this.#wakeSoon(wake);
    let timer: ReturnType<typeof setTimeout> | undefined;
    // A timer may fire a fraction early, and takes no wait above its limit: both go round again.
    const arm = () => {
      const wait = at - performance.now();
      if (wait <= 0) wake();
      else timer = setTimeout(arm, Math.min(Math.ceil(wait), longestTimer));
    };
    arm();
    return () => clearTimeout(timer);
  }

  soon(run: () => void): void {
    this.#soon(run);
  }

  #wakeSoon(wake: () => void): Cancel {
    let cancelled = false;
    this.#soon(() => {
      if (!cancelled) wake();
    });
    return () => {
      cancelled = true;
    };
  }
}

function afterThisTurn(run: () => void): void {
  setImmediate(run);
}

/** As {@link afterThisTurn} by way of a message port. The port is closed whenever nothing waits, so that it keeps no process alive. */
export function messagePortQueue(): (run: () => void) => void {
  let queue: (() => void)[] = [];
  let channel: MessageChannel | undefined;
  const drain = () => {
    const due = queue;
    queue = [];
    try {
      while (due.length > 0) due.shift()!();
    } finally {
      // What is left after an exception, and what was added meanwhile, comes in the next turn.
      queue = [...due, ...queue];
      if (queue.length > 0) channel!.port2.postMessage(0);
      else {
        channel!.port1.close();
        channel!.port2.close();
        channel = undefined;
      }
    }
  };
  return (run) => {
    queue.push(run);
    if (channel !== undefined) return;
    channel = new MessageChannel();
    channel.port1.onmessage = drain;
    channel.port2.postMessage(0);
  };
}
