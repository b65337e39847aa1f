/**
 * The kinds of parts that can be exchanged, and a list of what is there of each kind. A registry is a value: two servers
 * in one process may have different ones. Plugins are imported statically, because a compiled binary holds only what its
 * compiler could see.
 */
import type { Options } from "./config/mod.ts";
import type { Clock } from "./ports/clock.ts";
import type { Commands } from "./ports/commands.ts";
import type { Files } from "./ports/files.ts";
import type { Journal } from "./ports/journal.ts";
import type { Log } from "./ports/log.ts";
import type { MessageBus } from "./ports/message_bus.ts";
import type { Network } from "./ports/network.ts";
import type { PasswordHasher } from "./ports/password_hasher.ts";
import type { Random } from "./ports/random.ts";
import type { Seal } from "./ports/seal.ts";
import type { RecoveredState, Store } from "./ports/store.ts";
import { StartFailed } from "./protocol/errors.ts";
import type { Nuid } from "./protocol/nuid.ts";
import type { Awaitable } from "./protocol/units.ts";

/** The machine that a server runs on. */
export interface System {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly network: Network;
  readonly commands: Commands;
  readonly passwords: PasswordHasher;
  /** What this process uses: resident bytes, processors, per cent of one processor. Absent: pages say zero. */
  readonly usage?: () => { readonly memory: number; readonly cores: number; readonly cpu: number };
  /** Lines of the streaming part. */
  readonly log: Log;
  /** Lines of the NATS part. */
  readonly natsLog: Log;
}

/** Makes a store from the options. Throws StartFailed or StoreFailed. */
export interface StorePlugin {
  open(options: Options, system: System): Awaitable<Store>;
}

/** A monitoring page of the NATS part. */
export interface NatsPage {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** NATS, wherever it is: gives connections to it. */
export interface Nats {
  /** Where clients connect, e.g. `nats://127.0.0.1:4222`. */
  readonly url: string;
  /** A connection for one purpose; `role` names it in logs and monitoring (`general`, `raft` …). */
  connect(role: string): Awaitable<MessageBus>;
  /** `/varz` and its like; `undefined` for an unknown path. */
  page(path: string, query: URLSearchParams): NatsPage | undefined;
  /** Takes over what can be changed while running. */
  reload(options: Options): Awaitable<void>;
  close(): Promise<void>;
}

export interface BusPlugin {
  start(options: Options, system: System): Promise<Nats>;
}

/** What a journal is made with. */
export interface JournalContext {
  readonly options: Options;
  readonly system: System;
  readonly nats: Nats;
  /** What the store remembers of this server; `undefined` when it is new. */
  readonly recovered: RecoveredState | undefined;
  readonly nuid: Nuid;
  /** What is written to the disk goes through this, when encryption at rest is on. */
  readonly seal: Seal | undefined;
  /** The journal cannot go on; `code` is the exit code. */
  readonly onFatal: (reason: string, code: number) => void;
}

export interface JournalPlugin {
  /** Throws StartFailed for options that cannot work; called before anything is opened. */
  check(options: Options): void;
  /** The store as this journal wants it. */
  wrap(store: Store): Store;
  open(context: JournalContext): Awaitable<Journal>;
}

/** Seals what a store keeps. */
export interface EncryptionPlugin {
  /** Throws StartFailed for a key or cipher that cannot be used; the key is gone from the options afterwards. */
  wrap(store: Store, options: Options, system: System): Store;
  /** For what a journal keeps on the disk; to be asked for before {@link wrap}. */
  logSeal(options: Options, system: System): Seal;
}

interface Kinds {
  encryption: EncryptionPlugin;
  store: StorePlugin;
  bus: BusPlugin;
  journal: JournalPlugin;
}

export class Registry {
  readonly #plugins: { [K in keyof Kinds]: Map<string, Kinds[K]> } = {
    encryption: new Map(),
    store: new Map(),
    bus: new Map(),
    journal: new Map(),
  };

  /** Adds or replaces the plugin of this name; returns the registry, to chain. */
  add<K extends keyof Kinds>(kind: K, name: string, plugin: Kinds[K]): this {
    this.#plugins[kind].set(name, plugin);
    return this;
  }

  /** Throws StartFailed when there is none of this name. */
  get<K extends keyof Kinds>(kind: K, name: string): Kinds[K] {
    const plugin = this.#plugins[kind].get(name);
    if (plugin !== undefined) return plugin;
    throw new StartFailed(
      kind === "store" ? `unsupported store type: ${name}` : `no ${kind} named ${name}; there are: ${this.list(kind)}`,
    );
  }

  list(kind: keyof Kinds): string[] {
    return [...this.#plugins[kind].keys()];
  }
}
