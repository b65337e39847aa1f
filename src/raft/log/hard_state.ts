/**
 * A node's term and vote, as one atomic record (spec clustering, section 11.7, P1). The file holds the record twice, and
 * the second copy is written only once the first is on the disk: a torn write or one damaged copy loses nothing. It never
 * grows, so that a full disk cannot keep a vote from being saved.
 *
 *     copy (256 bytes, at 0 and at 4096): 0 u32 CRC-32C of the rest   4 u32 format   8 u64 counter   16 u64 term
 *     24 u16 length of the vote's text   26 the vote: a member's id in UTF-8, empty when there is none
 */
import { FileFailed, type Files, type OpenFile } from "../../ports/files.ts";
import { crc32c } from "../wire/mod.ts";

export interface SavedVote {
  readonly term: number;
  /** For whom this node voted in `term`; empty: for nobody. */
  readonly vote: string;
}

const COPY = 256;
const SECOND = 4096;
const FORMAT = 1;

export class HardStateFile {
  readonly #file: OpenFile;
  #counter = 0;
  #state: SavedVote = { term: 0, vote: "" };

  /** Opens the file, made when missing. Throws FileFailed, also when both copies are damaged. */
  constructor(files: Files, path: string) {
    if (!files.exists(path)) create(files, path);
    this.#file = files.open(path, { mode: "existing" });
    try {
      this.#recover(path);
    } catch (cause) {
      this.#file.close();
      throw cause;
    }
  }

  get state(): SavedVote {
    return this.#state;
  }

  /** Saves durably. Throws FileFailed; the state on the disk is then the old or the new one. */
  save(state: SavedVote): void {
    if (state.term === this.#state.term && state.vote === this.#state.vote) return;
    this.#counter++;
    const bytes = encode(this.#counter, state);
    this.#file.writeAt(bytes, 0);
    this.#file.syncNow();
    this.#file.writeAt(bytes, SECOND);
    this.#file.syncNow();
    this.#state = state;
  }

  close(): void {
    this.#file.close();
  }

  #recover(path: string): void {
    const first = decode(this.#read(0));
    const second = decode(this.#read(SECOND));
    const newest = first === undefined || (second !== undefined && second.counter > first.counter) ? second : first;
    if (newest === undefined) {
      throw new FileFailed("other", path, `term and vote cannot be read: both copies in ${path} are damaged`);
    }
    this.#counter = newest.counter;
    this.#state = { term: newest.term, vote: newest.vote };
    if (first?.counter !== second?.counter) this.#rewrite();
  }

  #rewrite(): void {
    const bytes = encode(this.#counter, this.#state);
    const damagedFirst = decode(this.#read(0))?.counter !== this.#counter;
    for (const at of damagedFirst ? [0, SECOND] : [SECOND, 0]) {
      this.#file.writeAt(bytes, at);
      this.#file.syncNow();
    }
  }

  #read(at: number): Uint8Array {
    const bytes = new Uint8Array(COPY);
    return bytes.subarray(0, this.#file.readAt(bytes, at));
  }
}

/** Under another name first: a half-made file is never taken for one that lost a vote. */
function create(files: Files, path: string): void {
  const bytes = encode(0, { term: 0, vote: "" });
  const file = files.open(`${path}.new`, { mode: "empty" });
  try {
    file.writeAt(bytes, 0);
    file.writeAt(bytes, SECOND);
    file.syncNow();
  } finally {
    file.close();
  }
  files.rename(`${path}.new`, path);
  files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

function encode(counter: number, state: SavedVote): Uint8Array {
  const bytes = new Uint8Array(COPY);
  const view = new DataView(bytes.buffer);
  const vote = new TextEncoder().encode(state.vote);
  if (vote.length > COPY - 26) throw new RangeError(`member id of ${vote.length} bytes is too long`);
  view.setUint32(4, FORMAT, true);
  view.setBigUint64(8, BigInt(counter), true);
  view.setBigUint64(16, BigInt(state.term), true);
  view.setUint16(24, vote.length, true);
  bytes.set(vote, 26);
  view.setUint32(0, crc32c(bytes, 4), true);
  return bytes;
}

function decode(bytes: Uint8Array): { counter: number; term: number; vote: string } | undefined {
  if (bytes.length < COPY) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0, true) !== crc32c(bytes, 4) || view.getUint32(4, true) !== FORMAT) return undefined;
  const length = Math.min(view.getUint16(24, true), COPY - 26);
  return {
    counter: Number(view.getBigUint64(8, true)),
    term: Number(view.getBigUint64(16, true)),
    vote: new TextDecoder().decode(bytes.subarray(26, 26 + length)),
  };
}
