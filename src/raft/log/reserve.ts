/**
 * Room on the disk that is given up when everything else is full: votes can still be saved, the log cut, and this node's
 * record written (spec clustering, section 11.7, P6). A file of real bytes, made piece by piece, for it must not delay a start.
 */
import { FileFailed, type Files } from "../../ports/files.ts";

/** How much is kept: 16 MiB. */
export const RESERVE_BYTES = 16 * 1024 * 1024;
const PIECE = 2 * 1024 * 1024;

export class Reserve {
  readonly #files: Files;
  readonly #path: string;
  readonly #size: number;
  #held = 0;
  #isThere: boolean;

  /** `size` 0: there is none. */
  constructor(files: Files, path: string, size: number) {
    this.#files = files;
    this.#path = path;
    this.#size = size;
    this.#isThere = files.exists(path);
    if (this.#isThere) this.#held = size === 0 ? this.#giveUp() : this.#present();
  }

  /** All of it is held. */
  get isWhole(): boolean {
    return this.#held >= this.#size;
  }

  /** Takes some more; where there is no room, none is held. Answers whether all of it is. */
  grow(): boolean {
    if (this.isWhole) return true;
    const piece = new Uint8Array(Math.min(PIECE, this.#size - this.#held)).fill(0xa5);
    try {
      const file = this.#files.open(this.#path, { mode: "create" });
      this.#isThere = true;
      try {
        file.writeAt(piece, this.#held);
        this.#held += piece.length;
      } finally {
        file.close();
      }
    } catch (error) {
      if (!(error instanceof FileFailed)) throw error;
      this.spend();
    }
    return this.isWhole;
  }

  /** Gives its room to others; answers whether it had any. */
  spend(): boolean {
    if (!this.#isThere) return false;
    const had = this.#held > 0;
    this.#held = this.#giveUp();
    return had;
  }

  /** Runs what has to be possible on a full disk: once more with the reserve's room, if it fails without. */
  essential<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof FileFailed) || error.code !== "full" || !this.spend()) throw error;
      return run();
    }
  }

  #present(): number {
    const file = this.#files.open(this.#path, { mode: "read" });
    try {
      return Math.min(file.size(), this.#size);
    } finally {
      file.close();
    }
  }

  #giveUp(): number {
    try {
      this.#files.remove(this.#path);
      this.#isThere = false;
    } catch (error) {
      if (!(error instanceof FileFailed)) throw error;
    }
    return 0;
  }
}
