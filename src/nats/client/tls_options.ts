/** Checks the operator's choices for TLS before anything is dialed (spec cli-config-monitoring, section 7). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { NatsFailed, textOf } from "./errors.ts";
import type { ClientTls } from "./options.ts";

/** Returns `tls` when its PEM texts hold what they should; throws NatsFailed `BAD_CREDENTIALS` otherwise. */
export function checkedTls(tls: ClientTls): ClientTls {
  if (tls.authorities !== undefined) {
    check("nats: failed to parse root certificate", () => certificateIn(tls.authorities!));
  }
  if (tls.certificate !== undefined || tls.key !== undefined) {
    check("nats: error loading client certificate", () => checkPair(tls.certificate ?? "", tls.key ?? ""));
  }
  return tls;
}

function checkPair(certificate: string, key: string): void {
  const parsed = certificateIn(certificate);
  if (!key.includes("-----BEGIN")) throw new Error("tls: failed to find any PEM data in key input");
  if (!parsed.checkPrivateKey(createPrivateKey(key))) throw new Error("tls: private key does not match public key");
}

function certificateIn(pem: string): X509Certificate {
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Error("tls: failed to find any PEM data in certificate input");
  }
  return new X509Certificate(pem);
}

function check(what: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    throw new NatsFailed("BAD_CREDENTIALS", `${what}: ${textOf(cause)}`, { cause });
  }
}
