/**
 * The checksum of an entry's payload, which log and wire share: CRC-32 of zlib, which sums forty times faster than a
 * CRC-32C written in this language. Payloads are most of what a cluster writes and sends.
 */
import { crc32 } from "node:zlib";

const checksums = new WeakMap<Uint8Array, number>();

/** The CRC-32 of `payload`, as an unsigned number. */
export function payloadChecksum(payload: Uint8Array): number {
  return crc32(payload) >>> 0;
}

/** As {@link payloadChecksum}, computed once in the life of `payload`: the bytes must not change. */
export function checksumOf(payload: Uint8Array): number {
  let sum = checksums.get(payload);
  if (sum === undefined) checksums.set(payload, sum = payloadChecksum(payload));
  return sum;
}

/** `sum` was found to be the checksum of `payload`. */
export function rememberChecksum(payload: Uint8Array, sum: number): void {
  checksums.set(payload, sum);
}
