/** The registered clients in `clients.dat`: additions and removals, appended at once (spec stores, section 3.4). */
import { StoreFailed } from "../../ports/store.ts";
import type { Millis, Offset } from "../../protocol/units.ts";
import { ClientDelete, ClientInfo } from "../../protocol/stored_records.ts";
import { compactClients } from "./compaction.ts";
import { type FileContext, join } from "./context.ts";
import type { FileHandle } from "./open_files.ts";
import { encodeRecord, MAX_TYPED_PAYLOAD, VERSION_SIZE } from "./record.ts";

/** The types of records. */
const ADD = 1, REMOVE = 2;

/** Applies records one after the other. */
export class ClientReplay {
  readonly clients = new Map<string, ClientInfo>();
  /** Records of removals. */
  removals = 0;

  /** Throws Malformed, or an Error with the reference's text for an unknown type. */
  apply(type: number, bytes: Uint8Array, start: Offset, end: Offset): void {
    if (type === ADD) {
      const client = ClientInfo.decode(bytes, start, end);
      this.clients.set(client.id, client);
    } else if (type === REMOVE) {
      this.clients.delete(ClientDelete.decode(bytes, start, end).id);
      this.removals++;
    } else throw new Error(`invalid client record type: ${type}`);
  }
}

export class ClientsLog {
  readonly handle: FileHandle;
  readonly #context: FileContext;
  #clients = new Map<string, ClientInfo>();
  #removals = 0;
  #end: Offset = VERSION_SIZE;
  #compactWanted = false;
  #compactedAt: Millis | undefined;

  constructor(context: FileContext) {
    this.#context = context;
    this.handle = context.openFiles.handle(join(context.options.directory, "clients.dat"));
  }

  /** Takes over what recovery found; `end` is where the whole records end. */
  adopt(replay: ClientReplay, end: Offset): void {
    this.#clients = replay.clients;
    this.#removals = replay.removals;
    this.#end = end;
    this.handle.unsynced = this.#context.unclean;
  }

  add(client: ClientInfo): void {
    this.#append(ADD, ClientInfo.encode(client), client.id);
    this.#clients.set(client.id, client);
  }

  remove(id: string): void {
    this.#append(REMOVE, ClientDelete.encode({ id }), id);
    this.#clients.delete(id);
    this.#removals++;
    this.#compactWanted = true;
  }

  #append(type: number, payload: Uint8Array, id: string): void {
    const { syncing, checksum } = this.#context;
    syncing.check();
    if (payload.length > MAX_TYPED_PAYLOAD) {
      throw new StoreFailed("refused", `client ${id.slice(0, 64)} takes ${payload.length} bytes`);
    }
    try {
      const record = encodeRecord(type, payload, checksum);
      this.handle.unsynced = true;
      this.handle.file.writeAt(record, this.#end);
      this.#end += record.length;
    } catch (error) {
      throw this.#failed(syncing.writeFailed(error));
    }
  }

  /** After a failed write: what is left of the record is cut off. */
  #failed(error: unknown): unknown {
    if (!(error instanceof StoreFailed) || error.code !== "full") return error;
    try {
      this.handle.file.truncate(this.#end);
    } catch (cause) {
      return this.#context.syncing.syncFailed(cause);
    }
    return error;
  }

  /** Rewrites the file if it is due (spec stores, section 3.8). Called about once a second. */
  compactIfDue(now: Millis): void {
    const { compactEnabled, compactMinFileSize, compactFragmentation, compactInterval } = this.#context.options;
    if (!compactEnabled || !this.#compactWanted) return;
    if (this.#compactedAt !== undefined && now - this.#compactedAt < compactInterval * 1000) return;
    const fragmentation = Math.floor(this.#removals * 100 / (this.#removals + this.#clients.size));
    if (this.#end - VERSION_SIZE < compactMinFileSize || fragmentation < compactFragmentation) return;
    this.#compactWanted = false;
    this.#compactedAt = now;
    this.compact();
  }

  /** Rewrites the file with the clients there are. On failure the old one stays, which is logged. */
  compact(): void {
    try {
      this.#end = compactClients(this.#clients.values(), this.handle, ADD, this.#context);
      this.#removals = 0;
    } catch (error) {
      this.#context.ports.log.error(
        `Unable to compact ${this.handle.path}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  /** The steps of syncing what was written without. */
  *syncSteps() {
    if (this.handle.unsynced) yield this.handle;
  }
}
