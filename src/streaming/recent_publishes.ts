/**
 * Whom to acknowledge again after a fail-over: the publishes applied in the last seconds, whose acks may have died with
 * an earlier leader (spec clustering, section 5.6, F1). Clients ignore acks that they do not wait for.
 *
 * Kept by each node for itself, in slabs that are filled one after the other and reused: nothing is made per message.
 */
import { MARKS, type PackedMessages } from "../protocol/operations.ts";
import { copyBytes } from "../protocol/publish_request.ts";
import type { Millis } from "../protocol/units.ts";
import { PublishKeys } from "./publish_keys.ts";

const SLAB_BYTES = 256 * 1024;
const SLAB_MESSAGES = 4096;
/** More are not told apart: publishers that ask again may then be stored twice, as before. */
const KEYS_MAX = 1_000_000;
/** With more than these the oldest are forgotten: 64 MiB. */
const SLABS_MAX = 256;
/** So many slabs go into a snapshot, the newest: 2 MiB. */
const SLABS_TOLD = 8;

interface Slab {
  readonly bytes: Uint8Array;
  readonly bounds: Int32Array;
  count: number;
  used: number;
  /** When the newest message in it was applied. */
  newest: Millis;
}

/** Which publishes were applied lately, of those that somebody waits for. What is applied from now on joins them. */
export interface KnownPublishes {
  readonly keys: Pick<PublishKeys, "has">;
  /** Everything applied after this moment is among them... */
  readonly since: Millis;
  /** ...until this one. */
  readonly until: Millis;
}

export class RecentPublishes {
  readonly #span: Millis;
  readonly #slabs: Slab[] = [];
  /** When the newest of those forgotten for lack of room was applied. */
  #forgotten: Millis = -Infinity;
  /** The keys that were told last, while they are added to. */
  #told: { readonly keys: PublishKeys; readonly until: Millis } | undefined;

  /** `span`: how long publishes are remembered; 0 remembers none. */
  constructor(span: Millis) {
    this.#span = span;
  }

  /** Notes guid, reply subject and client of each message. */
  add({ count, bytes, bounds }: PackedMessages, now: Millis): void {
    if (this.#span <= 0) return;
    if (this.#told !== undefined) this.#tell({ count, bytes, bounds }, now);
    let slab = this.#slabs[this.#slabs.length - 1];
    for (let i = 0; i < count; i++) {
      const from = i * MARKS;
      const start = bounds[from + 1]!;
      const size = bounds[from + 4]! - start;
      if (size > SLAB_BYTES || bounds[from + 2] === bounds[from + 3]) continue;
      if (slab === undefined || slab.count === SLAB_MESSAGES || slab.used + size > SLAB_BYTES) {
        slab = this.#nextSlab(now);
      }
      const to = slab.count++ * MARKS;
      slab.bounds[to] = slab.used;
      for (let mark = 1; mark < MARKS; mark++) slab.bounds[to + mark] = slab.used + bounds[from + mark]! - start;
      slab.used = copyBytes(bytes, start, start + size, slab.bytes, slab.used);
      slab.newest = now;
    }
  }

  /** What is still remembered, oldest first; the messages' fields are left out. */
  all(now: Millis): PackedMessages[] {
    return this.#views(now).map(({ count, bytes, bounds }) => ({
      count,
      bytes: bytes.slice(),
      bounds: bounds.slice(),
    }));
  }

  /** As {@link all}, valid until the next {@link add}. */
  #views(now: Millis): PackedMessages[] {
    return this.#slabs.filter((slab) => slab.count > 0 && slab.newest >= now - this.#span).map((slab) => ({
      count: slab.count,
      bytes: slab.bytes.subarray(0, slab.used),
      bounds: slab.bounds.subarray(0, slab.count * MARKS),
    }));
  }

  /** What a snapshot takes along for a node that did not apply it: the newest of {@link all}. Valid until the next {@link add}. */
  newest(now: Millis): PackedMessages[] {
    return this.#views(now).slice(-SLABS_TOLD);
  }

  /** For telling which requests were stored already: those that were held back, and those that are made again. */
  known(now: Millis): KnownPublishes {
    const keys = new PublishKeys();
    for (const messages of this.#views(now)) keys.add(messages);
    const until = now + this.#span;
    this.#told = { keys, until };
    return { keys, since: Math.max(this.#forgotten, now - this.#span), until };
  }

  #tell(messages: PackedMessages, now: Millis): void {
    const { keys, until } = this.#told!;
    if (now > until || keys.size > KEYS_MAX) this.#told = undefined;
    else keys.add(messages);
  }

  /** An empty slab: one that is out of date, else a new one. */
  #nextSlab(now: Millis): Slab {
    const oldest = this.#slabs[0];
    let slab: Slab;
    if (oldest !== undefined && (oldest.newest < now - this.#span || this.#slabs.length === SLABS_MAX)) {
      slab = this.#slabs.shift()!;
      this.#forgotten = slab.newest;
      slab.count = 0;
      slab.used = 0;
    } else {
      const bounds = new Int32Array(SLAB_MESSAGES * MARKS);
      slab = { bytes: new Uint8Array(SLAB_BYTES), bounds, count: 0, used: 0, newest: now };
    }
    this.#slabs.push(slab);
    return slab;
  }
}
