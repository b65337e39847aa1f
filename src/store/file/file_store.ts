/** The store in files: one directory, one folder in it for each channel (spec stores, section 3). */
import { FileFailed, type FileLock } from "../../ports/files.ts";
import {
  type ChannelLimits,
  type ChannelStore,
  type Damage,
  type RecoveredChannel,
  type RecoveredState,
  type Store,
  StoreFailed,
} from "../../ports/store.ts";
import { isLater, type Millis } from "../../protocol/units.ts";
import type { ClientInfo, ServerInfo } from "../../protocol/stored_records.ts";
import type { ResolvedLimits } from "../limits.ts";
import { ClientsLog } from "./clients_log.ts";
import { type FileContext, isChannelFolder, join } from "./context.ts";
import { FileMessageLog } from "./message_log.ts";
import { readOwnerNote, writeOwnerNote } from "./owner_note.ts";
import { type ChannelFiles, openClients, recoverChannel, recoverClients, tolerating } from "./recovery.ts";
import { ServerRecord } from "./server_record.ts";
import { FileSubscriptionsLog } from "./subscriptions_log.ts";
import { WorkOnChannels } from "./work_on_channels.ts";

/** Held by the process that uses the directory. */
const LOCK = ".rootdir.lck";
/** There while a store is open for writing: still there at the start, the last run did not close it. */
const OPEN_MARK = ".open.lck";
/** File systems take no longer names; in bytes. */
const MAX_NAME = 255;
/** How often recovery says how far it has come. */
const PROGRESS: Millis = 3000;

export class FileStore implements Store {
  readonly name = "FILE";
  readonly #context: FileContext;
  readonly #limits: ResolvedLimits;
  readonly #clients: ClientsLog;
  readonly #record: ServerRecord;
  #channels = new Map<string, ChannelFiles>();
  #lock: FileLock | undefined;
  #marked = false;
  /** What the last recovery found. */
  #damages: Damage[] = [];
  readonly #work = new WorkOnChannels();
  #closing: Promise<void> | undefined;
  #maintaining: Promise<void> | undefined;
  #syncedAt: Millis | undefined;

  constructor(context: FileContext, limits: ResolvedLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#clients = new ClientsLog(context);
    this.#record = new ServerRecord(context);
  }

  #path(name: string): string {
    return join(this.#context.options.directory, name);
  }

  tryLock(): boolean {
    this.#lock ??= this.#guard(() => this.#context.ports.files.lock(this.#path(LOCK)));
    return this.#lock !== undefined;
  }

  readOwner(): string {
    return this.#guard(() => readOwnerNote(this.#context.ports.files, this.#context.options.directory));
  }

  writeOwner(text: string): void {
    const { ports: { files }, options } = this.#context;
    this.#guard(() => writeOwnerNote(files, options.directory, text));
  }

  #needLock(): void {
    if (this.tryLock()) return;
    throw new StoreFailed(
      "refused",
      `store directory "${this.#context.options.directory}" is in use by another process (it holds the lock on "${
        this.#path(LOCK)
      }")`,
    );
  }

  async recover(): Promise<RecoveredState | undefined> {
    this.#needLock();
    const { ports: { files }, options } = this.#context;
    if (!this.#marked) this.#context.unclean = files.exists(this.#path(OPEN_MARK));
    const names = this.#guard(() => files.list(options.directory).filter(isChannelFolder).map(({ name }) => name));
    const damages = this.#damages = [] as Damage[];
    const record = this.#guard(() => this.#record.read(() => names.length > 0));
    const tolerate = <T>(recover: () => T) =>
      this.#guard(() => tolerating(damages, this.#clients.handle, this.#context, recover));
    tolerate(() => openClients(this.#clients, this.#context));
    if (record === undefined) return undefined;
    const isRead = damages.length === 0;
    const clients = isRead ? tolerate(() => recoverClients(this.#clients, this.#context).clients) : undefined;
    const channels = await this.#recoverChannels(names);
    this.#context.openFiles.closeAll();
    this.#mark();
    const { info, damage } = record;
    if (damage !== undefined) damages.unshift(damage);
    const all = damages.map((each) => ({ ...each, setAside: () => this.#guard(() => each.setAside()) }));
    return { info, clients: [...clients?.values() ?? []], channels, damages: all };
  }

  /** Recovers channels side by side. The first error is thrown when those under way have ended. */
  async #recoverChannels(names: readonly string[]): Promise<Map<string, RecoveredChannel>> {
    const { ports: { clock, log }, options } = this.#context;
    const recovered = new Map<string, RecoveredChannel>();
    const failures: unknown[] = [];
    let next = 0;
    let told = clock.now();
    const work = async () => {
      while (next < names.length && failures.length === 0) {
        const name = names[next++]!;
        try {
          recovered.set(name, this.#recoverOne(name));
        } catch (error) {
          failures.push(error);
        }
        if (clock.now() - told >= PROGRESS) {
          told = clock.now();
          log.notice(`Recovering channels: ${recovered.size} of ${names.length}`);
        }
        if (next % 64 === 0) await new Promise<void>((resolve) => clock.soon(resolve));
      }
    };
    await Promise.all(Array.from({ length: Math.min(options.parallelRecovery, Math.max(1, names.length)) }, work));
    if (failures.length === 0) return recovered;
    for (const { messages } of this.#channels.values()) messages.release();
    this.#channels.clear();
    this.#context.openFiles.closeAll();
    throw failures[0];
  }

  #recoverOne(name: string): RecoveredChannel {
    const { replay, damages, ...channel } = this.#guard(() => recoverChannel(name, this.limitsOf(name), this.#context));
    this.#channels.set(name, channel);
    this.#damages.push(...damages);
    return { store: channel, subscriptions: replay.recovered(), highestSubscriptionId: replay.highestId };
  }

  /** Notes on disk that the store is open. */
  #mark(): void {
    if (this.#marked) return;
    this.#marked = true;
    this.#guard(() => {
      const { ports: { files }, options } = this.#context;
      files.open(this.#path(OPEN_MARK), { mode: "empty" }).close();
      if (options.sync || options.replicated) files.syncDirectory(options.directory);
    });
  }

  init(info: ServerInfo): void {
    this.#needLock();
    this.#guard(() => {
      const { ports: { files }, options: { sync }, openFiles } = this.#context;
      if (!files.exists(this.#clients.handle.path)) openFiles.create(this.#clients.handle.path, sync);
      this.#record.write(info);
    });
    this.#mark();
  }

  limitsOf(channel: string): ChannelLimits {
    return this.#limits.of(channel);
  }

  createChannel(name: string): ChannelStore {
    if (this.#channels.has(name)) throw new StoreFailed("refused", "already exists");
    const { maxChannels } = this.#limits;
    if (maxChannels > 0 && this.#channels.size >= maxChannels) throw new StoreFailed("refused", "too many channels");
    checkChannelName(name);
    const directory = this.#path(name);
    const messages = new FileMessageLog(name, directory, this.limitsOf(name), this.#context);
    const subscriptions = new FileSubscriptionsLog(name, directory, this.#context);
    this.#guard(() => this.#makeChannelDirectory(directory, subscriptions.handle.path));
    const channel = { name, directory, messages, subscriptions };
    this.#channels.set(name, channel);
    return channel;
  }

  #makeChannelDirectory(directory: string, subscriptions: string): void {
    const { ports: { files }, options, openFiles } = this.#context;
    try {
      files.makeDirectory(directory);
      openFiles.create(subscriptions, options.sync);
      openFiles.keepEntries(directory, options.directory);
    } catch (error) {
      files.removeTree(directory);
      throw error;
    }
  }

  async deleteChannel(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    if (channel === undefined) throw new StoreFailed("refused", "not found");
    await this.#work.end(channel, async () => {
      await this.#maintaining?.catch(() => {});
      await channel.messages.settle();
      await channel.subscriptions.settle();
      this.#guard(() => {
        const { ports: { files }, options } = this.#context;
        channel.messages.release();
        channel.subscriptions.release();
        files.removeTree(channel.directory);
        // A cluster's node would take one that comes back for one that its log has lost.
        if (options.sync || options.replicated) files.syncDirectory(options.directory);
      });
    });
    this.#channels.delete(name);
  }

  addClient(client: ClientInfo): void {
    this.#clients.add(client);
  }

  deleteClient(id: string): void {
    this.#clients.remove(id);
  }

  maintain(now: Millis): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    return this.#maintaining ??= this.#maintain(now).finally(() => this.#maintaining = undefined);
  }

  async #maintain(now: Millis): Promise<void> {
    this.#context.tick = this.#context.ports.clock.wall();
    for (const channel of [...this.#channels.values()]) {
      if (this.#work.isGoing(channel)) continue;
      const { messages, subscriptions } = channel;
      if (this.#context.options.flushLag > 0) await this.#flushLagging(messages);
      messages.maintain(now);
      const compacting = subscriptions.compactIfDue(now);
      if (isLater(compacting)) await compacting;
    }
    this.#clients.compactIfDue(now);
    const { autoSync } = this.#context.options;
    this.#syncedAt ??= now;
    if (autoSync > 0 && now - this.#syncedAt >= autoSync) {
      this.#syncedAt = now;
      await this.#syncAll();
    }
    this.#guard(() => this.#context.openFiles.maintain(now));
  }

  /** A full disk is told to whoever appends next. */
  async #flushLagging(messages: FileMessageLog): Promise<void> {
    try {
      await messages.flush();
    } catch (error) {
      if (!(error instanceof StoreFailed) || error.code !== "full") throw error;
    }
  }

  settle(): Promise<void> {
    return this.#syncAll();
  }

  /** Flushes and syncs what was written without. */
  async #syncAll(): Promise<void> {
    for (const channel of [...this.#channels.values()]) {
      const { messages, subscriptions } = channel;
      if (!messages.unsynced && !subscriptions.unsynced) continue;
      await this.#work.on(channel, () => this.#syncChannel(channel));
    }
    await this.#context.syncing.runBeside(this.#clients.syncSteps());
    this.#guard(() => this.#context.openFiles.syncDirectories());
  }

  async #syncChannel({ messages, subscriptions }: ChannelFiles): Promise<void> {
    for (const log of [messages, subscriptions]) {
      if (!log.unsynced) continue;
      await log.flushNow();
      await this.#context.syncing.runBeside(log.syncSteps());
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    await this.#maintaining?.catch((error) => failures.push(error));
    try {
      if (this.#context.syncing.failure === undefined) {
        await this.#syncAll();
        for (const { messages } of this.#channels.values()) this.#guard(() => messages.finish());
      } else failures.push(this.#context.syncing.failure);
    } catch (error) {
      failures.push(error);
    }
    for (const { messages, subscriptions } of this.#channels.values()) {
      await messages.settle();
      await subscriptions.settle();
      messages.release();
    }
    this.#context.openFiles.closeAll();
    await Promise.all(this.#context.scripts);
    if (this.#marked && failures.length === 0) this.#context.ports.files.remove(this.#path(OPEN_MARK));
    this.#lock?.release();
    this.#lock = undefined;
    if (failures.length > 0) throw failures[0];
  }

  /** Runs `act`; a failure of a file becomes one of the store. */
  #guard<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof FileFailed)) throw error;
      throw new StoreFailed(error.code === "full" ? "full" : "io", error.message, { cause: error });
    }
  }
}

/** Throws StoreFailed `refused` for a name that is no folder's. */
function checkChannelName(name: string): void {
  const length = new TextEncoder().encode(name).length;
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw new StoreFailed("refused", `invalid channel name ${JSON.stringify(name)}`);
  }
  if (length > MAX_NAME) {
    throw new StoreFailed(
      "refused",
      `channel name of ${length} bytes is too long for a file store (at most ${MAX_NAME})`,
    );
  }
}
