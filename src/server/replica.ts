/**
 * The state that follows the agreed operations: records them in the store, applies them to the machine, performs the
 * effects, in commit order, on every node alike.
 */
import type { Clock } from "../ports/clock.ts";
import { type Lack, type MessageSource, PartlyStored, type Replica as ReplicaPort } from "../ports/journal.ts";
import { type Damage, type MessageVisitor, StoreFailed } from "../ports/store.ts";
import { limitsOf } from "../protocol/limits.ts";
import type { CreateChannel, DeliveryFact, Operation, Publish } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import { type Awaitable, isLater, type Nanos, type Sequence } from "../protocol/units.ts";
import {
  type ChannelSnapshot,
  decodeSnapshot,
  DIGEST_SCHEME,
  type Machine,
  publishTime,
  type SnapshotWriting,
} from "../streaming/mod.ts";
import { doInTurns } from "./in_turns.ts";
import type { Outbound, RefusedRecord } from "./outbound.ts";
import type { RecentRequests } from "./recent_requests.ts";
import type { Recorder } from "./recorder.ts";
import { restoreMessages } from "./restoring.ts";
import { type Known, merged } from "./unfinished.ts";

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

/** What a channel ends with. */
interface End {
  readonly last: Sequence;
  readonly lastTimestamp: Nanos;
}

export class Replica implements ReplicaPort {
  readonly #machine: Machine;
  readonly #recorder: Recorder;
  readonly #outbound: Outbound;
  readonly #clock: Clock;
  readonly #listener: ReplicaListener;
  readonly #belongTo: (identity: string) => Awaitable<void>;
  readonly #recent: RecentRequests | undefined;
  readonly damages: readonly Damage[];
  /** Channels of which the store may hold what is none of this cluster's. */
  readonly #doubted = new Set<string>();
  /** The store was full for an operation of the present apply. */
  #failure: StoreFailed | undefined;
  readonly #failed = new Set<Operation>();
  /** The incarnations of the channels of a state that is being restored. */
  #restoring: ReadonlyMap<string, number> | undefined;
  /** What became of operations of which some found no room, by place: these are missing, and may be given again. */
  #unfinished: { readonly index: number; readonly outcomes: Known } | undefined;

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
    this.#machine = parts.machine;
    this.#recorder = parts.recorder;
    this.#outbound = parts.outbound;
    this.#clock = parts.clock;
    this.#listener = parts.listener;
    this.#belongTo = parts.belongTo;
    this.#recent = parts.recent;
    this.damages = parts.damages ?? [];
  }

  apply(operations: readonly Operation[], index: number): Awaitable<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const before = this.#unfinished?.index === index ? this.#unfinished.outcomes : undefined;
    this.#unfinished = undefined;
    this.#failure = undefined;
    this.#failed.clear();
    const left = before === undefined ? operations : operations.filter((_, i) => before[i] === undefined);
    const done = this.#applyFrom(left, 0, index, outcomes);
    const judge = () => this.#judged(operations, index, merged(before, outcomes));
    return isLater(done) ? done.then(judge) : judge();
  }

  /** Throws PartlyStored when the store was full for some of the operations. */
  #judged(operations: readonly Operation[], index: number, outcomes: readonly Outcome[]): readonly Outcome[] {
    if (this.#failure === undefined) return outcomes;
    const undone = operations.map((operation, i) => this.#failed.has(operation) ? undefined : outcomes[i]);
    this.#unfinished = { index, outcomes: undone };
    throw new PartlyStored(outcomes, this.#failure);
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
      this.#limitAll();
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

  #limitAll(): void {
    for (const channel of this.#machine.state.channels.keys()) this.#limit(channel);
  }

  #limit(channel: string): void {
    const known = this.#machine.state.channels.get(channel);
    if (known !== undefined) this.#recorder.limit(channel, known.limits);
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

  /** Applies operations from position `i` on; waits only where the store does. */
  #applyFrom(operations: readonly Operation[], i: number, index: number, outcomes: Outcome[]): Awaitable<void> {
    while (i < operations.length) {
      const start = i;
      const isMessages = isPublishing(operations[i]!);
      while (i < operations.length && isPublishing(operations[i]!) === isMessages) i++;
      const run = operations.slice(start, i);
      const done = isMessages ? this.#applyPublishing(run, index, outcomes) : this.#applyRest(run, index, outcomes);
      if (isLater(done)) return done.then(() => this.#applyFrom(operations, i, index, outcomes));
    }
  }

  /** Channels and messages: into the store first, durably, then into the machine. */
  #applyPublishing(run: readonly Operation[], index: number, outcomes: Outcome[]): Awaitable<void> {
    const recorded = this.#record(run, 0, new Map());
    if (isLater(recorded)) return recorded.then(() => this.#flushAndApply(run, index, outcomes));
    return this.#flushAndApply(run, index, outcomes);
  }

  #record(run: readonly Operation[], i: number, ends: Map<string, End>): Awaitable<void> {
    for (; i < run.length; i++) {
      const recorded = this.#recordOne(run[i]!, ends);
      if (isLater(recorded)) return recorded.then(() => this.#record(run, i + 1, ends));
    }
  }

  #recordOne(operation: Operation, ends: Map<string, End>): Awaitable<void> {
    if (operation.kind === "publish") return this.#append(operation, ends);
    if (operation.kind !== "create channel" || isRefusal(this.#machine.mayCreate(operation.channel))) return;
    return this.#create(operation);
  }

  /** What is in doubt under the name of a new channel is not that channel's: its messages are in the log, all of them. */
  #create(operation: CreateChannel): Awaitable<void> {
    const { channel } = operation;
    // Before anything is stored in it: the store does not know what was agreed upon.
    const limit = () => this.#recorder.limit(channel, limitsOf(channel, this.#machine.state.limits));
    if (this.#lastOf(channel) !== undefined || !this.#doubted.delete(channel)) {
      const created = this.#recorder.createChannel(operation);
      return isLater(created) ? created.then(limit) : limit();
    }
    return Promise.resolve(this.#recorder.deleteChannel(channel))
      .then(() => this.#recorder.createChannel(operation)).then(limit);
  }

  /** The machine counts only after the store has the messages, so several publishes of one run are counted on here. */
  #append({ channel, time: published, messages }: Publish, ends: Map<string, End>): Awaitable<void> {
    const end = ends.get(channel) ?? this.#machine.state.channels.get(channel) ?? { last: 0, lastTimestamp: 0n };
    const time = publishTime(end, published);
    ends.set(channel, { last: end.last + messages.count, lastTimestamp: time });
    return this.#recorder.append({ channel, messages, first: end.last + 1, time });
  }

  #flushAndApply(run: readonly Operation[], index: number, outcomes: Outcome[]): Awaitable<void> {
    const flushed = this.#recorder.flushMessages();
    if (isLater(flushed)) return flushed.then((failures) => this.#applyMessages(run, index, outcomes, failures));
    this.#applyMessages(run, index, outcomes, flushed);
  }

  #applyMessages(
    run: readonly Operation[],
    index: number,
    outcomes: Outcome[],
    failures: ReadonlyMap<string, StoreFailed>,
  ): void {
    const now = this.#clock.now();
    const channels = new Set<string>();
    for (const operation of run) {
      const failure = "channel" in operation ? failures.get(operation.channel) : undefined;
      if (failure !== undefined) {
        this.#failure = failure;
        this.#failed.add(operation);
        outcomes.push({ kind: "refused", text: failure.message });
        continue;
      }
      outcomes.push(this.#machine.apply(operation, index, now));
      if (operation.kind === "publish") channels.add(operation.channel);
      else if (operation.kind === "create channel") this.#limit(operation.channel);
    }
    this.#outbound.perform(this.#machine.takeEffects());
    if (channels.size > 0) this.#listener.published(channels);
  }

  /** Everything else: into the machine, which says what to store; durable before the outcome is told. */
  #applyRest(run: readonly Operation[], index: number, outcomes: Outcome[]): Awaitable<void> {
    const now = this.#clock.now();
    let waiting: Promise<void>[] | undefined;
    for (const operation of run) {
      const outcome = this.#machine.apply(operation, index, now);
      outcomes.push(outcome);
      if (!isRefusal(outcome)) this.#recent?.note(operation, now);
      if (outcome.kind === "channel deleted" && operation.kind === "delete channel") {
        const deleted = this.#recorder.deleteChannel(operation.channel);
        if (isLater(deleted)) (waiting ??= []).push(deleted);
      } else if (operation.kind === "expire" && !isRefusal(outcome)) {
        this.#recorder.evictBefore(operation.channel, operation.first);
      } else if (operation.kind === "set limits") this.#limitAll();
    }
    const first = outcomes.length - run.length;
    this.#outbound.perform(this.#machine.takeEffects());
    this.#revoke(run, outcomes, first, this.#outbound.takeRefused());
    const flushed = this.#flushSubscriptions(run, outcomes, first);
    if (isLater(flushed)) (waiting ??= []).push(flushed);
    if (waiting !== undefined) return Promise.all(waiting).then(() => undefined);
  }

  /** A subscription that cannot be made durable is refused. */
  #flushSubscriptions(run: readonly Operation[], outcomes: Outcome[], first: number): Awaitable<void> {
    const failed = (error: unknown) => {
      if (!(error instanceof StoreFailed) || error.code !== "full") throw error;
      const refused = outcomes.slice(first).flatMap((outcome, i): RefusedRecord[] => {
        const operation = run[i]!;
        if (outcome.kind !== "subscribed" || operation.kind !== "subscribe") return [];
        return [{ channel: operation.channel, subscriptionId: outcome.subscriptionId, text: error.message }];
      });
      this.#revoke(run, outcomes, first, refused);
    };
    try {
      const flushed = this.#recorder.flushSubscriptions();
      return isLater(flushed) ? flushed.catch(failed) : flushed;
    } catch (error) {
      failed(error);
    }
  }

  /** Takes back subscriptions whose records the store refused: the client hears the store's text. */
  #revoke(run: readonly Operation[], outcomes: Outcome[], first: number, refused: readonly RefusedRecord[]): void {
    for (const { channel, subscriptionId, text } of refused) {
      const subscription = this.#machine.state.channels.get(channel)?.subscriptions.get(subscriptionId);
      const at = run.findIndex((operation, i) => {
        const outcome = outcomes[first + i]!;
        return operation.kind === "subscribe" && operation.channel === channel && outcome.kind === "subscribed" &&
          outcome.subscriptionId === subscriptionId;
      });
      if (subscription === undefined || at < 0) continue;
      outcomes[first + at] = { kind: "refused", text };
      this.#machine.revoke(subscription, this.#clock.now());
      this.#outbound.perform(this.#machine.takeEffects());
    }
  }
}

function isPublishing(operation: Operation): boolean {
  return operation.kind === "publish" || operation.kind === "create channel";
}
