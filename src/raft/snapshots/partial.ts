/**
 * A snapshot that is on its way, kept beside the others as `<term>-<index>.partial`, so that its transfer goes on after a
 * restart. Nothing is synced: what a power loss spoils is found out by its checksum, and asked for again.
 *
 *     0 u32 total size of the snapshot   4 u32 CRC-32C of bytes 0 to 4   then pieces: u32 length, u32 CRC-32C, bytes
 */
import { FileFailed, type Files, type OpenFile } from "../../ports/files.ts";
import { crc32c } from "../wire/mod.ts";
import { makeDurableDirectory } from "../durable_directory.ts";

const HEAD = 8;

export class PartialSnapshot {
  /** Bytes that are here, from the beginning. */
  size = 0;
  /** Of the whole; 0: nobody has told yet. */
  total = 0;
  #pieces: Uint8Array[] = [];
  #at = 0;
  #file: OpenFile | undefined;

  /** Takes up what an earlier process left of this snapshot; what it left of others is removed. */
  constructor(
    readonly files: Files,
    readonly directory: string,
    readonly index: number,
    readonly term: number,
  ) {
    this.#guard(() => {
      makeDurableDirectory(files, directory);
      removePartials(files, directory, (name) => name !== this.#name);
      this.#file = files.open(`${directory}/${this.#name}`, { mode: "create" });
      this.#recover(this.#file);
    });
  }

  get isWhole(): boolean {
    return this.total > 0 && this.size >= this.total;
  }

  /** Adds the next piece. A total that is not the one of the pieces before means another image: begins anew then, without it. */
  add(total: number, piece: Uint8Array): void {
    if (this.total !== 0 && this.total !== total) return this.restart();
    const isFirst = this.total === 0;
    this.total = total;
    this.#pieces.push(piece);
    this.size += piece.length;
    this.#guard(() => {
      if (isFirst) this.#write(head(total));
      this.#write(pieceHead(piece));
      this.#write(piece);
    });
  }

  /** Everything so far was of no use. */
  restart(): void {
    this.size = this.total = this.#at = 0;
    this.#pieces = [];
    this.#guard(() => this.#file?.truncate(0));
  }

  /** All bytes that are here. */
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [whole];
    return whole;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  get #name(): string {
    return `${this.term}-${this.index}.partial`;
  }

  #recover(file: OpenFile): void {
    const bytes = new Uint8Array(file.size());
    const length = file.readAt(bytes, 0);
    const view = new DataView(bytes.buffer, 0, length);
    if (length < HEAD || view.getUint32(4, true) !== crc32c(bytes, 0, 4)) return file.truncate(0);
    this.total = view.getUint32(0, true);
    this.#at = HEAD;
    while (this.#at + 8 <= length) {
      const start = this.#at + 8;
      const end = start + view.getUint32(this.#at, true);
      if (end > length || end === start || view.getUint32(this.#at + 4, true) !== crc32c(bytes, start, end)) break;
      this.#pieces.push(bytes.subarray(start, end));
      this.size += end - start;
      this.#at = end;
    }
    file.truncate(this.#at);
  }

  #write(bytes: Uint8Array): void {
    this.#file?.writeAt(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Without room on the disk the transfer goes on; only a restart begins anew. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof FileFailed)) throw error;
      this.close();
      try {
        this.files.remove(`${this.directory}/${this.#name}`);
      } catch {
        // A file that cannot be removed either is found out when it is read.
      }
    }
  }
}

/** Removes what was left of transfers. Throws FileFailed. */
export function removePartials(files: Files, directory: string, which: (name: string) => boolean = () => true): void {
  for (const { name } of files.list(directory)) {
    if (name.endsWith(".partial") && which(name)) files.remove(`${directory}/${name}`);
  }
}

function head(total: number): Uint8Array {
  const bytes = new Uint8Array(HEAD);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, total, true);
  view.setUint32(4, crc32c(bytes, 0, 4), true);
  return bytes;
}

function pieceHead(piece: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, piece.length, true);
  view.setUint32(4, crc32c(piece), true);
  return bytes;
}
