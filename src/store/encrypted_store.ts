/** Seals the payloads of messages before they are stored; wraps any store (spec stores, section 6). */
import type { Buffer } from "node:buffer";
import type { Random } from "../ports/random.ts";
import {
  type ChannelStore,
  type MessageLog,
  type RecoveredChannel,
  type RecoveredState,
  type Store,
  StoreFailed,
} from "../ports/store.ts";
import { EncryptedLog } from "./encrypted_log.ts";
import { AES, CHACHA, type Cipher, masterKey } from "./sealing.ts";
import { WrappedStore } from "./wrapped_store.ts";

export interface EncryptionOptions {
  /** Overwritten with zeros when it is no longer needed. */
  readonly key: Uint8Array;
  /** `AES`, `CHACHA` in any case; empty: what suits the processor. */
  readonly cipher: string;
  /** The processor, e.g. `x86_64`; asked when no cipher is chosen. */
  readonly architecture?: string;
  readonly random: Random;
}

/** At the start, at most this many sealed messages are tried before the key is called wrong. */
const TRIES = 16;

/** The key to use: the environment's wins over the option's. Throws StoreFailed `refused` when there is neither. */
export function chooseEncryptionKey(environment: string | undefined, option: Uint8Array | undefined): Uint8Array {
  if (environment !== undefined && environment !== "") return new TextEncoder().encode(environment);
  if (option !== undefined && option.length > 0) return option;
  throw new StoreFailed("refused", "encryption key required");
}

/** Wraps `inner`. Throws StoreFailed `refused` for a missing key or an unknown cipher. */
export function encrypted(inner: Store, options: EncryptionOptions): Store {
  requireKey(options);
  const cipher = cipherOf(options);
  const master = masterKey(options.key);
  options.key.fill(0);
  return new EncryptedStore(inner, master, cipher, options.random);
}

/** Throws StoreFailed `refused` when there is no key. */
export function requireKey({ key }: EncryptionOptions): void {
  if (key.length === 0) throw new StoreFailed("refused", "encryption key required");
}

/** The cipher that is asked for. Throws StoreFailed `refused` when there is none of that name. */
export function cipherOf({ cipher, architecture = "x86_64" }: EncryptionOptions): Cipher {
  switch (cipher.toUpperCase()) {
    case "":
      return architecture === "x86_64" || architecture === "x64" ? AES : CHACHA;
    case "AES":
      return AES;
    case "CHACHA":
      return CHACHA;
    default:
      throw new StoreFailed("refused", "encryption cipher not supported");
  }
}

class EncryptedStore extends WrappedStore {
  readonly #master: Buffer;
  readonly #cipher: Cipher;
  readonly #random: Random;

  constructor(inner: Store, master: Buffer, cipher: Cipher, random: Random) {
    super(inner);
    this.#master = master;
    this.#cipher = cipher;
    this.#random = random;
  }

  readOwner(): string {
    return this.inner.readOwner?.() ?? "";
  }

  writeOwner(text: string): void {
    this.inner.writeOwner?.(text);
  }

  /** Throws StoreFailed `corrupt` when the key opens nothing of what is stored. */
  async recover(): Promise<RecoveredState | undefined> {
    const state = await this.inner.recover();
    if (state === undefined) return undefined;
    const channels = new Map<string, RecoveredChannel>();
    for (const [name, channel] of state.channels) channels.set(name, { ...channel, store: this.wrap(channel.store) });
    await checkKey(channels);
    return { ...state, channels };
  }

  protected wrap(channel: ChannelStore): ChannelStore & { readonly messages: EncryptedLog } {
    const salt = new Uint8Array(4);
    this.#random.fill(salt);
    const messages = new EncryptedLog(channel.name, channel.messages, this.#master, this.#cipher, salt);
    return { name: channel.name, messages, subscriptions: channel.subscriptions };
  }
}

/** Tries the newest and the oldest message of each channel. One that opens proves the key right. */
async function checkKey(channels: ReadonlyMap<string, RecoveredChannel>): Promise<void> {
  let refusal: string | undefined;
  let tries = 0;
  for (const [name, { store }] of channels) {
    const messages = store.messages as MessageLog & EncryptedLog;
    if (messages.count === 0) continue;
    for (const sequence of [messages.last, messages.first]) {
      const tried = await messages.tryKey(sequence);
      if (tried === "opened") return;
      if (tried === "plain" || tried === "unreadable") continue;
      refusal ??= `channel "${name}", message ${sequence}: ${tried.message}`;
      if (++tries === TRIES) break;
    }
    if (tries === TRIES) break;
  }
  if (refusal !== undefined) {
    throw new StoreFailed("corrupt", `the encryption key is not the one that this store was written with (${refusal})`);
  }
}
