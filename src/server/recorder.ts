/**
 * Agreed operations and facts → store records. The only writer of channels, messages and subscriptions; it keeps the
 * channels' stores and knows which of them wait for a flush.
 */
import { type ChannelLimits, type ChannelStore, type Store, StoreFailed } from "../ports/store.ts";
import { type CreateChannel, MARKS } from "../protocol/operations.ts";
import type { SubscriptionState } from "../protocol/stored_records.ts";
import { type Awaitable, isLater, type Sequence } from "../protocol/units.ts";
import type { Repair, Subscription } from "../streaming/mod.ts";
import { type Agreed, firstDifference } from "./replaying.ts";

export class Recorder {
  readonly #store: Store;
  readonly #channels = new Map<string, ChannelStore>();
  readonly #dirtyMessages = new Set<ChannelStore>();
  readonly #dirtySubscriptions = new Set<ChannelStore>();

  readonly #onNews: () => void;
  /** Channels that could not take what was appended since the last flush. */
  #failures = new Map<string, StoreFailed>();
  /** A failure after which nothing can be stored. */
  #broken: StoreFailed | undefined;
  readonly #fence: () => void;
  readonly #warn: (text: string) => void;

  /**
   * `onNews`: called when subscription records begin to wait for a flush, so that it can be timed. `fence`: called before
   * each flush; throws StoreFailed when the store may not be written to any more. `warn`: for the operator.
   */
  constructor(store: Store, onNews = () => {}, fence = () => {}, warn: (text: string) => void = () => {}) {
    this.#store = store;
    this.#onNews = onNews;
    this.#fence = fence;
    this.#warn = warn;
  }

  /** The stores of all channels by name. */
  get channels(): ReadonlyMap<string, ChannelStore> {
    return this.#channels;
  }

  /** Takes over a channel that the store recovered. */
  adopt(channel: ChannelStore): void {
    this.#channels.set(channel.name, channel);
  }

  /** Makes the channel's store, unless it is there already (a replay). */
  createChannel({ channel }: CreateChannel): Awaitable<void> {
    if (this.#channels.has(channel)) return;
    const keep = (store: ChannelStore) => void this.#channels.set(channel, store);
    const failed = (error: unknown) => this.#noteFailure(channel, error);
    try {
      const made = this.#store.createChannel(channel);
      return isLater(made) ? made.then(keep, failed) : keep(made);
    } catch (error) {
      failed(error);
    }
  }

  /** Removes the channel with everything stored in it. */
  deleteChannel(channel: string): Awaitable<void> {
    const store = this.#channels.get(channel);
    if (store === undefined) return;
    this.#channels.delete(channel);
    this.#dirtyMessages.delete(store);
    this.#dirtySubscriptions.delete(store);
    return this.#store.deleteChannel(channel);
  }

  /**
   * Appends messages. Where the store holds the same ones already they are left as they are; where it holds others, these
   * go.
   */
  append(agreed: Agreed): Awaitable<void> {
    const { channel, first } = agreed;
    const store = this.#channels.get(channel);
    if (store === undefined || this.#failures.has(channel)) return;
    try {
      if (first <= store.messages.last) {
        const cut = this.#cutWhatDiffers(store, agreed);
        if (isLater(cut)) return this.#appendAfter(cut, agreed);
      }
      this.#appendTo(store, agreed);
    } catch (error) {
      this.#noteFailure(channel, error);
    }
  }

  async #appendAfter(cut: Promise<void>, agreed: Agreed): Promise<void> {
    try {
      await cut;
    } catch (error) {
      return this.#noteFailure(agreed.channel, error);
    }
    return this.append(agreed);
  }

  #cutWhatDiffers({ name, messages }: ChannelStore, agreed: Agreed): Awaitable<void> {
    const from = firstDifference(messages, agreed);
    if (from === undefined) return;
    const which = `channel ${JSON.stringify(name)}: messages ${from} to ${messages.last} in the store`;
    this.#warn(`${which} are not those that were agreed upon: they are dropped`);
    return messages.forgetAfter(from - 1);
  }

  #appendTo(store: ChannelStore, { first, time, messages: { count, bytes, bounds } }: Agreed): void {
    this.#dirtyMessages.add(store);
    for (let i = 0; i < count; i++) {
      store.messages.append(first + i, time, bytes, bounds[i * MARKS]!, bounds[i * MARKS + 1]!);
    }
  }

  /** The limits that were agreed upon, whatever this server's own configuration says. */
  limit(channel: string, limits: ChannelLimits): void {
    this.#channels.get(channel)?.messages.setLimits(limits);
  }

  evictBefore(channel: string, first: Sequence): void {
    this.#channels.get(channel)?.messages.evictBefore(first);
  }

  /**
   * Makes appended messages durable. Answers for which channels the store was full: of what they were given since the last
   * call nothing is stored. Throws or rejects with StoreFailed when the disk failed.
   */
  flushMessages(): Awaitable<ReadonlyMap<string, StoreFailed>> {
    if (this.#dirtyMessages.size > 0) this.#fence();
    let waiting: Promise<void>[] | undefined;
    const dirty = [...this.#dirtyMessages];
    this.#dirtyMessages.clear();
    for (const { name, messages } of dirty) {
      try {
        const flushed = messages.flush();
        if (isLater(flushed)) (waiting ??= []).push(flushed.catch((error: unknown) => this.#noteFailure(name, error)));
      } catch (error) {
        this.#noteFailure(name, error);
      }
    }
    return waiting === undefined ? this.#takeFailures() : Promise.all(waiting).then(() => this.#takeFailures());
  }

  /** A channel whose store is full is passed over for this once; any other failure is everybody's. */
  #noteFailure(channel: string, error: unknown): void {
    if (!(error instanceof StoreFailed)) throw error;
    if (error.code === "io" || error.code === "corrupt") this.#broken ??= error;
    this.#failures.set(channel, error);
  }

  #takeFailures(): ReadonlyMap<string, StoreFailed> {
    const failures = this.#failures;
    const broken = this.#broken;
    if (failures.size > 0) this.#failures = new Map();
    this.#broken = undefined;
    if (broken !== undefined) throw broken;
    return failures;
  }

  storeSubscription(how: "create" | "update" | "forget", channel: string, state: SubscriptionState): void {
    const store = this.#channels.get(channel);
    if (store === undefined) return;
    this.#touch(store);
    if (how === "create") store.subscriptions.create(state);
    else if (how === "update") store.subscriptions.update(state);
    else store.subscriptions.delete(state.id);
  }

  sent(subscription: Subscription, sequences: readonly Sequence[]): void {
    const store = this.#channels.get(subscription.channel.name);
    if (store === undefined) return;
    this.#touch(store);
    for (const sequence of sequences) store.subscriptions.addPending(subscription.id, sequence);
  }

  acked(subscription: Subscription, sequences: readonly Sequence[]): void {
    const store = this.#channels.get(subscription.channel.name);
    if (store === undefined) return;
    this.#touch(store);
    for (const sequence of sequences) store.subscriptions.acknowledge(subscription.id, sequence);
  }

  /** Puts right what recovery found wrong in the store. */
  repair(repair: Repair): void {
    const store = this.#channels.get(repair.channel);
    if (store === undefined) return;
    this.#touch(store);
    const { subscriptions } = store;
    if (repair.kind === "forget") subscriptions.delete(repair.id);
    else if (repair.kind === "update") subscriptions.update(repair.state);
    else if (repair.kind === "sent") repair.sequences.forEach((each) => subscriptions.addPending(repair.id, each));
    else repair.sequences.forEach((each) => subscriptions.acknowledge(repair.id, each));
  }

  #touch(store: ChannelStore): void {
    if (this.#dirtySubscriptions.size === 0) this.#onNews();
    this.#dirtySubscriptions.add(store);
  }

  /** Makes everything recorded so far survive a power loss, whatever the store's syncing is set to. */
  settle(): Awaitable<void> {
    return this.#store.settle?.();
  }

  /** Makes subscription records durable that were written since the last flush. */
  flushSubscriptions(): Awaitable<void> {
    if (this.#dirtySubscriptions.size > 0) this.#fence();
    return flushAll(this.#dirtySubscriptions, (store) => store.subscriptions.flush());
  }
}

/** Flushes all members and empties the set; only what takes time is waited for. */
function flushAll(dirty: Set<ChannelStore>, flush: (store: ChannelStore) => Awaitable<void>): Awaitable<void> {
  if (dirty.size === 0) return;
  let waiting: Promise<void>[] | undefined;
  const members = [...dirty];
  dirty.clear();
  for (const store of members) {
    const flushed = flush(store);
    if (isLater(flushed)) (waiting ??= []).push(flushed);
  }
  if (waiting !== undefined) return Promise.all(waiting).then(nothing);
}

function nothing(): void {}
