/**
 * The files that a log is made of, oldest first: the last one is written to, those that a snapshot made needless are
 * removed one by one.
 */
import type { Files, OpenFile } from "../../ports/files.ts";
import { encodeSegmentHeader, SEGMENT_HEADER } from "./wal_format.ts";
import { segmentPath } from "./wal_recovery.ts";

export interface Segment {
  readonly number: number;
  readonly file: OpenFile;
  /** Bytes written, the header's among them. */
  size: number;
}

export class WalSegments {
  readonly #files: Files;
  readonly #directory: string;
  readonly #kept: Segment[] = [];
  /** No longer needed, oldest first; a later start would pass over them. */
  readonly #doomed: Segment[] = [];

  /** Opens those that were found. Throws FileFailed. */
  constructor(
    files: Files,
    directory: string,
    found: readonly { readonly number: number; readonly path: string; readonly size: number }[],
  ) {
    this.#files = files;
    this.#directory = directory;
    for (const { number, path, size } of found) {
      this.#kept.push({ number, file: files.open(path, { mode: "existing" }), size });
    }
  }

  /** Where to write; `undefined` before the first. */
  get active(): Segment | undefined {
    return this.#kept[this.#kept.length - 1];
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return [...this.#doomed, ...this.#kept].reduce((sum, { size }) => sum + size, 0);
  }

  /** The segment of this number, which must be kept. */
  of(number: number): Segment {
    return this.#kept[number - this.#kept[0]!.number]!;
  }

  /** Begins the next segment; its header is durable when it returns. Throws FileFailed; then nothing is left of it. */
  begin(header: { readonly identity: Uint8Array; readonly chain: number }): Segment {
    const number = (this.active?.number ?? 0) + 1;
    const path = segmentPath(this.#directory, number);
    const file = this.#files.open(path, { mode: "empty" });
    try {
      file.writeAt(encodeSegmentHeader({ number, ...header }), 0);
      file.syncNow();
      this.#files.syncDirectory(this.#directory);
    } catch (cause) {
      file.close();
      this.#files.remove(path);
      throw cause;
    }
    const segment = { number, file, size: SEGMENT_HEADER };
    this.#kept.push(segment);
    return segment;
  }

  /** Those before `number` are not needed any more. */
  keepFrom(number: number): void {
    while (this.#kept[0]!.number < number) this.#doomed.push(this.#kept.shift()!);
  }

  /** Removes one that is not needed; answers whether there are more. Removing takes milliseconds. */
  tidy(): boolean {
    const segment = this.#doomed.shift();
    if (segment === undefined) return false;
    segment.file.close();
    this.#files.remove(segment.file.path);
    this.#files.syncDirectory(this.#directory);
    return this.#doomed.length > 0;
  }

  /** Syncs nothing; idempotent. */
  close(): void {
    for (const segment of [...this.#doomed, ...this.#kept]) segment.file.close();
  }
}
