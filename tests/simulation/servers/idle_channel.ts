/**
 * A channel that is deleted when nobody uses it for a while, and is made anew by whoever uses it next: each of its lives
 * begins at sequence 1. What must be true of it (spec streaming, section 8.3).
 */
import { StoreFailed } from "../../../src/ports/store.ts";
import { MsgProto } from "../../../src/protocol/client_messages.ts";
import { limitsOf } from "../../../src/protocol/limits.ts";
import type { Millis, Sequence } from "../../../src/protocol/units.ts";
import { Violation } from "../simulation.ts";
import type { Host } from "./host.ts";

export const IDLE = "idle";

/** Clocks may go faster than the world's by a tenth. */
const HASTE = 0.85;

interface Place {
  /** The incarnation. */
  readonly life: number;
  readonly sequence: Sequence;
}

/** What was seen of the channel on a leader. */
interface Sight {
  /** Process and term. */
  readonly reign: string;
  readonly life: number;
  /** How long it may idle. */
  readonly limit: Millis;
}

/** What a subscriber got in the newest life that it knows of. */
export interface IdleReception {
  life: number;
  readonly payloads: Map<Sequence, string>;
}

const decoder = new TextDecoder();

export class IdleChannel {
  readonly #clock: { now(): Millis };
  /** Messages that somebody published, by payload, and the channel. */
  readonly #attempted: ReadonlyMap<string, string>;
  readonly #places = new Map<string, Place>();
  readonly #payloads = new Map<string, string>();
  /** When somebody stored a message that nobody had stored before. */
  #usedAt = -Infinity;
  #sight: Sight | undefined;
  /** Somebody wants to be subscribed to it in the end. */
  isWanted = false;

  constructor(clock: { now(): Millis }, attempted: ReadonlyMap<string, string>) {
    this.#clock = clock;
    this.#attempted = attempted;
  }

  isFor(payload: string): boolean {
    return this.#attempted.get(payload) === IDLE;
  }

  /** `host` did something. What a leader holds is compared, and what it deletes must have idled. Answers whether it deleted it. */
  looked(host: Host): boolean {
    const { machine } = host.node!.server!;
    if (!machine.leading) return false;
    this.compare(host);
    const before = this.#sight;
    const reign = `${host.name}/${host.boot}/${host.seen.term}`;
    const channel = machine.state.channels.get(IDLE);
    const { maxInactivity } = limitsOf(IDLE, machine.state.limits);
    const sight = { reign, life: channel?.incarnation ?? 0, limit: Number(maxInactivity) / 1e6 };
    this.#sight = sight;
    if (before?.reign !== reign || before.life === 0 || before.life === sight.life) return false;
    this.#deleted(host, before.limit === 0 ? sight.limit : Math.min(before.limit, sight.limit || Infinity));
    return true;
  }

  #deleted({ name }: Host, limit: Millis): void {
    if (limit === 0) throw new Violation("I9 stored once", `${name} deletes ${IDLE}, which may idle for ever`);
    const unused = this.#clock.now() - this.#usedAt;
    if (unused >= limit * HASTE) return;
    throw new Violation("I9 stored once", `${name} deletes ${IDLE}, used ${unused} ms ago, after ${limit} ms`);
  }

  /** A publish to it is acknowledged: the message was in it when the channel was there last. */
  acknowledged(host: Host, payload: string): void {
    if (!this.compare(host)) return;
    if (!this.#places.has(payload)) {
      throw new Violation(
        "I9 stored once",
        `${host.name} acknowledges "${payload.slice(0, 30)}", which is not in ${IDLE}`,
      );
    }
  }

  /**
   * All that a node holds stands where it stands for everybody. The node has applied all that its store has: it leads, or
   * rests. Answers whether it could be read.
   */
  compare(host: Host): boolean {
    const { recorder, machine } = host.node!.server!;
    const channel = machine.state.channels.get(IDLE);
    const messages = recorder.channels.get(IDLE)?.messages;
    if (channel === undefined || messages === undefined) return true;
    const key = `${IDLE}/${channel.incarnation}`;
    const from = Math.max((host.compared.get(key) ?? 0) + 1, messages.first);
    // The store may be a step ahead.
    const to = Math.min(channel.last, messages.last);
    if (to < from) return true;
    try {
      messages.read(from, to, Infinity, (sequence, buffer, start, end) => {
        const payload = decoder.decode(MsgProto.decode(buffer, start, end).data);
        this.#stored(host, payload, { life: channel.incarnation, sequence });
        return true;
      });
    } catch (error) {
      // What is rotten is found when it is read; and a machine may go down at any step, this one too.
      const isExcused = !host.up || host.isRotten || host.files.failsRead !== undefined;
      if (!isExcused || !(error instanceof StoreFailed)) throw error;
      return false;
    }
    host.compared.set(key, to);
    return true;
  }

  #stored({ name }: Host, payload: string, { life, sequence }: Place): void {
    const place = `${IDLE} ${sequence} in life ${life}`;
    const text = `"${payload.slice(0, 30)}"`;
    if (!this.isFor(payload)) {
      throw new Violation("I9 stored once", `${name} stores ${text}, nobody sent that to ${IDLE}`);
    }
    const other = this.#payloads.get(place) ?? payload;
    if (other !== payload) {
      throw new Violation(
        "I4 state machine safety",
        `${name} stores ${text} as ${place}, which is "${other.slice(0, 30)}"`,
      );
    }
    const known = this.#places.get(payload);
    if (known !== undefined && (known.life !== life || known.sequence !== sequence)) {
      throw new Violation("I9 stored once", `${text} is ${known.sequence} in life ${known.life} and ${place}`);
    }
    if (known === undefined) this.#usedAt = this.#clock.now();
    this.#payloads.set(place, payload);
    this.#places.set(payload, { life, sequence });
  }

  /** A subscriber got a message. What it got in earlier lives does not count any more. */
  received(name: string, reception: IdleReception, sequence: Sequence, payload: string): void {
    const place = this.#places.get(payload);
    if (place?.sequence !== sequence) {
      const known = place === undefined ? "nowhere" : `${place.sequence}`;
      throw new Violation(
        "I4 state machine safety",
        `${name} got "${payload.slice(0, 30)}" as ${IDLE} ${sequence}, which is ${known}`,
      );
    }
    if (place.life < reception.life) return;
    if (place.life > reception.life) reception.payloads.clear();
    reception.life = place.life;
    reception.payloads.set(sequence, payload);
  }

  /** Once everything is well: it is there for those who are subscribed, and only for them; all nodes hold the same. */
  isSettled(leader: Host, hosts: Iterable<Host>): boolean {
    const { state } = leader.node!.server!.machine;
    const channel = state.channels.get(IDLE);
    if (this.isWanted && (channel?.byAckInbox.size ?? 0) === 0) return false;
    const isLimited = limitsOf(IDLE, state.limits).maxInactivity > 0n;
    if (isLimited && channel?.byAckInbox.size === 0) return false;
    for (const host of hosts) {
      const { recorder, machine } = host.node!.server!;
      const own = machine.state.channels.get(IDLE);
      if (own?.incarnation !== channel?.incarnation) return false;
      if ((recorder.channels.get(IDLE)?.messages.last ?? 0) !== (channel?.last ?? 0)) return false;
    }
    return true;
  }

  /** Whether a subscriber has all that the channel holds. */
  isComplete(leader: Host, { life, payloads }: IdleReception): boolean {
    const { recorder, machine } = leader.node!.server!;
    const channel = machine.state.channels.get(IDLE);
    const messages = recorder.channels.get(IDLE)?.messages;
    if (channel === undefined || messages === undefined) return true;
    for (let i = messages.last; i >= Math.max(1, messages.first); i--) {
      if (life !== channel.incarnation || !payloads.has(i)) return false;
    }
    return true;
  }
}
