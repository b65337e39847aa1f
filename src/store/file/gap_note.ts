/**
 * Notes beside a channel's messages which of them are lost for good: no node has them any more, while those before and
 * behind are there. Without it, a gap between two slices looks like files that are lost here and that other nodes have.
 * One gap is noted at a time: what is before it goes when there is another. Only where nodes of a cluster hold the same.
 *
 *     .gap: 0 u32 version   4 u64 first lost sequence   12 u64 last lost sequence   20 u32 CRC of the 16 bytes before
 */
import { StoreFailed } from "../../ports/store.ts";
import type { Sequence } from "../../protocol/units.ts";
import { type FileContext, join } from "./context.ts";
import { VERSION_SIZE } from "./record.ts";

const NAME = ".gap";
const SIZE = 20;

/** Lost sequences. */
export interface Gap {
  readonly from: Sequence;
  readonly to: Sequence;
}

export class GapNote {
  readonly #path: string;
  readonly #directory: string;
  readonly #context: FileContext;
  #gap: Gap | undefined;

  constructor(directory: string, context: FileContext) {
    this.#path = join(directory, NAME);
    this.#directory = directory;
    this.#context = context;
  }

  /** What is noted, once it was read or written. */
  get gap(): Gap | undefined {
    return this.#gap;
  }

  /** Reads the note; one that makes no sense is none. Throws FileFailed. */
  read(): Gap | undefined {
    const { options: { replicated }, ports: { files }, checksum, openFiles } = this.#context;
    if (!replicated || !files.exists(this.#path)) return undefined;
    const bytes = new Uint8Array(SIZE);
    const handle = openFiles.handle(this.#path);
    try {
      if (handle.file.readAt(bytes, VERSION_SIZE) < SIZE) return undefined;
    } catch (error) {
      if (error instanceof StoreFailed) return undefined;
      throw error;
    } finally {
      handle.close();
    }
    const view = new DataView(bytes.buffer);
    if (view.getUint32(16, true) !== checksum.of(bytes, 0, 16)) return undefined;
    return this.#gap = { from: Number(view.getBigUint64(0, true)), to: Number(view.getBigUint64(8, true)) };
  }

  /** How far the numbering has come where `last` is the last message: to the end of a gap that follows on it. */
  endAfter(last: Sequence): Sequence {
    const gap = this.read();
    return gap !== undefined && gap.from <= last + 1 ? Math.max(last, gap.to) : last;
  }

  /** Notes a gap in place of the one that was noted; it is on the disk when this returns. Throws FileFailed. */
  write(gap: Gap): void {
    const { options: { replicated }, ports: { files }, checksum, openFiles } = this.#context;
    this.#gap = gap;
    if (!replicated) return;
    const bytes = new Uint8Array(SIZE);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(gap.from), true);
    view.setBigUint64(8, BigInt(gap.to), true);
    view.setUint32(16, checksum.of(bytes, 0, 16), true);
    openFiles.create(this.#path, true, bytes);
    files.syncDirectory(this.#directory);
  }

  /** There are no messages above `last` any more. Throws FileFailed. */
  cut(last: Sequence): void {
    if (this.#gap === undefined || this.#gap.to <= last) return;
    if (this.#gap.from <= last) return this.write({ from: this.#gap.from, to: last });
    this.#gap = undefined;
    if (this.#context.options.replicated) this.#context.ports.files.remove(this.#path);
  }
}
