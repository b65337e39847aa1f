/** Sealing the payloads of one channel: the bytes of spec stores, section 6. */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import type { Offset, Sequence } from "../protocol/units.ts";

/** The ciphers, by the code that stands before what they sealed. */
export const AES = 1, CHACHA = 2;
export type Cipher = typeof AES | typeof CHACHA;

const NONCE = 12;
const TAG = 16;
/** Bytes that sealing adds: code, nonce, tag. */
export const SEALED_OVERHEAD = 1 + NONCE + TAG;

/** Sealed data cannot be opened; the message is the reference's. */
export class SealBroken extends Error {
  override readonly name = "SealBroken";
}

/** The key that all channels' keys are made of. */
export function masterKey(key: Uint8Array): Buffer {
  return createHash("sha256").update(key).digest();
}

/** A channel's key. The zero bytes before the master key are part of the format. */
function channelKey(master: Buffer, channel: string): Buffer {
  const name = Buffer.from(channel, "utf8");
  return createHash("sha256").update(Buffer.concat([Buffer.alloc(33 + name.length), master, Buffer.from("."), name]))
    .digest();
}

export class Sealer {
  readonly #key: Buffer;
  readonly #cipher: Cipher;
  readonly #nonce = Buffer.alloc(NONCE);

  /** @param salt four bytes of chance  @param next the sequence that the channel stores next */
  constructor(master: Buffer, channel: string, cipher: Cipher, salt: Uint8Array, next: Sequence) {
    this.#key = channelKey(master, channel);
    this.#cipher = cipher;
    this.#nonce.set(salt.subarray(0, 4));
    this.#nonce.writeBigUInt64BE(BigInt(next), 4);
  }

  /** Seals `from[start, end)` into `into` at `at`, which has room for {@link SEALED_OVERHEAD} bytes more. Returns the offset behind. */
  seal(from: Uint8Array, start: Offset, end: Offset, into: Uint8Array, at: Offset): Offset {
    into[at++] = this.#cipher;
    into.set(this.#nonce, at);
    at += NONCE;
    const data = from.subarray(start, end);
    const cipher = this.#cipher === AES
      ? createCipheriv("aes-256-gcm", this.#key, this.#nonce)
      : createCipheriv("chacha20-poly1305", this.#key, this.#nonce, { authTagLength: TAG });
    const sealed = cipher.update(data);
    into.set(sealed, at);
    at += sealed.length;
    const rest = cipher.final();
    into.set(rest, at);
    at += rest.length;
    into.set(cipher.getAuthTag(), at);
    this.#advance();
    return at + TAG;
  }

  /** Opens what {@link seal} made, with either cipher. Throws SealBroken. */
  open(from: Uint8Array, start: Offset, end: Offset): Uint8Array {
    const length = end - start;
    if (length <= 1 + NONCE) throw new SealBroken(`trying to decrypt data that is not (len=${length})`);
    const aes = from[start] === AES;
    const failed = `${aes ? "cipher" : "chacha20poly1305"}: message authentication failed`;
    if (length < SEALED_OVERHEAD) throw new SealBroken(failed);
    const nonce = from.subarray(start + 1, start + 1 + NONCE);
    const opener = aes
      ? createDecipheriv("aes-256-gcm", this.#key, nonce)
      : createDecipheriv("chacha20-poly1305", this.#key, nonce, { authTagLength: TAG });
    opener.setAuthTag(from.subarray(end - TAG, end));
    try {
      const opened = opener.update(from.subarray(start + 1 + NONCE, end - TAG));
      const rest = opener.final();
      return rest.length === 0 ? opened : Buffer.concat([opened, rest]);
    } catch (cause) {
      throw new SealBroken(failed, { cause });
    }
  }

  /** The nonce as a whole is a big-endian number. */
  #advance(): void {
    for (let i = NONCE - 1; i >= 0; i--) {
      this.#nonce[i] = (this.#nonce[i]! + 1) & 0xff;
      if (this.#nonce[i] !== 0) return;
    }
  }
}

/** Whether stored data was sealed, by its first byte. */
export function isSealed(bytes: Uint8Array, start: Offset, end: Offset): boolean {
  return end > start && (bytes[start] === AES || bytes[start] === CHACHA);
}
