/**
 * Keeps messages and ignores clients and subscriptions, which live in the cluster's log; wraps any store (spec stores,
 * section 8).
 */
import type { ClientInfo } from "../protocol/stored_records.ts";
import type { ChannelStore, RecoveredChannel, RecoveredState, Store } from "../ports/store.ts";
import { forgetfulSubscriptions } from "./forgetful_subscriptions.ts";
import { WrappedStore } from "./wrapped_store.ts";

/** Wraps `inner`, whose name gets the prefix `RAFT_`. */
export function messagesOnly(inner: Store): Store {
  return new MessagesOnlyStore(inner);
}

class MessagesOnlyStore extends WrappedStore {
  override get name(): string {
    return `RAFT_${this.inner.name}`;
  }

  /** What other servers stored about subscriptions is dropped, but for the highest id: it is not used again. */
  async recover(): Promise<RecoveredState | undefined> {
    const state = await this.inner.recover();
    if (state === undefined) return undefined;
    const channels = new Map<string, RecoveredChannel>();
    for (const [name, { store, highestSubscriptionId }] of state.channels) {
      channels.set(name, { store: this.wrap(store), subscriptions: [], highestSubscriptionId });
    }
    return { ...state, clients: [], channels };
  }

  protected wrap({ name, messages }: ChannelStore): ChannelStore {
    return { name, messages, subscriptions: forgetfulSubscriptions };
  }

  override addClient(_client: ClientInfo): void {}
  override deleteClient(_id: string): void {}
}
