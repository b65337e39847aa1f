/** Rebuilding what a directory holds after a stop or a crash (spec stores, sections 3.9 to 3.11). */
import { FileFailed } from "../../ports/files.ts";
import { type ChannelLimits, type Damage, StoreFailed } from "../../ports/store.ts";
import { type BadSlice, channelDamage, damageText } from "./channel_damage.ts";
import { ClientReplay, type ClientsLog } from "./clients_log.ts";
import { type FileContext, join } from "./context.ts";
import { FileMessageLog } from "./message_log.ts";
import type { FileHandle } from "./open_files.ts";
import { replayRecords } from "./record_recovery.ts";
import { Slice } from "./slice.ts";
import { recoverSlice } from "./slice_recovery.ts";
import { SubscriptionReplay } from "./subscription_records.ts";
import { FileSubscriptionsLog } from "./subscriptions_log.ts";

/** A channel as it was recovered. */
export interface ChannelFiles {
  readonly name: string;
  readonly directory: string;
  readonly messages: FileMessageLog;
  readonly subscriptions: FileSubscriptionsLog;
}

/** Makes `clients.dat` if it is missing and checks its version. Throws StoreFailed. */
export function openClients(clients: ClientsLog, context: FileContext): void {
  openOrCreate(clients.handle, context, (problem) => `unable to recover client file "clients.dat": ${problem}`);
}

/** Reads `clients.dat`. Throws StoreFailed. */
export function recoverClients(clients: ClientsLog, context: FileContext): ClientReplay {
  const replay = new ClientReplay();
  try {
    const end = replayRecords(
      clients.handle.file,
      true,
      context,
      (type, bytes, start, end) => replay.apply(type, bytes, start, end),
    );
    clients.adopt(replay, end);
    return replay;
  } catch (error) {
    throw failed(`unable to recover client file "${clients.handle.path}"`, error);
  }
}

/** Opens a file, made with its version if it is missing. `describe` makes the error's text. */
export function openOrCreate(handle: FileHandle, context: FileContext, describe: (problem: string) => string): void {
  try {
    if (!context.ports.files.exists(handle.path)) context.openFiles.create(handle.path, context.options.sync);
    void handle.file;
  } catch (error) {
    throw failed(describe, error);
  }
}

/** Reads a channel's directory. Throws StoreFailed; then everything of this channel is closed. */
export function recoverChannel(
  name: string,
  limits: ChannelLimits,
  context: FileContext,
): ChannelFiles & { readonly replay: SubscriptionReplay; readonly damages: readonly Damage[] } {
  const directory = join(context.options.directory, name);
  const messages = new FileMessageLog(name, directory, limits, context);
  const subscriptions = new FileSubscriptionsLog(name, directory, context);
  const slices: Slice[] = [];
  // What was made without syncing before the last run ended may not be on the disk.
  if (context.unclean && !context.options.sync) context.openFiles.keepEntries(directory);
  try {
    const damage = recoverMessages(messages, slices, context);
    const damages = damage === undefined ? [] : [damage];
    const replay = tolerating(
      damages,
      subscriptions.handle,
      context,
      () => recoverSubscriptions(subscriptions, context),
    );
    return { name, directory, messages, subscriptions, replay: replay ?? new SubscriptionReplay(), damages };
  } finally {
    for (const slice of slices) slice.close();
    subscriptions.handle.close();
  }
}

/**
 * What cannot be used of a file that a cluster's node does not need: it is told as damage, and the file made anew when that
 * is set aside. `undefined`: so it is.
 */
export function tolerating<T>(
  damages: Damage[],
  handle: FileHandle,
  { options: { replicated, sync }, openFiles }: FileContext,
  recover: () => T,
): T | undefined {
  try {
    return recover();
  } catch (error) {
    if (!replicated || !(error instanceof StoreFailed) || error.code !== "corrupt") throw error;
    damages.push({
      text: damageText(error),
      refusal: error,
      harmless: true,
      setAside() {
        handle.close();
        openFiles.create(handle.path, sync);
        return `file "${handle.path}" was made anew: a node of a cluster keeps nothing in it`;
      },
    });
    return undefined;
  }
}

/** Throws StoreFailed for what cannot be used; answers it where other nodes hold the same. */
function recoverMessages(messages: FileMessageLog, slices: Slice[], context: FileContext): Damage | undefined {
  const { files, clock } = context.ports;
  const { replicated } = context.options;
  const bad: BadSlice[] = [];
  const refused = (error: unknown) =>
    failed(`unable to recover message store for [${messages.channel}](file: "${lastOpened}")`, error);
  const names = new Set<string>();
  let lastOpened = "";
  try {
    for (const { name, isFile } of files.list(messages.directory)) if (isFile) names.add(name);
    const data = [...names].filter((name) => name.startsWith("msgs.") && name.endsWith(".dat"));
    const newest = Math.max(...data.map((name) => parseInt(name.slice("msgs.".length))));
    const opening = (handle: FileHandle) => {
      lastOpened = join(messages.channel, handle.path.slice(messages.directory.length + 1));
      return handle;
    };
    const recoverOne = (slice: Slice) => {
      slices.push(slice);
      void opening(slice.data).file;
      const hadIndex = names.has(`msgs.${slice.number}.idx`);
      if (!hadIndex) context.openFiles.create(slice.index.path, context.options.sync);
      void opening(slice.index).file;
      recoverSlice(slice, hadIndex, slice.number === newest, context);
      slice.close();
    };
    for (const name of data) {
      let number = Infinity;
      try {
        number = sliceNumber(name);
        recoverOne(new Slice(number, messages.directory, context));
      } catch (error) {
        const refusal = refused(error);
        if (!replicated || refusal.code !== "corrupt") throw error;
        bad.push({ number, refusal });
      }
    }
    const sound = slices.filter(({ number, records }) => records > 0 && bad.every((each) => each.number !== number));
    const found = ascending(sound.sort((a, b) => a.number - b.number), messages.channel, context);
    if (replicated) return channelDamage(messages, found, bad, context);
    messages.adopt(found, clock.wall());
    return undefined;
  } catch (error) {
    throw refused(error);
  }
}

/** Throws Error for a name without a number. */
function sliceNumber(name: string): number {
  const middle = name.slice("msgs.".length, -".dat".length);
  if (!/^\d{1,15}$/.test(middle)) throw new Error(`message log has an invalid name: ${name}`);
  return Number(middle);
}

/** Slices whose sequences do not follow on those before cannot be told apart from others: they are left out, and named. */
function ascending(slices: Slice[], channel: string, context: FileContext): Slice[] {
  const kept: Slice[] = [];
  for (const slice of slices) {
    const before = kept.at(-1);
    if (before !== undefined && slice.first <= before.last) {
      context.ports.log.error(
        `Channel ${channel}: file "${slice.data.path}" holds messages ${slice.first} to ${slice.last}, which ` +
          `"${before.data.path}" has as well; it is not used`,
      );
    } else kept.push(slice);
  }
  return kept;
}

function recoverSubscriptions(subscriptions: FileSubscriptionsLog, context: FileContext): SubscriptionReplay {
  const replay = new SubscriptionReplay();
  const prefix = `unable to recover subscription store for [${subscriptions.channel}]`;
  openOrCreate(subscriptions.handle, context, (problem) => `${prefix}: ${problem}`);
  try {
    const end = replayRecords(
      subscriptions.handle.file,
      true,
      context,
      (type, bytes, start, end) => replay.apply(type, bytes, start, end),
    );
    subscriptions.adopt(replay, end);
    return replay;
  } catch (error) {
    throw failed(prefix, error);
  }
}

/** The StoreFailed of a failed recovery: `corrupt` for what is stored, `io` for the disk. Its causes name file and offset. */
export function failed(prefix: string | ((problem: string) => string), error: unknown): StoreFailed {
  const problem = error instanceof Error ? error.message : String(error);
  const text = typeof prefix === "string" ? `${prefix}: ${problem}` : prefix(problem);
  return new StoreFailed(error instanceof FileFailed ? "io" : "corrupt", text, { cause: error });
}
