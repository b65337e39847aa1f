/** Reads what a TLS server has chosen out of its ServerHello, which is never encrypted (RFC 5246, RFC 8446 section 4.1.3). */

/** Protocol version and cipher suite, both in the names that are shown: `TLSv1.3`, `TLS_AES_128_GCM_SHA256`. */
export interface Choice {
  readonly version: string;
  readonly cipher: string;
}

/** The suites of the runtime. */
const suites: Readonly<Record<number, string>> = {
  0x1301: "TLS_AES_128_GCM_SHA256",
  0x1302: "TLS_AES_256_GCM_SHA384",
  0x1303: "TLS_CHACHA20_POLY1305_SHA256",
  0xc02b: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  0xc02c: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  0xc02f: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  0xc030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  0xcca8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
  0xcca9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
};

const versions: Readonly<Record<number, string>> = { 0x0303: "TLSv1.2", 0x0304: "TLSv1.3" };

const HANDSHAKE = 22;
const SERVER_HELLO = 2;
/** The extension that names the version since TLS 1.3. */
const SUPPORTED_VERSIONS = 43;
/** Where the length of the session id is: after the headers of record and message, version and random bytes. */
const SESSION_ID = 5 + 4 + 2 + 32;

/**
 * What the first record from the server tells; empty names for what is unknown or not a ServerHello. `bytes` begins with
 * that record. `undefined`: it is not complete yet.
 */
export function serverChoice(bytes: Uint8Array): Choice | undefined {
  const nothing = { version: "", cipher: "" };
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return nothing;
  if (bytes.length < 5 || bytes.length < 5 + number16(bytes, 3)) return undefined;
  if (bytes[5] !== SERVER_HELLO) return nothing;
  const suite = SESSION_ID + 1 + (bytes[SESSION_ID] ?? 0);
  let version = number16(bytes, 9);
  // After the suite: a byte for compression, the length of all extensions, the extensions.
  const end = Math.min(bytes.length, suite + 5 + number16(bytes, suite + 3));
  for (let at = suite + 5; at + 6 <= end; at += 4 + number16(bytes, at + 2)) {
    if (number16(bytes, at) === SUPPORTED_VERSIONS) version = number16(bytes, at + 4);
  }
  return { version: versions[version] ?? "", cipher: suites[number16(bytes, suite)] ?? "" };
}

/** Big-endian; bytes that are not there count as 0. */
function number16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
}
