/** Checks nkey signatures: Ed25519 over the challenge in INFO (spec nats-server, section 4.3). */
import { createPublicKey, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import { crc16, fromBase32 } from "../identity.ts";

/** The first byte of a user's public key, which makes it begin with `U`. */
const USER_PREFIX = 0xa0;
const encoder = new TextEncoder();

/** The 32 bytes of a user's public key; `undefined` when the text is not one. */
export function userKeyBytes(nkey: string): Uint8Array | undefined {
  const bytes = fromBase32(nkey);
  if (bytes === undefined || bytes.length !== 35 || bytes[0] !== USER_PREFIX) return undefined;
  if (crc16(bytes.subarray(0, 33)) !== (bytes[33]! | (bytes[34]! << 8))) return undefined;
  return bytes.subarray(1, 33);
}

/** Whether `signature`, in either form of base64, is the key holder's over `nonce`. */
export function signed(nkey: string, nonce: string, signature: string): boolean {
  const key = userKeyBytes(nkey);
  const bytes = Buffer.from(signature, "base64");
  if (key === undefined || bytes.length !== 64) return false;
  const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(key).toString("base64url") };
  return verify(null, encoder.encode(nonce), createPublicKey({ key: jwk, format: "jwk" }), bytes);
}
