/**
 * Notes beside a channel's messages where they begin, because the files do not tell: evicted messages stay in the first
 * slice, and a slice that was removed looks like one that is lost. Only where nodes of a cluster hold the same.
 *
 *     .first: 0 u32 version   4 u64 the first sequence that is not evicted   12 u32 CRC of the eight bytes before
 */
import { FileFailed } from "../../ports/files.ts";
import { StoreFailed } from "../../ports/store.ts";
import type { Sequence } from "../../protocol/units.ts";
import { type FileContext, join } from "./context.ts";
import type { FileHandle } from "./open_files.ts";
import { VERSION_SIZE } from "./record.ts";

const NAME = ".first";
const SIZE = 12;

export class FirstNote {
  readonly #handle: FileHandle;
  readonly #context: FileContext;
  /** What the note says; `undefined` when there is none. */
  #noted: Sequence | undefined;

  constructor(directory: string, context: FileContext) {
    this.#handle = context.openFiles.handle(join(directory, NAME));
    this.#context = context;
  }

  /** What was noted last; `undefined` when that is not known. Throws FileFailed when it cannot be read. */
  read(): Sequence | undefined {
    const { options: { replicated }, ports: { files }, checksum } = this.#context;
    if (!replicated || !files.exists(this.#handle.path)) return undefined;
    const bytes = new Uint8Array(SIZE);
    try {
      if (this.#handle.file.readAt(bytes, VERSION_SIZE) < SIZE) return undefined;
    } catch (error) {
      if (error instanceof StoreFailed) return undefined;
      throw error;
    } finally {
      this.#handle.close();
    }
    const view = new DataView(bytes.buffer);
    const isSound = view.getUint32(8, true) === checksum.of(bytes, 0, 8);
    return this.#noted = isSound ? Number(view.getBigUint64(0, true)) : undefined;
  }

  /** Messages begin at `first` from now on, 0: there were none yet. A note that cannot be written is behind: then a start keeps a little more. */
  moved(first: Sequence): void {
    if (!this.#context.options.replicated || first === 0 || first === this.#noted) return;
    try {
      this.#write(first, false);
    } catch (error) {
      if (!isOfFiles(error)) throw error;
    }
  }

  /** What is before `first` is about to be removed: that is known on the disk when this returns. Throws FileFailed. */
  settle(first: Sequence): void {
    const { options: { replicated, sync } } = this.#context;
    if (!replicated || this.#noted === undefined) return;
    try {
      this.#write(Math.max(first, this.#noted), sync);
    } catch (error) {
      if (!isOfFiles(error)) throw error;
      // Without a note nothing is taken for lost.
      this.forget();
    }
  }

  /** Where messages begin is not known any more. Throws FileFailed. */
  forget(): void {
    if (!this.#context.options.replicated) return;
    this.close();
    this.#noted = undefined;
    this.#context.ports.files.remove(this.#handle.path);
  }

  close(): void {
    this.#handle.close();
  }

  #write(first: Sequence, durably: boolean): void {
    const bytes = new Uint8Array(SIZE);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(first), true);
    view.setUint32(8, this.#context.checksum.of(bytes, 0, 8), true);
    if (this.#noted === undefined) this.#context.openFiles.create(this.#handle.path, durably, bytes);
    else {
      this.#handle.file.writeAt(bytes, VERSION_SIZE);
      if (durably) this.#handle.syncNow();
    }
    this.#noted = first;
  }
}

/** The file is not what it was, or its disk does not do what it should. */
function isOfFiles(error: unknown): boolean {
  return error instanceof FileFailed || error instanceof StoreFailed;
}
