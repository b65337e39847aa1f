/** What all stores have to hold: every message that any of them held, by channel and sequence. */
import { type MessageLog, StoreFailed } from "../../../src/ports/store.ts";
import { MsgProto } from "../../../src/protocol/client_messages.ts";
import type { Sequence } from "../../../src/protocol/units.ts";
import { Violation } from "../simulation.ts";
import { CHANNELS } from "./population.ts";
import type { Host } from "./host.ts";

export interface StoredMessage {
  readonly payload: string;
  readonly timestamp: bigint;
}

const decoder = new TextDecoder();

export class MessageHistory {
  readonly #channels = new Map<string, (StoredMessage | undefined)[]>(CHANNELS.map((name) => [name, []]));
  /** By payload: the place it is stored at. */
  readonly #places = new Map<string, string>();
  /** Messages that somebody published, by payload, and the channel. */
  readonly attempted = new Map<string, string>();
  /** The guids they were published under, by payload. */
  readonly guids = new Map<string, string>();
  /** All machines lost power without syncing: stores may hold more than what is agreed upon. */
  #hasForgotten = false;
  /** Messages that were lost then: channel, sequence, and payload. */
  readonly #lost = new Set<string>();
  /** Payloads of publishes that were sent more than once. */
  readonly repeated = new Set<string>();

  at(channel: string, sequence: Sequence): StoredMessage | undefined {
    return this.#channels.get(channel)?.[sequence - 1];
  }

  last(channel: string): Sequence {
    return this.#channels.get(channel)?.length ?? 0;
  }

  /** Some node has, or had, limits by which messages go that nobody may have got. */
  isLimited = false;

  /** By channel: some node's store began here; what is older may have expired before anybody got it. */
  readonly firsts = new Map<string, Sequence>();
  /** Some messages expired unseen. */
  hasGaps = false;

  isStored(payload: string): boolean {
    return this.#places.has(payload);
  }

  /** Compares what the store of `host` got since the last time. I4, I9, I10. Answers whether all of it could be read. */
  compare(host: Host): boolean {
    const { recorder } = host.node!.server!;
    let isRead = true;
    for (const channel of CHANNELS) {
      const messages = recorder.channels.get(channel)?.messages;
      const compared = host.compared.get(channel) ?? 0;
      const last = this.heldBy(host, channel);
      if (messages === undefined || last <= compared || messages.first > last) continue;
      if (messages.first > 1 && !this.isLimited && !host.isRotten) {
        throw new Violation("I9 stored once", `${host.name} has lost ${channel} 1 to ${messages.first - 1}`);
      }
      const from = Math.max(compared + 1, messages.first);
      this.#passOver(channel, messages.first - 1);
      this.firsts.set(channel, Math.max(messages.first, this.firsts.get(channel) ?? 0));
      // What is rotten is found when it is read, and does not keep others from reading what was written later.
      const isWhole = this.#read(host, channel, messages, from, last) ||
        this.#read(host, channel, messages, Math.max(from, this.last(channel) + 1), last);
      if (isWhole) host.compared.set(channel, last);
      else isRead = false;
    }
    return isRead;
  }

  /** The last message in the store of `host` that is agreed upon, where stores may hold more. */
  heldBy({ node }: Host, channel: string): Sequence {
    const last = node?.server?.recorder.channels.get(channel)?.messages.last ?? 0;
    if (!this.#hasForgotten) return last;
    return Math.min(last, node?.server?.machine.state.channels.get(channel)?.last ?? 0);
  }

  /** Forgets all from the first message of each channel that does not stay; answers the last ones that do. */
  forget(stays: (guid: string | undefined) => boolean): ReadonlyMap<string, Sequence> {
    this.#hasForgotten = true;
    const left = new Map<string, Sequence>();
    for (const [channel, all] of this.#channels) {
      const first = all.findIndex((message) => message !== undefined && !stays(this.guids.get(message.payload)));
      if (first < 0) continue;
      all.splice(first).forEach((message, i) => {
        if (message === undefined) return;
        this.#places.delete(message.payload);
        this.#lost.add(`${channel} ${first + 1 + i} ${message.payload}`);
      });
      left.set(channel, first);
    }
    return left;
  }

  isLost(channel: string, sequence: Sequence, payload: string): boolean {
    return this.#lost.has(`${channel} ${sequence} ${payload}`);
  }

  /** `false`: something is rotten. */
  #read(host: Host, channel: string, messages: MessageLog, from: Sequence, to: Sequence): boolean {
    let expected = from;
    try {
      messages.read(from, to, Infinity, (sequence, buffer, start, end) => {
        if (sequence !== expected) {
          throw new Violation("I10 no gaps", `${host.name}: ${channel} ${sequence} follows ${expected - 1}`);
        }
        const { data, timestamp } = MsgProto.decode(buffer, start, end);
        this.#compare(host, channel, sequence, { payload: decoder.decode(data), timestamp });
        expected++;
        return true;
      });
      return true;
    } catch (error) {
      if (!host.isRotten || !(error instanceof StoreFailed)) throw error;
      return false;
    }
  }

  /** Messages that were stored and expired again before anybody looked. */
  #passOver(channel: string, upTo: Sequence): void {
    const all = this.#channels.get(channel)!;
    if (upTo > all.length) this.hasGaps = true;
    while (all.length < upTo) all.push(undefined);
  }

  #compare(host: Host, channel: string, sequence: Sequence, message: StoredMessage): void {
    const all = this.#channels.get(channel)!;
    const known = all[sequence - 1];
    if (known !== undefined) {
      if (known.payload === message.payload && known.timestamp === message.timestamp) return;
      throw new Violation(
        "I4 state machine safety",
        `${host.name} stores ${described(message)} as ${channel} ${sequence}, others ${described(known)}`,
      );
    }
    // Passed over before, as one that had expired everywhere where somebody looked.
    if (sequence <= all.length) {
      all[sequence - 1] = message;
      return;
    }
    if (sequence !== all.length + 1) {
      throw new Violation("I10 no gaps", `${host.name} stores ${channel} ${sequence}, nobody has ${all.length + 1}`);
    }
    const previous = all[all.length - 1];
    if (previous !== undefined && message.timestamp < previous.timestamp) {
      throw new Violation(
        "I10 no gaps",
        `${host.name}: the time of ${channel} ${sequence} is before its predecessor's`,
      );
    }
    if (this.attempted.get(message.payload) !== channel) {
      throw new Violation(
        "I9 stored once",
        `${host.name} stores ${described(message)}, which nobody sent to ${channel}`,
      );
    }
    const place = this.#places.get(message.payload);
    if (place !== undefined && !this.repeated.has(message.payload)) {
      throw new Violation("I9 stored once", `${described(message)} is ${place} and ${channel} ${sequence}`);
    }
    this.#places.set(message.payload, `${channel} ${sequence}`);
    all.push(message);
  }
}

function described({ payload, timestamp }: StoredMessage): string {
  return `"${payload.slice(0, 30)}" of ${timestamp}`;
}
