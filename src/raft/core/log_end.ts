/** How a log ends, by which it is told whose log holds more (spec clustering, E3). */
export interface LogEnd {
  /** Of its last entry. */
  readonly index: number;
  readonly term: number;
}

/** Whether a log that ends like `one` holds all that may be committed in one that ends like `other`. */
export function isUpToDate(one: LogEnd, other: LogEnd): boolean {
  return one.term > other.term || (one.term === other.term && one.index >= other.index);
}
