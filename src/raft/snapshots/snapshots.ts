/**
 * Snapshots on the disk: one file each, written whole under another name, synced, verified and renamed; the newest few
 * are kept (spec clustering, section 11.6). The state inside is the replica's, without messages.
 *
 *     0 "STANSNAP"   8 u32 format   12 u32 length of the head   16 u32 CRC-32C of the head   20 head, then the state
 *     head: text cluster id, varint index, varint term, varint index of the membership, membership, text identity,
 *           varint length of the state, u32 CRC-32C of the state, u8 1 when the state is sealed with this node's key
 */
import { FileFailed, type Files } from "../../ports/files.ts";
import type { Seal } from "../../ports/seal.ts";
import { StartFailed } from "../../protocol/errors.ts";
import { Malformed } from "../../protocol/varint.ts";
import { ByteReader, ByteWriter, crc32c, readMark, writeMark } from "../wire/mod.ts";
import type { SnapshotMark } from "../core/mod.ts";
import { removePartials } from "./partial.ts";
import { makeDurableDirectory } from "../durable_directory.ts";

const MAGIC = new TextEncoder().encode("STANSNAP");
const FORMAT = 1;
const HEAD = 20;
const NAME = /^(\d+)-(\d+)\.snapshot$/;

export interface Snapshot {
  readonly mark: SnapshotMark;
  readonly state: Uint8Array;
}

/** The bytes of a snapshot, as stored (when not sealed) and as sent. */
export function encodeSnapshot(clusterId: string, snapshot: Snapshot, sealed = false): Uint8Array {
  const { mark, state } = snapshot;
  const head = new ByteWriter();
  head.text(clusterId);
  writeMark(head, mark);
  head.number(state.length);
  head.u32(crc32c(state));
  head.byte(sealed ? 1 : 0);
  const headBytes = head.take();
  const whole = new ByteWriter();
  whole.bytes(MAGIC);
  whole.u32(FORMAT);
  whole.u32(headBytes.length);
  whole.u32(crc32c(headBytes));
  whole.bytes(headBytes);
  whole.bytes(state);
  return whole.take();
}

/** Reads and verifies a snapshot's bytes; the state is a view of them. Throws Malformed. */
export function decodeSnapshot(bytes: Uint8Array, clusterId: string): Snapshot & { readonly sealed: boolean } {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw new Malformed("not a snapshot", 0);
  const frame = new ByteReader(bytes.subarray(MAGIC.length));
  const format = frame.u32();
  if (format !== FORMAT) throw new Malformed(`snapshot format ${format}, this server reads ${FORMAT}`, 8);
  const length = frame.u32();
  const sum = frame.u32();
  const headBytes = bytes.subarray(HEAD, HEAD + length);
  if (headBytes.length !== length || crc32c(headBytes) !== sum) {
    throw new Malformed("checksum of a snapshot's head", HEAD);
  }
  const head = new ByteReader(headBytes);
  const theirs = head.text();
  if (theirs !== clusterId) throw new Malformed(`snapshot of cluster ${theirs}`, HEAD);
  const mark = readMark(head);
  const size = head.number();
  const stateSum = head.u32();
  const sealed = head.byte() === 1;
  const state = bytes.subarray(HEAD + length, HEAD + length + size);
  if (state.length !== size || crc32c(state) !== stateSum) {
    throw new Malformed("checksum of a snapshot's state", HEAD + length);
  }
  return { mark, state, sealed };
}

export class Snapshots {
  /** Paths of those that could not be read: they stand for nothing, however new they are. */
  readonly #unreadable = new Set<string>();

  constructor(
    readonly files: Files,
    readonly directory: string,
    readonly options: { readonly clusterId: string; readonly keep: number; readonly seal?: Seal | undefined },
  ) {
    makeDurableDirectory(files, directory);
  }

  /** The snapshots that are whole, newest first; `unreadable` gets a line for each that is not. Throws FileFailed, and StartFailed when the key does not fit. */
  sound(unreadable: (line: string) => void): Snapshot[] {
    const sound: Snapshot[] = [];
    const found = this.#list();
    // A run that was killed before it could sync the directory may have left one: the log is cut on the strength of it.
    if (found.length > 0) this.files.syncDirectory(this.directory);
    for (const { index, term } of found) {
      try {
        sound.push(this.read(index, term));
      } catch (error) {
        if (error instanceof StartFailed) throw error;
        this.#unreadable.add(this.path(index, term));
        unreadable(`snapshot ${this.path(index, term)} cannot be read: ${(error as Error).message}`);
      }
    }
    return sound;
  }

  /** Throws FileFailed or Malformed; StartFailed when the key does not fit. */
  read(index: number, term: number): Snapshot {
    const path = this.path(index, term);
    const { mark, state, sealed } = decodeSnapshot(this.#readAll(path), this.options.clusterId);
    if (!sealed) return { mark, state };
    if (this.options.seal === undefined) throw new StartFailed(`snapshot ${path} is encrypted, and no key is given`);
    try {
      return { mark, state: this.options.seal.open(state) };
    } catch (cause) {
      throw new StartFailed(`snapshot ${path} cannot be decrypted: ${(cause as Error).message}`, 1, { cause });
    }
  }

  has(index: number, term: number): boolean {
    return this.files.exists(this.path(index, term));
  }

  /**
   * Writes a snapshot durably, then removes all but the newest few and what `pinned` tells. Nothing waits for the disk
   * meanwhile (S1). Rejects with FileFailed, or Malformed when what was written is not what comes back; nothing has
   * changed then.
   */
  async write(snapshot: Snapshot, pinned: () => { index: number; term: number } | undefined): Promise<void> {
    const { mark } = snapshot;
    const seal = this.options.seal;
    const stored = seal === undefined ? snapshot : { mark, state: seal.seal(snapshot.state) };
    const path = this.path(mark.index, mark.term);
    const fresh = `${path}.new`;
    try {
      await this.#writeAll(fresh, encodeSnapshot(this.options.clusterId, stored, seal !== undefined));
      // The log is cut on the strength of it (S5).
      decodeSnapshot(this.#readAll(fresh), this.options.clusterId);
      this.files.rename(fresh, path);
      this.#unreadable.delete(path);
      this.files.syncDirectory(this.directory);
    } catch (error) {
      this.#discard(fresh);
      throw error;
    }
    this.#removeOld(pinned());
  }

  path(index: number, term: number): string {
    return `${this.directory}/${term}-${index}.snapshot`;
  }

  /** Newest first. */
  #list(): { index: number; term: number }[] {
    return this.files.list(this.directory).flatMap((entry) => {
      const match = NAME.exec(entry.name);
      return match === null ? [] : [{ term: Number(match[1]), index: Number(match[2]) }];
    }).sort((a, b) => b.index - a.index || b.term - a.term);
  }

  #removeOld(pinned: { readonly index: number; readonly term: number } | undefined): void {
    for (const path of this.#unreadable) this.files.remove(path);
    this.#unreadable.clear();
    removePartials(this.files, this.directory, (name) => Number(/-(\d+)\./.exec(name)?.[1]) <= this.#list()[0]!.index);
    for (const { index, term } of this.#list().slice(this.options.keep)) {
      if (pinned?.index === index && pinned.term === term) continue;
      this.files.remove(this.path(index, term));
    }
  }

  #discard(path: string): void {
    try {
      this.files.remove(path);
    } catch {
      // the error that led here says more
    }
  }

  async #writeAll(path: string, bytes: Uint8Array): Promise<void> {
    const file = this.files.open(path, { mode: "empty" });
    try {
      file.writeAt(bytes, 0);
      await file.sync();
    } finally {
      file.close();
    }
  }

  #readAll(path: string): Uint8Array {
    const file = this.files.open(path, { mode: "read" });
    try {
      const bytes = new Uint8Array(file.size());
      const got = file.readAt(bytes, 0);
      if (got !== bytes.length) throw new FileFailed("other", path, `${path} ends early`);
      return bytes;
    } finally {
      file.close();
    }
  }
}
