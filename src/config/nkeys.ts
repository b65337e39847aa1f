/** Checks the text form of public nkeys (spec nats-server, section 4.3). */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** One prefix byte, 32 of the key, two of the checksum. */
const KEY_BYTES = 35;
const PREFIXES = { user: 20 << 3, account: 0 };

/** Whether `text` is a public key of that kind: base32, prefix byte and checksum right. */
export function isPublicKey(text: string, kind: "user" | "account"): boolean {
  const bytes = decodeBase32(text);
  if (bytes === undefined || bytes.length !== KEY_BYTES || bytes[0] !== PREFIXES[kind]) return false;
  const body = bytes.subarray(0, KEY_BYTES - 2);
  const checksum = (bytes[KEY_BYTES - 2] ?? 0) | ((bytes[KEY_BYTES - 1] ?? 0) << 8);
  return crc16(body) === checksum;
}

function decodeBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit === -1) return undefined;
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
  }
  return Uint8Array.from(bytes);
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? (crc << 1) & 0xffff : ((crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc;
}
