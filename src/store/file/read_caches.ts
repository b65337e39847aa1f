/** The read caches of one store: what they may hold together. */

/** What the caches of all channels hold together, in bytes; beyond, the others forget what they have. */
const TOTAL = 128 * 1024 * 1024;

interface Clearable {
  clear(): void;
}

export class ReadCaches {
  readonly all = new Set<Clearable>();
  bytes = 0;

  /** Makes room by emptying every cache but `keep`. */
  squeeze(keep: Clearable): void {
    if (this.bytes <= TOTAL) return;
    for (const cache of this.all) if (cache !== keep) cache.clear();
  }
}
