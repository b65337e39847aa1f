/** The operator's choices for TLS, checked before anything is dialed (spec cli-config-monitoring, section 7). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { NatsFailed, textOf } from "./errors.ts";

/** Choices for TLS towards NATS; file contents in PEM, not names. */
export interface ClientTls {
  /** Authorities to trust instead of the system's. */
  readonly authorities?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** The name to expect in the server's certificate instead of the one dialed. */
  readonly serverName?: string | undefined;
  /** Neither chain nor name of the server's certificate is checked. */
  readonly insecure?: boolean | undefined;
}

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
