/** Output buffers that connections share: a connection holds some only while it has output. */

/** What a connection with little to say gets. */
export const SMALL_SLAB = 4 * 1024;
/** What one write takes at best (performance: larger ones gain nothing). */
export const LARGE_SLAB = 64 * 1024;

const KEEP_SMALL = 512;
const KEEP_LARGE = 64;

export class Slabs {
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];

  /** A buffer of at least `size` bytes with any content. */
  take(size: number): Uint8Array {
    if (size <= SMALL_SLAB) return this.#small.pop() ?? new Uint8Array(SMALL_SLAB);
    if (size <= LARGE_SLAB) return this.#large.pop() ?? new Uint8Array(LARGE_SLAB);
    return new Uint8Array(size);
  }

  /** Takes a buffer back; its holder must not touch it any more. */
  give(slab: Uint8Array): void {
    if (slab.length === SMALL_SLAB && this.#small.length < KEEP_SMALL) this.#small.push(slab);
    else if (slab.length === LARGE_SLAB && this.#large.length < KEEP_LARGE) this.#large.push(slab);
  }
}
