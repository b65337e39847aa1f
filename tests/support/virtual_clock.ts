/** Time that a test owns: nothing happens until it says so, and hours pass in milliseconds. */
import type { Cancel, Clock } from "../../src/ports/clock.ts";
import { type Millis, type Nanos, nanosFromMillis } from "../../src/protocol/units.ts";
import { runMicrotasks } from "./microtasks.ts";

interface Timer {
  readonly at: Millis;
  /** Timers of one instant wake in the order in which they were set. */
  readonly order: number;
  wake: (() => void) | undefined;
}

/** 2026-01-01 00:00 UTC: any start will do, but a recognisable one helps. */
const usualStart: Nanos = 1_767_225_600_000_000_000n;

export class VirtualClock implements Clock {
  #now: Millis = 0;
  #wallStart: Nanos;
  #order = 0;
  /** A binary heap, the earliest timer first. */
  readonly #timers: Timer[] = [];
  #soon: (() => void)[] = [];

  constructor(wallStart: Nanos = usualStart) {
    this.#wallStart = wallStart;
  }

  now(): Millis {
    return this.#now;
  }

  wall(): Nanos {
    return this.#wallStart + nanosFromMillis(this.#now);
  }

  /** Sets the wall clock forward or back, as an operator or NTP might. */
  shiftWall(by: Nanos): void {
    this.#wallStart += by;
  }

  wakeAt(at: Millis, wake: () => void): Cancel {
    const timer: Timer = { at: Math.max(at, this.#now), order: this.#order++, wake };
    this.#push(timer);
    return () => {
      timer.wake = undefined;
    };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** When the next timer is due; `undefined` when none is set. */
  get nextAt(): Millis | undefined {
    while (this.#timers.length > 0 && this.#timers[0]!.wake === undefined) this.#pop();
    return this.#timers[0]?.at;
  }

  /** Runs what was put off to the end of the turn and every timer that is due, synchronously. Answers whether there was anything. */
  runDue(): boolean {
    let ran = false;
    for (;;) {
      const soon = this.#soon;
      this.#soon = [];
      for (const run of soon) run();
      const due = this.nextAt;
      if (due !== undefined && due <= this.#now) this.#pop().wake!();
      else if (soon.length === 0) return ran;
      ran = true;
    }
  }

  /** Runs everything that can happen at this instant, promises included, until nothing is left. */
  async settle(): Promise<void> {
    do {
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (this.runDue());
  }

  /** As {@link settle}, at once; only inside `inMacrotask`. */
  settleNow(): void {
    do runMicrotasks(); while (this.runDue());
  }

  /** Goes on to the next instant at which something is due, but not beyond `limit`, and settles there. Only inside `inMacrotask`. */
  step(limit: Millis): void {
    this.#now = Math.max(this.#now, Math.min(this.nextAt ?? limit, limit));
    this.settleNow();
  }

  /** Lets time pass, instant by instant, settling at each. */
  async advance(by: Millis): Promise<void> {
    const end = this.#now + by;
    await this.settle();
    for (let at = this.nextAt; at !== undefined && at <= end; at = this.nextAt) {
      this.#now = at;
      await this.settle();
    }
    this.#now = end;
    await this.settle();
  }

  /** Lets time pass until `condition` holds. Throws when it does not within `limit`. */
  async until(condition: () => boolean, limit: Millis, what = "the condition"): Promise<void> {
    const end = this.#now + limit;
    await this.settle();
    while (!condition()) {
      const at = this.nextAt;
      if (at === undefined || at > end) throw new Error(`${what} did not come true within ${limit} ms`);
      this.#now = at;
      await this.settle();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let child = heap.push(timer) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!earlier(timer, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = timer;
  }

  #pop(): Timer {
    const heap = this.#timers;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let parent = 0;
      for (;;) {
        let child = 2 * parent + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++;
        if (!earlier(heap[child]!, last)) break;
        heap[parent] = heap[child]!;
        parent = child;
      }
      heap[parent] = last;
    }
    return first;
  }
}

function earlier(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * One process's view of a shared clock: it can be stopped for good, frozen and thawed, runs at a speed of its own, and
 * has wall time of its own.
 */
export class ProcessClock implements Clock {
  readonly #world: Clock;
  /** What the world's clock and this one showed when the speed was set. */
  #since: Millis = 0;
  #origin: Millis = 0;
  #speed = 1;
  #wallOffset: Nanos = 0n;
  #wallStopped: Nanos | undefined;
  #dead = false;
  /** What would have run while frozen. */
  #frozen: (() => void)[] | undefined;
  /** Called before anything of this process runs. */
  onRun: () => void = () => {};

  constructor(world: Clock) {
    this.#world = world;
  }

  now(): Millis {
    return this.#origin + (this.#world.now() - this.#since) * this.#speed;
  }

  wall(): Nanos {
    return this.#wallStopped ?? this.#world.wall() + this.#wallOffset;
  }

  shiftWall(by: Nanos): void {
    this.#wallOffset += by;
  }

  /** Wall time stands still, or goes on. */
  stopWall(stopped: boolean): void {
    this.#wallStopped = stopped ? this.wall() : undefined;
  }

  /** From now on time passes here at `speed` times that of the world; before anything was timed, this clock may `show` something else. */
  pace(speed: number, show: Millis = this.now()): void {
    this.#origin = show;
    this.#since = this.#world.now();
    this.#speed = speed;
  }

  wakeAt(at: Millis, wake: () => void): Cancel {
    let cancelled = false;
    // A little later, so that what was rounded does not wake before its time.
    const time = this.#speed === 1 && this.#since === 0 && this.#origin === 0
      ? at
      : this.#since + (at - this.#origin) / this.#speed + 1e-6;
    const cancel = this.#world.wakeAt(time, () => this.enter(() => cancelled || wake()));
    return () => {
      cancelled = true;
      cancel();
    };
  }

  soon(run: () => void): void {
    this.#world.soon(() => this.enter(run));
  }

  /** Runs something of this process: at once, when it is thawed, or never. */
  enter(run: () => void): void {
    if (this.#dead) return;
    if (this.#frozen !== undefined) return void this.#frozen.push(run);
    this.onRun();
    run();
  }

  /** Nothing of this process runs any more, as after SIGKILL. */
  kill(): void {
    this.#dead = true;
    this.#frozen = undefined;
  }

  /** As SIGSTOP: nothing runs until {@link thaw}. */
  freeze(): void {
    this.#frozen ??= [];
  }

  /** As SIGCONT: what was due runs now, in its order. */
  thaw(): void {
    const missed = this.#frozen ?? [];
    this.#frozen = undefined;
    for (const run of missed) this.soon(run);
  }
}
