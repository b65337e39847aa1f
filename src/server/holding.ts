/**
 * Publish requests of a cluster. Every node hears them: the leader takes them in, the others keep those of the last few
 * seconds, so that whoever leads next can take in what fell into the gap and acknowledge what was stored but not
 * acknowledged (spec clustering, section 5.6: F1 to F3).
 */
import type { Clock } from "../ports/clock.ts";
import type { Inbound, MessageBus, Subscription } from "../ports/message_bus.ts";
import type { ServerInfo } from "../protocol/stored_records.ts";
import type { Awaitable, Millis } from "../protocol/units.ts";
import type { KnownPublishes, Machine } from "../streaming/mod.ts";
import type { Publishing } from "./publishing.ts";

/** How old a request may be when it is taken in late. Clients wait longer for their acknowledgement. */
const HELD: Millis = 5_000;
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** How much later than at the leader a request may arrive here. */
const ARRIVAL_SPREAD: Millis = 1_000;
const SLAB = 64 * 1024;
/** A slab is closed at this age, so that none is much older than its newest request. */
const SLAB_SPAN: Millis = 100;

/** Requests one after the other: what they had in the buffer from reply subject to payload. */
interface Slab {
  readonly bytes: Uint8Array;
  /** Four numbers each: where the reply begins and ends, where the payload begins and ends. */
  readonly marks: number[];
  used: number;
  /** When its first request arrived. */
  oldest: Millis;
}

export class Holding {
  readonly #bus: MessageBus;
  readonly #clock: Clock;
  readonly #publishing: Publishing;
  readonly #machine: Machine;
  #slabs: Slab[] = [];
  #bytes = 0;
  #leading = false;
  /** Requests that arrived earlier are not taken in. */
  #since: Millis = -Infinity;
  #subscription: Subscription | undefined;
  /** The clock is read once for all requests that were received together: those that stand one behind the other in a buffer. */
  #now: Millis = 0;
  #lastBuffer: Uint8Array | undefined;
  #lastStart = 0;

  constructor(parts: { bus: MessageBus; clock: Clock; publishing: Publishing; machine: Machine }) {
    this.#bus = parts.bus;
    this.#clock = parts.clock;
    this.#publishing = parts.publishing;
    this.#machine = parts.machine;
  }

  /** Listens from now on, whoever leads. */
  listen(info: ServerInfo): void {
    this.#subscription ??= this.#bus.subscribe(`${info.publish}.>`, (message) => {
      if (this.#leading) this.#publishing.handle(message);
      else this.#keep(message);
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#forget();
  }

  /** Takes in what was held back, in the order of its arrival, and from now on everything. Done when that is answered. */
  lead(): Awaitable<void> {
    this.#leading = true;
    const now = this.#clock.now();
    const slabs = this.#slabs;
    this.#forget();
    const known = this.#machine.knownPublishes(now);
    this.#publishing.expectAgain(known);
    if (slabs.length === 0) return;
    // What may have been applied before anything is known of it must not be taken in: it could be stored twice.
    const oldest = Math.max(now - HELD, this.#since, known.since + ARRIVAL_SPREAD);
    for (const slab of slabs) if (slab.oldest >= oldest) this.#takeIn(slab, known);
    return this.#publishing.flush();
  }

  follow(): void {
    this.#leading = false;
    this.#publishing.expectAgain(undefined);
    this.#forget();
  }

  /**
   * The state is now another node's, or that of an earlier time: which requests it holds is not known for those up to its
   * newest message, which was published `age` ago. They may not be taken in.
   */
  replaced(age: Millis): void {
    this.#since = Math.max(this.#since, this.#clock.now() - Math.max(0, age) + ARRIVAL_SPREAD);
  }

  #takeIn({ bytes, marks }: Slab, known: KnownPublishes): void {
    for (let i = 0; i < marks.length; i += 4) {
      const message: Inbound = {
        buffer: bytes,
        subjectStart: 0,
        subjectEnd: 0,
        replyStart: marks[i]!,
        replyEnd: marks[i + 1]!,
        payloadStart: marks[i + 2]!,
        payloadEnd: marks[i + 3]!,
        noResponders: false,
      };
      this.#publishing.handleLate(message, known);
    }
  }

  #keep(message: Inbound): void {
    const { buffer, replyStart, replyEnd, payloadStart, payloadEnd } = message;
    // Nobody waits for an answer.
    if (replyEnd === replyStart) return;
    if (buffer !== this.#lastBuffer || payloadStart <= this.#lastStart) this.#now = this.#clock.now();
    this.#lastBuffer = buffer;
    this.#lastStart = payloadStart;
    // What lies between the two is a few digits: one copy is cheaper than two.
    const slab = this.#room(payloadEnd - replyStart);
    const shift = slab.used - replyStart;
    slab.bytes.set(buffer.subarray(replyStart, payloadEnd), slab.used);
    slab.used = shift + payloadEnd;
    slab.marks.push(shift + replyStart, shift + replyEnd, shift + payloadStart, slab.used);
  }

  /** The slab to write to. Old ones are dropped, or used again, when a new one begins. */
  #room(length: number): Slab {
    const now = this.#now;
    const slab = this.#slabs[this.#slabs.length - 1];
    if (slab !== undefined && slab.used + length <= slab.bytes.length && slab.oldest >= now - SLAB_SPAN) return slab;
    let spare: Slab | undefined;
    while (this.#slabs.length > 1 && this.#isSurplus(this.#slabs[0]!, now)) {
      const dropped = this.#slabs.shift()!;
      this.#bytes -= dropped.bytes.length;
      if (dropped.bytes.length === SLAB) spare = dropped;
    }
    const next = length > SLAB || spare === undefined
      ? { bytes: new Uint8Array(Math.max(SLAB, length)), marks: [], used: 0, oldest: now }
      : spare;
    next.used = next.marks.length = 0;
    next.oldest = now;
    this.#slabs.push(next);
    this.#bytes += next.bytes.length;
    return next;
  }

  #isSurplus(slab: Slab, now: Millis): boolean {
    return slab.oldest < now - HELD || this.#bytes > HELD_BYTES_MAX;
  }

  #forget(): void {
    this.#slabs = [];
    this.#bytes = 0;
    this.#lastBuffer = undefined;
  }
}
