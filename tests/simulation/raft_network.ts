/**
 * A simulated network: at most once, nothing promised. Every message is copied by nobody, so that what is compared later
 * is the very entry that was sent. Links fail one way or both, and some messages come minutes late.
 */
import type { Message } from "../../src/raft/core/mod.ts";
import { decodeMessage, encodeMessage, NO_BOOT } from "../../src/raft/wire/wire_format.ts";
import { Malformed } from "../../src/protocol/varint.ts";
import type { EventQueue } from "./event_queue.ts";
import type { SeededRandom } from "./seeded_random.ts";

export interface NetworkFaults {
  /** Percent of messages. */
  drop: number;
  duplicate: number;
  /** Percent of messages that come late, by up to `lateness` ms. */
  late: number;
  lateness: number;
  /** Percent of messages of which a bit turns, or the end is lost. */
  corrupt: number;
  /** The usual delay: up to so many ms. */
  delay: number;
}

export class RaftNetwork {
  readonly faults: NetworkFaults = { drop: 0, duplicate: 0, late: 0, lateness: 0, corrupt: 0, delay: 2 };
  /** Links that are cut, as `from>to`. */
  readonly cut = new Set<string>();
  readonly #queue: EventQueue;
  readonly #random: SeededRandom;
  readonly #deliver: (message: Message) => void;
  readonly #underWay = new Map<Message["kind"], number>();
  /** Reads what arrived damaged; as the product does, unless a test of the simulator puts something else in its place. */
  decode: (bytes: Uint8Array, clusterId: string) => { readonly message: Message } = decodeMessage;

  constructor(queue: EventQueue, random: SeededRandom, deliver: (message: Message) => void) {
    this.#queue = queue;
    this.#random = random;
    this.#deliver = deliver;
  }

  send(message: Message): void {
    const { faults } = this;
    if (this.cut.size > 0 && this.cut.has(`${message.from}>${message.to}`)) return;
    if (faults.drop > 0 && this.#random.chance(faults.drop)) return;
    this.#carry(message);
    if (faults.duplicate > 0 && this.#random.chance(faults.duplicate)) this.#carry(message);
  }

  #carry(message: Message): void {
    const { faults } = this;
    let delay = 0.1 + this.#random.below(faults.delay * 10 + 1) / 10;
    if (faults.late > 0 && this.#random.chance(faults.late)) delay += this.#random.below(faults.lateness);
    const { kind } = message;
    this.#underWay.set(kind, this.underWay(kind) + 1);
    const damages = faults.corrupt > 0 && this.#random.chance(faults.corrupt);
    this.#queue.after(delay, () => {
      this.#underWay.set(kind, this.underWay(kind) - 1);
      const arrived = damages ? this.#damaged(message) : message;
      if (arrived !== undefined) this.#deliver(arrived);
    });
  }

  /** How many messages of a kind have not arrived yet. */
  underWay(kind: Message["kind"]): number {
    return this.#underWay.get(kind) ?? 0;
  }

  /** What the receiver makes of a message that was damaged on its way: nothing, as it should be. */
  #damaged(message: Message): Message | undefined {
    const random = this.#random;
    let bytes = encodeMessage(message, { clusterId: "sim", fromBoot: NO_BOOT, toBoot: NO_BOOT, maxPayload: 0 }).slice();
    if (random.chance(30)) bytes = bytes.slice(0, random.below(bytes.length));
    else bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    try {
      return this.decode(bytes, "sim").message;
    } catch (error) {
      if (error instanceof Malformed) return undefined;
      throw error;
    }
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

  heal(): void {
    this.cut.clear();
    Object.assign(this.faults, { drop: 0, duplicate: 0, late: 0, corrupt: 0 });
  }
}
