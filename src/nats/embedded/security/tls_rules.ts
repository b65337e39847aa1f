/** What a TLS session must show beside a valid handshake: a pinned key, a suite that is listed. */
import type { TlsInfo } from "../../../ports/network.ts";
import type { TlsRules } from "../options.ts";

/**
 * What is wrong with a session; `undefined`: nothing. The runtime chooses the suite by itself, so that one which is not
 * listed shows here only. A list concerns TLS 1.2: the suites of TLS 1.3 are no matter of choice, as in the reference.
 */
export function tlsFault(session: TlsInfo | undefined, rules: TlsRules): string | undefined {
  const pins = rules.pinnedKeys ?? [];
  const digest = session?.peer?.keyDigest;
  if (pins.length > 0 && digest === undefined) return "no certificate to compare with the pinned ones";
  if (pins.length > 0 && !pins.includes(digest!)) return `certificate with the key ${digest} is not pinned`;
  const suites = rules.cipherSuites ?? [];
  if (suites.length === 0 || session?.version !== "TLSv1.2") return undefined;
  // Go leaves the hash out of the names of the ChaCha20 suites.
  const suite = session.cipher.replace(/(POLY1305)_SHA256$/, "$1");
  return suites.includes(suite) ? undefined : `cipher suite ${suite} is not listed`;
}
