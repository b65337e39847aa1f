/** A store that forgets everything when the process ends (spec stores, section 5). */
import type { ClientInfo, ServerInfo } from "../protocol/stored_records.ts";
import { type ChannelLimits, type ChannelStore, type Store, StoreFailed } from "../ports/store.ts";
import { type Log, silentLog } from "../ports/log.ts";
import { defaultLimits, type ResolvedLimits, resolveLimits, type StoreLimits } from "./limits.ts";
import { forgetfulSubscriptions } from "./forgetful_subscriptions.ts";
import { MemoryLog } from "./memory_log.ts";

export interface MemoryStoreOptions {
  readonly limits?: StoreLimits;
  readonly log?: Log;
}

/** Opens an empty store. Throws StoreFailed `refused` for limits that cannot be meant. */
export function openMemoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(resolveLimits(options.limits ?? defaultLimits), options.log ?? silentLog);
}

class MemoryStore implements Store {
  readonly name = "MEMORY";
  readonly #limits: ResolvedLimits;
  readonly #log: Log;
  readonly #channels = new Map<string, ChannelStore>();

  constructor(limits: ResolvedLimits, log: Log) {
    this.#limits = limits;
    this.#log = log;
  }

  /** Nobody else can have this store. */
  tryLock(): boolean {
    return true;
  }

  recover(): undefined {
    return undefined;
  }

  init(_info: ServerInfo): void {}

  limitsOf(channel: string): ChannelLimits {
    return this.#limits.of(channel);
  }

  createChannel(name: string): ChannelStore {
    if (this.#channels.has(name)) throw new StoreFailed("refused", "already exists");
    if (this.#limits.maxChannels > 0 && this.#channels.size >= this.#limits.maxChannels) {
      throw new StoreFailed("refused", "too many channels");
    }
    const messages = new MemoryLog(name, this.limitsOf(name), (text) => this.#log.warn(text));
    const channel = { name, messages, subscriptions: forgetfulSubscriptions };
    this.#channels.set(name, channel);
    return channel;
  }

  deleteChannel(name: string): void {
    if (!this.#channels.delete(name)) throw new StoreFailed("refused", "not found");
  }

  addClient(_client: ClientInfo): void {}
  deleteClient(_id: string): void {}
  maintain(): void {}
  close(): void {}
}
