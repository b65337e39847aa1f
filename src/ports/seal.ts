/** Bytes in a form that only the holder of a key can read: what keeps logs of other parts than the store secret. */
export interface Seal {
  seal(bytes: Uint8Array): Uint8Array;
  /** Throws when the bytes were not sealed with this key, or changed since. */
  open(sealed: Uint8Array): Uint8Array;
}
