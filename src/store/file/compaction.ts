/** Rewriting a file of records with what is alive (spec stores, section 3.8). */
import type { Clock } from "../../ports/clock.ts";
import type { Offset } from "../../protocol/units.ts";
import { ClientInfo, SubscriptionState } from "../../protocol/stored_records.ts";
import type { FileContext } from "./context.ts";
import type { FileHandle } from "./open_files.ts";
import { RecordScanner, VERSION_SIZE, versionBytes } from "./record.ts";
import { RecordBuffer } from "./record_buffer.ts";
import { NEW, PENDING, SubscriptionReplay } from "./subscription_records.ts";
import { join } from "./context.ts";

/** Records are read in steps of this many bytes, other work going on in between. */
const STEP = 256 * 1024;
/** Live records are written in steps of this many bytes. */
const CHUNK = 64 * 1024;

/** What compacting needs of the log whose file it rewrites. */
export interface Compactable {
  readonly handle: FileHandle;
  /** Where the written records end. */
  readonly end: Offset;
  /** Writes what is held back; nothing may be under way. */
  drain(): void;
  /** Waits for what is under way. */
  settle(): Promise<void>;
}

/** Rewrites `subs.dat`. Answers what is alive and where the records end now. Throws or rejects what the ports throw; then the file is as it was. */
export async function compactSubscriptions(
  log: Compactable,
  context: FileContext,
): Promise<{ readonly replay: SubscriptionReplay; readonly end: Offset }> {
  const replay = new SubscriptionReplay();
  let at: Offset = VERSION_SIZE;
  while (at < log.end) {
    at = replayUntil(log, context, replay, at, Math.min(log.end, at + STEP));
    await pause(context.ports.clock);
  }
  await log.settle();
  // From here to the rename nothing else can run: what was appended meanwhile is taken along.
  log.drain();
  replayUntil(log, context, replay, at, log.end);
  const end = rewrite(context, log.handle, "subs", true, function* (buffer) {
    for (const { state, pending } of replay.subscriptions.values()) {
      buffer.add(
        NEW,
        SubscriptionState.size(state),
        (into, offset) => SubscriptionState.encodeInto(state, into, offset),
      );
      for (const sequence of pending) {
        buffer.addPair(PENDING, state.id, sequence);
        yield;
      }
      yield;
    }
  });
  return { replay, end };
}

function replayUntil(
  log: Compactable,
  context: FileContext,
  replay: SubscriptionReplay,
  from: Offset,
  until: Offset,
): Offset {
  const scanner = new RecordScanner(log.handle.file, true, context.checksum, from);
  let at = from;
  while (at < until) {
    const found = scanner.next();
    if (found !== "record") throw new Error(`${found} at offset ${scanner.at} of "${log.handle.path}"`);
    replay.apply(scanner.type, scanner.bytes, scanner.start, scanner.start + scanner.size);
    at = scanner.end;
  }
  return at;
}

/** Rewrites `clients.dat`. Answers where the records end now. */
export function compactClients(
  clients: Iterable<ClientInfo>,
  handle: FileHandle,
  add: number,
  context: FileContext,
): Offset {
  return rewrite(context, handle, "clients.dat", false, function* (buffer) {
    for (const client of clients) {
      buffer.add(add, ClientInfo.size(client), (into, at) => ClientInfo.encodeInto(client, into, at));
      yield;
    }
  });
}

/** Writes a new file beside the others in the root and puts it in the place of the old one. `content` adds records and yields between them. */
function rewrite(
  context: FileContext,
  handle: FileHandle,
  prefix: string,
  sync: boolean,
  content: (buffer: RecordBuffer) => Generator<void>,
): Offset {
  const { ports: { files, random }, options, checksum } = context;
  const temporary = join(options.directory, `${prefix}${random.below(0x1_0000_0000)}`);
  const buffer = new RecordBuffer(checksum);
  let end: Offset = VERSION_SIZE;
  try {
    const file = files.open(temporary, { mode: "new" });
    try {
      file.writeAt(versionBytes(), 0);
      const write = () => {
        file.writeAt(buffer.bytes, end);
        end += buffer.length;
        buffer.clear();
      };
      for (const _ of content(buffer)) if (buffer.length >= CHUNK) write();
      write();
      if (sync || options.sync) file.syncNow();
    } finally {
      file.close();
    }
    handle.close();
    files.rename(temporary, handle.path);
  } catch (error) {
    files.remove(temporary);
    throw error;
  }
  handle.unsynced = false;
  context.openFiles.keepEntries(handle.path.slice(0, handle.path.lastIndexOf("/")));
  return end;
}

/** Lets other work go on. */
function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}
