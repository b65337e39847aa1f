/** Seals the log of a cluster with the key of the store: one more name beside those of the channels, which are never empty. */
import type { Seal } from "../ports/seal.ts";
import { cipherOf, type EncryptionOptions, requireKey } from "./encrypted_store.ts";
import { masterKey, SEALED_OVERHEAD, Sealer } from "./sealing.ts";

/** A seal from the key, which is left as it is. Throws StoreFailed `refused` for a missing key or an unknown cipher. */
export function logSeal(options: EncryptionOptions): Seal {
  requireKey(options);
  const salt = new Uint8Array(4);
  options.random.fill(salt);
  const next = options.random.below(2 ** 32) * 2 ** 20;
  const sealer = new Sealer(masterKey(options.key), "", cipherOf(options), salt, next);
  return {
    seal(bytes) {
      const sealed = new Uint8Array(bytes.length + SEALED_OVERHEAD);
      sealer.seal(bytes, 0, bytes.length, sealed, 0);
      return sealed;
    },
    open: (sealed) => sealer.open(sealed, 0, sealed.length),
  };
}
