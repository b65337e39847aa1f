/**
 * Which channels the log makes and deletes. A node that was started again may hold in its store what entries brought that
 * it has yet to apply again; and a state may name a channel that a later entry deletes.
 */
import { decodeOperations } from "../../protocol/operation_codec.ts";
import type { Wal } from "../log/mod.ts";

/** The kind of entries with operations as the log's format numbers it. */
const OPERATIONS = 0;
/** Deletions stand alone in their entries: larger ones need not be read. A name has 255 bytes at most. */
const DELETION_BYTES = 1024;

/**
 * What a log tells of an incarnation that a state does not know yet.
 * - `none`: the log does not make it, so that its messages cannot have been stored here.
 * - `only`: the log makes it and no channel of its name is deleted: what is stored under the name is of this one.
 * - `unclear`: what is stored under the name may be of this one, or of another one.
 */
export type LogView = "none" | "only" | "unclear";

export class ChannelLives {
  readonly #wal: () => Wal;
  /** By name: the incarnations that entries delete, and where. */
  #deletions = new Map<string, Map<number, number>>();
  /** Entries up to this one were read, while it has this term, and the log begins there. */
  #to = 0;
  #term: number | undefined;
  #base = 0;

  constructor(wal: () => Wal) {
    this.#wal = wal;
  }

  /**
   * The entry that asks to delete the channel; `undefined`: none in the log does. It may not be committed, or find the channel
   * in use. Throws FileFailed.
   */
  deletion(channel: string, incarnation: number): number | undefined {
    this.#read();
    return this.#deletions.get(channel)?.get(incarnation);
  }

  /** Of an incarnation that the state as of the log's entries up to `after` does not know. Throws FileFailed. */
  view(channel: string, incarnation: number, after: number): LogView {
    const wal = this.#wal();
    if (incarnation > wal.lastIndex) return "none";
    if (incarnation <= wal.baseIndex) return "unclear";
    if (!this.#makes(channel, incarnation)) return "none";
    this.#read();
    const deletions = this.#deletions.get(channel)?.values() ?? [];
    return [...deletions].some((index) => index > after) ? "unclear" : "only";
  }

  #makes(channel: string, index: number): boolean {
    const wal = this.#wal();
    if (wal.kind(index) !== OPERATIONS) return false;
    const [entry] = wal.read(index, index + 1, 0);
    return decodeOperations(entry!.payload).some((each) => each.kind === "create channel" && each.channel === channel);
  }

  /** Reads what was appended since the last time; everything, when the log does not go on from there. */
  #read(): void {
    const wal = this.#wal();
    if (this.#to < wal.baseIndex || this.#to > wal.lastIndex || wal.term(this.#to) !== this.#term) {
      this.#deletions = new Map();
      this.#to = wal.baseIndex;
    }
    if (this.#base !== wal.baseIndex) this.#forget(wal.baseIndex);
    for (let index = this.#to + 1; index <= wal.lastIndex; index++) this.#note(wal, index);
    this.#to = wal.lastIndex;
    this.#term = wal.term(this.#to);
  }

  /** What the log does not hold any more. */
  #forget(base: number): void {
    this.#base = base;
    for (const [channel, deletions] of this.#deletions) {
      for (const [incarnation, index] of deletions) if (index <= base) deletions.delete(incarnation);
      if (deletions.size === 0) this.#deletions.delete(channel);
    }
  }

  #note(wal: Wal, index: number): void {
    if (wal.kind(index) !== OPERATIONS || wal.bytesBetween(index, index) > DELETION_BYTES) return;
    const [entry] = wal.read(index, index + 1, 0);
    for (const operation of decodeOperations(entry!.payload)) {
      if (operation.kind !== "delete channel") continue;
      const { channel, incarnation } = operation;
      const known = this.#deletions.get(channel) ?? new Map<number, number>();
      known.set(incarnation, index);
      this.#deletions.set(channel, known);
    }
  }
}
