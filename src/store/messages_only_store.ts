/**
 * Keeps messages and ignores clients and subscriptions, which live in the cluster's log; wraps any store (spec stores,
 * section 8).
 */
import type { ClientInfo, ServerInfo } from "../protocol/stored_records.ts";
import type { ChannelLimits, ChannelStore, RecoveredChannel, RecoveredState, Store } from "../ports/store.ts";
import { type Awaitable, isLater, type Millis } from "../protocol/units.ts";
import { forgetfulSubscriptions } from "./forgetful_subscriptions.ts";

/** Wraps `inner`, whose name gets the prefix `RAFT_`. */
export function messagesOnly(inner: Store): Store {
  return new MessagesOnlyStore(inner);
}

class MessagesOnlyStore implements Store {
  readonly #inner: Store;

  constructor(inner: Store) {
    this.#inner = inner;
  }

  get name(): string {
    return `RAFT_${this.#inner.name}`;
  }

  tryLock(): Awaitable<boolean> {
    return this.#inner.tryLock();
  }

  /** What other servers stored about subscriptions is dropped, but for the highest id: it is not used again. */
  async recover(): Promise<RecoveredState | undefined> {
    const state = await this.#inner.recover();
    if (state === undefined) return undefined;
    const channels = new Map<string, RecoveredChannel>();
    for (const [name, { store, highestSubscriptionId }] of state.channels) {
      channels.set(name, { store: withoutSubscriptions(store), subscriptions: [], highestSubscriptionId });
    }
    return { ...state, clients: [], channels };
  }

  init(info: ServerInfo): Awaitable<void> {
    return this.#inner.init(info);
  }

  limitsOf(channel: string): ChannelLimits {
    return this.#inner.limitsOf(channel);
  }

  createChannel(name: string): Awaitable<ChannelStore> {
    const created = this.#inner.createChannel(name);
    return isLater(created) ? created.then(withoutSubscriptions) : withoutSubscriptions(created);
  }

  deleteChannel(name: string): Awaitable<void> {
    return this.#inner.deleteChannel(name);
  }

  addClient(_client: ClientInfo): void {}
  deleteClient(_id: string): void {}

  maintain(now: Millis): Awaitable<void> {
    return this.#inner.maintain(now);
  }

  settle(): Awaitable<void> {
    return this.#inner.settle?.();
  }

  close(): Awaitable<void> {
    return this.#inner.close();
  }
}

function withoutSubscriptions(channel: ChannelStore): ChannelStore {
  return { name: channel.name, messages: channel.messages, subscriptions: forgetfulSubscriptions };
}
