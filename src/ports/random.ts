/** Chance, passed in, so that one seed can replay a whole world. */
export interface Random {
  /** A whole number from 0 up to, not including, `bound` (1 to 2^32). */
  below(bound: number): number;
  /** Fills `bytes`; in production from the operating system's secure source. */
  fill(bytes: Uint8Array): void;
}
