/**
 * Reads and sends what the machine decided to deliver, and takes in acks. A stored message is sent as it is; a
 * redelivered one gets two fields appended (spec streaming, section 7.2).
 */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MessageBus } from "../ports/message_bus.ts";
import { StoreFailed } from "../ports/store.ts";
import { AckOffsets } from "../protocol/publish_request.ts";
import { type Awaitable, isLater, type Millis, type Sequence } from "../protocol/units.ts";
import { writeVarint } from "../protocol/varint.ts";
import type { Effect, Machine, Subscription } from "../streaming/mod.ts";
import type { Outbound } from "./outbound.ts";
import type { Recorder } from "./recorder.ts";

type Deliver = Extract<Effect, { kind: "deliver" }>;

/** Bytes read for one effect in one go. */
const READ_BYTES = 4 * 1024 * 1024;
/** How soon deliveries are tried again that the lease forbade. */
const LEASE_RETRY: Millis = 10;
/** MsgProto field 6 (redelivered) set, and the tag of field 7 (redeliveryCount). */
const REDELIVERED = [0x30, 0x01, 0x38] as const;
const REDELIVERY_ROOM = REDELIVERED.length + 5;

export class Delivering {
  readonly #machine: Machine;
  readonly #recorder: Recorder;
  readonly #outbound: Outbound;
  readonly #bus: MessageBus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ack = new AckOffsets();
  /** Deliveries since the start, redeliveries included, and the bytes of their envelopes. */
  outMessages = 0;
  outBytes = 0;
  #scratch = new Uint8Array(4096);
  #names = new WeakMap<Subscription, Uint8Array>();
  /** Channels to give out from at the end of the batch. */
  readonly #woken = new Set<string>();
  #acked = false;
  #isLater = false;
  #isPostponed = false;
  /** Effects that wait for the lease. */
  #held: Deliver[] = [];

  constructor(
    parts: { machine: Machine; recorder: Recorder; outbound: Outbound; bus: MessageBus; clock: Clock; log: Log },
  ) {
    this.#machine = parts.machine;
    this.#recorder = parts.recorder;
    this.#outbound = parts.outbound;
    this.#bus = parts.bus;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Gives out what can be given out on these channels now. */
  channels(names: Iterable<string>): void {
    const now = this.#clock.now();
    if (!this.#outbound.speaking) {
      if (this.#outbound.leading) this.#postpone(names, now);
      return;
    }
    for (const name of names) {
      const store = this.#recorder.channels.get(name);
      if (store !== undefined) this.#machine.deliver(name, store.messages.first, now);
    }
    this.#outbound.perform(this.#machine.takeEffects());
  }

  /** An ack came in on a subscription's ack inbox. Its effects wait for the end of the batch. */
  acknowledged(subscription: Subscription, buffer: Uint8Array, start: number, end: number): void {
    const ack = this.#ack;
    if (!ack.decode(buffer, start, end)) return;
    if (!this.#isFor(subscription, buffer)) {
      const subject = new TextDecoder().decode(buffer.subarray(ack.subjectStart, ack.subjectEnd));
      if (!this.#machine.state.channels.has(subject)) {
        this.#log.error(`Unable to process ack seq=${ack.sequence}, channel ${subject} not found`);
      }
      return;
    }
    this.#machine.acknowledge(subscription, ack.sequence, this.#clock.now());
    this.#acked = true;
  }

  /** A round for this channel when the input at hand is handled. */
  more(channel: string): void {
    this.#woken.add(channel);
    this.#later();
  }

  /** Performs what acks brought about since the last call, and the rounds that were asked for. */
  batchEnded(): void {
    if (this.#acked) {
      this.#acked = false;
      this.#outbound.perform(this.#machine.takeEffects());
    }
    this.#releaseHeld();
    if (this.#woken.size === 0) return;
    const woken = [...this.#woken];
    this.#woken.clear();
    this.channels(woken);
  }

  #releaseHeld(): void {
    if (this.#held.length === 0) return;
    if (this.#outbound.leading && !this.#outbound.speaking) return this.#postpone([], this.#clock.now());
    const held = this.#held;
    this.#held = [];
    // A server that does not lead any more says nothing; the next leader knows what is pending.
    if (this.#outbound.leading) { for (const effect of held) this.deliver(effect); }
  }

  /** While the lease is being renewed nothing may go out; afterwards everything must. */
  #postpone(names: Iterable<string>, now: Millis): void {
    for (const name of names) this.#woken.add(name);
    if (this.#isPostponed) return;
    this.#isPostponed = true;
    this.#clock.wakeAt(now + LEASE_RETRY, () => {
      this.#isPostponed = false;
      this.batchEnded();
    });
  }

  /** The end of a batch comes by itself while input flows; otherwise it is asked for. */
  #later(): void {
    if (this.#isLater) return;
    this.#isLater = true;
    this.#clock.soon(() => {
      this.#isLater = false;
      this.batchEnded();
    });
  }

  /** Performs a deliver effect: now, or as soon as the lease is there; otherwise redeliveries would wait for their next time. */
  deliver(effect: Deliver): void {
    if (!this.#outbound.speaking && this.#outbound.leading) {
      this.#held.push(effect);
      return this.#postpone([], this.#clock.now());
    }
    const done = this.#deliverFrom(effect, 0);
    if (isLater(done)) done.catch((error: unknown) => this.#broken(effect, 0, error));
  }

  /** Sends from position `i` of the effect on; runs of adjacent sequences are read in one call. */
  #deliverFrom(effect: Deliver, i: number): Awaitable<void> {
    const { sequences } = effect;
    while (i < sequences.length) {
      const from = sequences[i]!;
      let last = i;
      while (last + 1 < sequences.length && sequences[last + 1] === sequences[last]! + 1) last++;
      const run = this.#sendRun(effect, i, from, sequences[last]!);
      if (isLater(run)) return run.then((next) => this.#deliverFrom(effect, next));
      if (run === i) return;
      i = run;
    }
  }

  /** Sends the messages `from` to `to`, which begin at position `at`; answers the position to go on from, or `at` to stop. */
  #sendRun(effect: Deliver, at: number, from: Sequence, to: Sequence): Awaitable<number> {
    const messages = this.#recorder.channels.get(effect.subscription.channel.name)?.messages;
    if (messages === undefined) return at;
    let expected = from;
    let refused = false;
    const gone: Sequence[] = [];
    const finish = (next: Sequence): number => {
      for (; expected < next; expected++) gone.push(expected);
      this.#tellGone(effect.subscription, gone);
      if (!refused) return at + (next - from);
      this.#refusedFrom(effect, at + (expected - from));
      return at;
    };
    try {
      const next = messages.read(from, to, READ_BYTES, (sequence, buffer, start, end) => {
        for (; expected < sequence; expected++) gone.push(expected);
        const count = effect.counts?.[at + (sequence - from)];
        // Acked, or given to somebody else, since it was chosen.
        if (count !== undefined && !effect.subscription.pending.has(sequence)) {
          expected = sequence + 1;
          return true;
        }
        if (!this.#send(effect.subscription, buffer, start, end, count)) {
          refused = true;
          return false;
        }
        expected = sequence + 1;
        this.outMessages++;
        this.outBytes += end - start;
        return true;
      });
      return isLater(next) ? next.then((n) => finish(refused ? expected : n)) : finish(refused ? expected : next);
    } catch (error) {
      this.#broken(effect, at + (expected - from), error);
      return at;
    }
  }

  #send(
    subscription: Subscription,
    buffer: Uint8Array,
    start: number,
    end: number,
    count: number | undefined,
  ): boolean {
    if (!this.#outbound.speaking || !subscription.initialised) return false;
    if (count === undefined) return this.#bus.publish(subscription.inboxBytes, buffer, start, end);
    const length = end - start;
    if (this.#scratch.length < length + REDELIVERY_ROOM) this.#scratch = new Uint8Array(2 * length + REDELIVERY_ROOM);
    const scratch = this.#scratch;
    scratch.set(buffer.subarray(start, end), 0);
    scratch.set(REDELIVERED, length);
    const after = writeVarint(scratch, length + REDELIVERED.length, count);
    return this.#bus.publish(subscription.inboxBytes, scratch, 0, after);
  }

  #tellGone(subscription: Subscription, gone: readonly Sequence[]): void {
    if (gone.length === 0) return;
    const now = this.#clock.now();
    for (const sequence of gone) this.#machine.missing(subscription, sequence, now);
    this.#performSoon();
  }

  #refusedFrom(effect: Deliver, position: number): void {
    this.#machine.undelivered(effect.subscription, effect.sequences.slice(position), this.#clock.now());
    this.#performSoon();
  }

  #broken(effect: Deliver, position: number, error: unknown): void {
    if (!(error instanceof StoreFailed)) throw error;
    const sequence = effect.sequences[position] ?? 0;
    this.#log.error(
      `Error looking up message ${effect.subscription.channel.name}:${sequence} (${error.message})`,
    );
    this.#refusedFrom(effect, position);
  }

  /** Not at once: the effects at hand are still being performed. */
  #performSoon(): void {
    this.#acked = true;
    this.#later();
  }

  /** Whether the ack names the subscription's channel: otherwise it is useless (spec streaming, section 7.3). */
  #isFor(subscription: Subscription, buffer: Uint8Array): boolean {
    let name = this.#names.get(subscription);
    if (name === undefined) {
      name = new TextEncoder().encode(subscription.channel.name);
      this.#names.set(subscription, name);
    }
    const { subjectStart, subjectEnd } = this.#ack;
    if (name.length !== subjectEnd - subjectStart) return false;
    for (let i = 0; i < name.length; i++) if (name[i] !== buffer[subjectStart + i]) return false;
    return true;
  }
}
