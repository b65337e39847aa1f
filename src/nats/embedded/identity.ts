/** Names that a server makes for itself: its id, and the challenges that nkey users sign. */
import type { Random } from "../../ports/random.ts";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64_URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** The first byte of a server's id, which makes it begin with `N`. */
const SERVER_PREFIX = 0x68;
const NONCE_LENGTH = 15;

/** A server id in the form of a public nkey: `N` and 55 characters (spec nats-server, section 4.3). */
export function newServerId(random: Random): string {
  const bytes = new Uint8Array(35);
  random.fill(bytes.subarray(1, 33));
  bytes[0] = SERVER_PREFIX;
  const check = crc16(bytes.subarray(0, 33));
  bytes[33] = check & 255;
  bytes[34] = check >>> 8;
  return base32(bytes);
}

/** A challenge for nkey signatures: 11 random bytes, without padding. */
export function newNonce(random: Random): string {
  let nonce = "";
  for (let i = 0; i < NONCE_LENGTH; i++) nonce += BASE64_URL[random.below(64)];
  return nonce;
}

/** CRC-16/XMODEM. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? (crc << 1) & 0xffff : ((crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc;
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return text;
}

/** The bytes of a base-32 text without padding; `undefined` when it is not one. */
export function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let at = 0;
  let bits = 0;
  let value = 0;
  for (const character of text) {
    const digit = BASE32.indexOf(character);
    if (digit < 0) return undefined;
    value = (value << 5) | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (value >>> bits) & 255;
    value &= (1 << bits) - 1;
  }
  return bytes;
}
