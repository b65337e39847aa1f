/** What may become of messages on their way between the connections of a world of servers (spec clustering, 11.11). */
import type { Millis } from "../../../src/protocol/units.ts";
import type { Arrival, MemoryNet } from "../../support/memory_bus.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { VirtualClock } from "../../support/virtual_clock.ts";

/** Shares of the messages between servers that something happens to. */
export interface Odds {
  drop: number;
  duplicate: number;
  /** Overtaken by others, by a few ms. */
  reorder: number;
  /** Comes so late that its sender may have forgotten it. */
  late: number;
  corrupt: number;
  /** Arrives without its end. */
  truncate: number;
}

const NO_ODDS: Odds = { drop: 0, duplicate: 0, reorder: 0, late: 0, corrupt: 0, truncate: 0 };
const LATEST: Millis = 2_500;
/** How many messages are kept to be sent again long after. */
const KEPT = 60;

export class NetworkTrouble {
  readonly odds: Odds = { ...NO_ODDS };
  /** Links that are cut, as `from>to`. */
  readonly cut = new Set<string>();
  /** Shares of the requests that are told that nobody listens although somebody does, and the other way round. */
  falseNoResponders = 0;
  missingNoResponders = 0;
  readonly #clock: VirtualClock;
  readonly #net: MemoryNet;
  readonly #random: SeededRandom;
  #kept: { readonly subject: string; readonly payload: Uint8Array }[] = [];
  #seen = 0;

  constructor(clock: VirtualClock, net: MemoryNet, random: SeededRandom) {
    this.#clock = clock;
    this.#net = net;
    this.#random = random;
    net.delay = () => this.#delay();
    net.reaches = (from, to) => this.cut.size === 0 || !this.cut.has(`${ownerOf(from)}>${ownerOf(to)}`);
    net.fate = (from, to, subject, payload) => this.#fate(from, to, subject, payload);
    net.liesNoResponders = () => this.falseNoResponders > 0 && random.chance(this.falseNoResponders);
    net.tellsNoResponders = () => this.missingNoResponders === 0 || !random.chance(this.missingNoResponders);
  }

  /** Cuts all links between the two sides, or only those from `left` to `right`. */
  split(left: readonly string[], right: readonly string[], oneWay: boolean): void {
    for (const from of left) {
      for (const to of right) {
        this.cut.add(`${from}>${to}`);
        if (!oneWay) this.cut.add(`${to}>${from}`);
      }
    }
  }

  /** Sends some messages between servers again that were sent long ago. */
  repeatOld(): void {
    const ghost = this.#net.connect("ghost");
    for (const { subject, payload } of this.#kept) {
      if (this.#random.chance(0.3)) ghost.publish(new TextEncoder().encode(subject), payload);
    }
    void ghost.close();
  }

  forgetOld(): void {
    this.#kept = [];
  }

  /** Whether messages come through as they should. */
  get isCalm(): boolean {
    const { drop, late, corrupt, truncate } = this.odds;
    return this.cut.size === 0 && drop + late + corrupt + truncate === 0;
  }

  heal(): void {
    Object.assign(this.odds, NO_ODDS);
    this.cut.clear();
    this.falseNoResponders = 0;
    this.missingNoResponders = 0;
  }

  /** On a grid, so that much happens in one instant. */
  #delay(): Millis {
    const grid = 0.5;
    const now = this.#clock.now();
    return Math.ceil((now + 0.1 + this.#random.below(4) * grid) / grid) * grid - now;
  }

  #fate(from: string, to: string, subject: string, payload: Uint8Array): readonly Arrival[] | undefined {
    if (!from.includes("-") || !to.includes("-") || from === to) return undefined;
    if (++this.#seen % 17 === 0) this.#keep(subject, payload);
    const { odds } = this;
    const random = this.#random;
    if (odds.drop > 0 && random.chance(odds.drop)) return [];
    const arrivals: Arrival[] = [{ payload: this.#spoil(payload), delay: this.#delay(), inOrder: true }];
    if (odds.reorder > 0 && random.chance(odds.reorder)) {
      arrivals[0] = { ...arrivals[0]!, delay: this.#delay() + random.below(20), inOrder: false };
    } else if (odds.late > 0 && random.chance(odds.late)) {
      arrivals[0] = { ...arrivals[0]!, delay: random.below(LATEST), inOrder: false };
    }
    if (odds.duplicate > 0 && random.chance(odds.duplicate)) {
      arrivals.push({ payload, delay: this.#delay() + random.below(10), inOrder: false });
    }
    return arrivals;
  }

  #spoil(payload: Uint8Array): Uint8Array {
    const { odds } = this;
    const random = this.#random;
    if (payload.length === 0) return payload;
    if (odds.truncate > 0 && random.chance(odds.truncate)) return payload.slice(0, random.below(payload.length));
    if (odds.corrupt === 0 || !random.chance(odds.corrupt)) return payload;
    const spoilt = payload.slice();
    spoilt[random.below(spoilt.length)]! ^= 1 << random.below(8);
    return spoilt;
  }

  #keep(subject: string, payload: Uint8Array): void {
    if (!subject.startsWith("_STAN.raft.")) return;
    if (this.#kept.length < KEPT) this.#kept.push({ subject, payload: payload.slice() });
    else if (this.#random.chance(0.2)) this.#kept[this.#random.below(KEPT)] = { subject, payload: payload.slice() };
  }
}

/** The server or client that a connection belongs to. */
function ownerOf(bus: string): string {
  const end = bus.indexOf("-");
  return end < 0 ? bus : bus.slice(0, end);
}
