/** A store around another: everything goes through to it, and its channels are wrapped. */
import type { ChannelLimits, ChannelStore, RecoveredState, Store } from "../ports/store.ts";
import type { ClientInfo, ServerInfo } from "../protocol/stored_records.ts";
import { type Awaitable, isLater, type Millis } from "../protocol/units.ts";

export abstract class WrappedStore implements Store {
  protected readonly inner: Store;

  constructor(inner: Store) {
    this.inner = inner;
  }

  protected abstract wrap(channel: ChannelStore): ChannelStore;

  abstract recover(): Awaitable<RecoveredState | undefined>;

  get name(): string {
    return this.inner.name;
  }

  tryLock(): Awaitable<boolean> {
    return this.inner.tryLock();
  }

  init(info: ServerInfo): Awaitable<void> {
    return this.inner.init(info);
  }

  limitsOf(channel: string): ChannelLimits {
    return this.inner.limitsOf(channel);
  }

  createChannel(name: string): Awaitable<ChannelStore> {
    const created = this.inner.createChannel(name);
    return isLater(created) ? created.then((channel) => this.wrap(channel)) : this.wrap(created);
  }

  deleteChannel(name: string): Awaitable<void> {
    return this.inner.deleteChannel(name);
  }

  addClient(client: ClientInfo): Awaitable<void> {
    return this.inner.addClient(client);
  }

  deleteClient(id: string): Awaitable<void> {
    return this.inner.deleteClient(id);
  }

  maintain(now: Millis): Awaitable<void> {
    return this.inner.maintain(now);
  }

  settle(): Awaitable<void> {
    return this.inner.settle?.();
  }

  close(): Awaitable<void> {
    return this.inner.close();
  }
}
