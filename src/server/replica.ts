/**
 * The state that follows the agreed operations, on every node alike, and the messages that belong to it: what is applied,
 * snapshots and restoring, and which messages of the store are in doubt.
 */
import type { Clock } from "../ports/clock.ts";
import type { Lack, MessageSource, Replica as ReplicaPort } from "../ports/journal.ts";
import type { Damage, MessageVisitor } from "../ports/store.ts";
import type { DeliveryFact, Operation } from "../protocol/operations.ts";
import type { Outcome } from "../protocol/outcomes.ts";
import { type Awaitable, isLater, type Sequence } from "../protocol/units.ts";
import {
  type ChannelSnapshot,
  decodeSnapshot,
  DIGEST_SCHEME,
  type Machine,
  type SnapshotWriting,
} from "../streaming/mod.ts";
import { Applying } from "./applying.ts";
import { doInTurns } from "./in_turns.ts";
import type { Outbound } from "./outbound.ts";
import type { RecentRequests } from "./recent_requests.ts";
import type { Recorder } from "./recorder.ts";
import { restoreMessages } from "./restoring.ts";

/** What a replica tells the rest of the server. */
export interface ReplicaListener {
  /** Messages were stored on these channels; in order of the operations. */
  published(channels: ReadonlySet<string>): void;
  /** The state was replaced by a snapshot's: what was applied on the way is not known. */
  restored(): void;
  /**
   * This server begins to lead: open the doors. Answers when clients are being served. `ahead`: channels of which the store holds
   * more than was agreed upon.
   */
  lead(ahead: readonly string[]): Awaitable<void>;
  /** It does not lead any more: close the doors now. */
  follow(): void;
}

export class Replica implements ReplicaPort {
  readonly #machine: Machine;
  readonly #recorder: Recorder;
  readonly #outbound: Outbound;
  readonly #clock: Clock;
  readonly #listener: ReplicaListener;
  readonly #belongTo: (identity: string) => Awaitable<void>;
  readonly #applying: Applying;
  readonly damages: readonly Damage[];
  /** Channels of which the store may hold what is none of this cluster's. */
  readonly #doubted = new Set<string>();
  /** The incarnations of the channels of a state that is being restored. */
  #restoring: ReadonlyMap<string, number> | undefined;

  constructor(
    parts: {
      machine: Machine;
      recorder: Recorder;
      outbound: Outbound;
      clock: Clock;
      listener: ReplicaListener;
      /** Keeps with the store whose messages it holds. */
      belongTo: (identity: string) => Awaitable<void>;
      /** In a cluster: is told which requests took effect. */
      recent?: RecentRequests | undefined;
      /** What the store found damaged. */
      damages?: readonly Damage[] | undefined;
    },
  ) {
    const { machine, recorder, outbound, clock, listener, recent, damages = [] } = parts;
    this.#machine = machine;
    this.#recorder = recorder;
    this.#outbound = outbound;
    this.#clock = clock;
    this.#listener = listener;
    this.#belongTo = parts.belongTo;
    this.damages = damages;
    const published = (channels: ReadonlySet<string>) => listener.published(channels);
    this.#applying = new Applying({ machine, recorder, outbound, clock, recent, published, doubted: this.#doubted });
  }

  apply(operations: readonly Operation[], index: number): Awaitable<readonly Outcome[]> {
    return this.#applying.apply(operations, index);
  }

  readonly digestScheme = DIGEST_SCHEME;

  get digest(): number {
    return this.#machine.state.digest;
  }

  async empty(): Promise<void> {
    for (const channel of [...this.#recorder.channels.keys()]) await this.#recorder.deleteChannel(channel);
  }

  learn(facts: readonly DeliveryFact[]): void {
    this.#machine.learn(facts);
    this.#outbound.perform(this.#machine.takeEffects());
  }

  lead(): Awaitable<void> {
    return this.#listener.lead([...this.#recorder.channels.keys()].filter((name) => this.#isAhead(name)));
  }

  /** Whether the store holds messages beyond the last one that was agreed upon. */
  #isAhead(name: string): boolean {
    const last = this.#lastOf(name);
    if (last === undefined && this.#doubted.has(name)) return false;
    return this.#recorder.channels.get(name)!.messages.last > (last ?? 0);
  }

  /** The last message that was agreed upon; `undefined` where there is no such channel. */
  #lastOf(name: string): Sequence | undefined {
    return this.#machine.state.channels.get(name)?.last;
  }

  follow(): void {
    this.#listener.follow();
  }

  /**
   * What a leader knows and has not reported is in the snapshot too; reporting it first keeps what happens next from being
   * left out as a pair of delivery and ack that nobody has heard of.
   */
  snapshot(): Awaitable<Uint8Array> {
    this.#outbound.reportNow();
    const firstOf = (name: string) =>
      Math.min(this.#recorder.channels.get(name)?.messages.first ?? 0, (this.#lastOf(name) ?? 0) + 1);
    const writing = this.#machine.beginSnapshot(this.#clock.now(), firstOf);
    const done = doInTurns(() => writing.step(), this.#clock);
    return isLater(done) ? done.then(() => this.#snapshotDone(writing)) : this.#snapshotDone(writing);
  }

  #snapshotDone(writing: SnapshotWriting): Uint8Array {
    this.#machine.endSnapshot();
    return writing.finish();
  }

  settle(): Awaitable<void> {
    return this.#recorder.settle();
  }

  async restore(snapshot: Uint8Array, source: MessageSource): Promise<void> {
    const { channels } = decodeSnapshot(snapshot);
    this.#restoring = new Map(channels.map(({ name, incarnation }) => [name, incarnation]));
    const judge = {
      outdated: (name: string) => this.#isOutdated(name, channels),
      certain: (name: string) => this.#lastOf(name),
      doubted: this.#doubted,
    };
    try {
      await restoreMessages(channels, judge, source, this.#recorder);
      this.#doubted.clear();
      this.#machine.restore(snapshot, this.#clock.now());
      this.#restoring = undefined;
    } finally {
      this.#applying.limitAll();
    }
    this.#listener.restored();
    this.#outbound.perform(this.#machine.takeEffects());
  }

  lacks(snapshot: Uint8Array): readonly Lack[] {
    return decodeSnapshot(snapshot).channels.flatMap(({ name, last, expiredBefore }) => {
      const held = this.#recorder.channels.get(name)?.messages.last ?? 0;
      if (expiredBefore > last || held >= last) return [];
      return [{ channel: name, from: Math.max(held + 1, expiredBefore, 1), to: last }];
    });
  }

  doubt(): void {
    for (const [name, { messages }] of this.#recorder.channels) {
      const last = this.#lastOf(name);
      if (last === undefined || messages.last > last) this.#doubted.add(name);
    }
  }

  async endDoubt(): Promise<void> {
    for (const name of [...this.#doubted]) {
      const last = this.#lastOf(name);
      if (last === undefined) await this.#recorder.deleteChannel(name);
      else await this.#recorder.channels.get(name)?.messages.forgetAfter(last);
    }
    this.#doubted.clear();
  }

  belongTo(identity: string): Awaitable<void> {
    return this.#belongTo(identity);
  }

  /** Whether the channel at hand is an earlier one of the same name. */
  #isOutdated(name: string, channels: readonly ChannelSnapshot[]): boolean {
    const known = this.#machine.state.channels.get(name);
    return known !== undefined && channels.find((each) => each.name === name)?.incarnation !== known.incarnation;
  }

  #incarnationOf(channel: string): number | undefined {
    return this.#machine.state.channels.get(channel)?.incarnation ?? this.#restoring?.get(channel);
  }

  knows(channel: string, incarnation: number): boolean {
    return this.#incarnationOf(channel) === incarnation;
  }

  holding(channel: string, incarnation: number): { first: Sequence; last: Sequence } | undefined {
    const store = this.#recorder.channels.get(channel);
    const known = this.#machine.state.channels.get(channel);
    if (store === undefined || (this.#incarnationOf(channel) ?? incarnation) !== incarnation) return undefined;
    if (known === undefined && this.#doubted.has(channel)) return undefined;
    const { first, last } = store.messages;
    return { first, last: known === undefined ? last : Math.min(last, known.last) };
  }

  readMessages(
    channel: string,
    from: Sequence,
    to: Sequence,
    maxBytes: number,
    visit: MessageVisitor,
  ): Awaitable<Sequence> {
    return this.#recorder.channels.get(channel)?.messages.read(from, to, maxBytes, visit) ?? to + 1;
  }
}
