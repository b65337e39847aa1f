/**
 * Applies agreed operations, run by run: channels and messages go into the store first, durably, then into the machine;
 * everything else into the machine first, which says what to store. Waits only where the store does.
 */
import type { Clock } from "../ports/clock.ts";
import { PartlyStored } from "../ports/journal.ts";
import { StoreFailed } from "../ports/store.ts";
import { limitsOf } from "../protocol/limits.ts";
import type { CreateChannel, Operation, Publish } from "../protocol/operations.ts";
import { isRefusal, type Outcome } from "../protocol/outcomes.ts";
import { type Awaitable, isLater } from "../protocol/units.ts";
import { type Channel, type Machine, publishTime } from "../streaming/mod.ts";
import type { Outbound, RefusedRecord } from "./outbound.ts";
import type { RecentRequests } from "./recent_requests.ts";
import type { Recorder } from "./recorder.ts";
import { type Known, merged } from "./unfinished.ts";

export interface ApplyingParts {
  readonly machine: Machine;
  readonly recorder: Recorder;
  readonly outbound: Outbound;
  readonly clock: Clock;
  /** In a cluster: is told which requests took effect. */
  readonly recent: RecentRequests | undefined;
  /** Is told on which channels messages were stored. */
  readonly published: (channels: ReadonlySet<string>) => void;
  /** Channels of which the store may hold what is none of this cluster's. */
  readonly doubted: Set<string>;
}

/** What a channel ends with. */
type End = Pick<Channel, "last" | "lastTimestamp">;

export class Applying {
  readonly #machine: Machine;
  readonly #recorder: Recorder;
  readonly #outbound: Outbound;
  readonly #clock: Clock;
  readonly #recent: RecentRequests | undefined;
  readonly #published: (channels: ReadonlySet<string>) => void;
  readonly #doubted: Set<string>;
  /** The store was full for an operation of the present apply. */
  #failure: StoreFailed | undefined;
  readonly #failed = new Set<Operation>();
  /** What became of operations of which some found no room, by place: these are missing, and may be given again. */
  #unfinished: { readonly index: number; readonly outcomes: Known } | undefined;

  constructor(parts: ApplyingParts) {
    this.#machine = parts.machine;
    this.#recorder = parts.recorder;
    this.#outbound = parts.outbound;
    this.#clock = parts.clock;
    this.#recent = parts.recent;
    this.#published = parts.published;
    this.#doubted = parts.doubted;
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

  /** Puts the agreed limits in force in the stores of all channels. */
  limitAll(): void {
    for (const channel of this.#machine.state.channels.keys()) this.#limit(channel);
  }

  #limit(channel: string): void {
    const known = this.#machine.state.channels.get(channel);
    if (known !== undefined) this.#recorder.limit(channel, known.limits);
  }

  /** Applies operations from position `i` on. */
  #applyFrom(operations: readonly Operation[], i: number, index: number, outcomes: Outcome[]): Awaitable<void> {
    while (i < operations.length) {
      // What comes next may build on what found no room: a subscription on its channel.
      if (this.#failure !== undefined) return this.#postpone(operations.slice(i), this.#failure, outcomes);
      const start = i;
      const isMessages = isPublishing(operations[i]!);
      while (i < operations.length && isPublishing(operations[i]!) === isMessages) i++;
      const run = operations.slice(start, i);
      const done = isMessages ? this.#applyPublishing(run, index, outcomes) : this.#applyRest(run, index, outcomes);
      if (isLater(done)) return done.then(() => this.#applyFrom(operations, i, index, outcomes));
    }
  }

  #postpone(rest: readonly Operation[], { message: text }: StoreFailed, outcomes: Outcome[]): void {
    for (const operation of rest) {
      this.#failed.add(operation);
      outcomes.push({ kind: "refused", text });
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
    if (this.#machine.state.channels.has(channel) || !this.#doubted.delete(channel)) {
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
    if (channels.size > 0) this.#published(channels);
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
      } else if (operation.kind === "set limits") this.limitAll();
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
