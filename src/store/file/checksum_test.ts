/** Checksums against known values, and the fast ways against the plain one. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { Checksum, IEEE } from "./checksum.ts";
import { entryBytes } from "./message_index.ts";

const digits = new TextEncoder().encode("123456789");

/** Bit by bit, as it is defined. */
function plain(bytes: Uint8Array, polynomial: number): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return ~crc >>> 0;
}

for (
  const [polynomial, expected] of [[IEEE, 0xcbf43926], [0x82f63b78, 0xe3069283], [0xeb31d82e, 0x2d3dd0ae]] as const
) {
  Deno.test(`the checksum of 123456789 by polynomial 0x${polynomial.toString(16)}`, () => {
    assert.equal(new Checksum(polynomial).of(digits, 0, 9), expected);
  });

  Deno.test(`every length and offset by polynomial 0x${polynomial.toString(16)}`, () => {
    const random = new SeededRandom(polynomial);
    const bytes = new Uint8Array(300);
    random.fill(bytes);
    const checksum = new Checksum(polynomial);
    for (let length = 0; length < 200; length++) {
      const start = random.below(100);
      assert.equal(checksum.of(bytes, start, start + length), plain(bytes.subarray(start, start + length), polynomial));
    }
    const words = new Uint32Array(16);
    for (let i = 0; i < 16; i++) words[i] = random.below(2 ** 32);
    assert.equal(checksum.ofEntry(words, 8), plain(entryBytes(words, 8, 1).subarray(0, 28), polynomial));
  });
}
