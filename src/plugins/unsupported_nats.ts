/** Settings of the NATS part that this server reads but cannot obey: said at the start, by name, instead of being ignored. */
import type { NatsOptions, NatsTlsOptions } from "../config/mod.ts";

/** Suites of TLS 1.2 that the runtime has. */
const SUITES = /^TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305)$/;

/** Why the server does not start: messages would not get where the configuration says; `undefined` when they do. */
export function unsupportedNats({ mappings, accounts }: NatsOptions): string | undefined {
  if (mappings.length > 0) return '"mappings" is not supported by this server';
  for (const account of accounts) {
    if (account.mappings.length > 0) return `"mappings" of account "${account.name}" is not supported by this server`;
    if (account.imports.length > 0) return `"imports" of account "${account.name}" is not supported by this server`;
  }
  return undefined;
}

/** What has no effect, or another one than it seems to have. */
export function ineffectiveNats({ tls, cluster, profPort }: NatsOptions): string[] {
  const warnings = [...ofTls("tls", tls), ...ofTls("cluster.tls", cluster.tls)];
  if (profPort !== 0) warnings.push('"prof_port" has no effect: this server has no profiling port');
  return warnings;
}

function ofTls(name: string, tls: NatsTlsOptions | undefined): string[] {
  const warnings: string[] = [];
  if (tls === undefined) return warnings;
  if (tls.curvePreferences.length > 0) {
    warnings.push(`"curve_preferences" of "${name}" has no effect: the runtime chooses the curves`);
  }
  const { cipherSuites } = tls;
  if (cipherSuites.length > 0 && !cipherSuites.some((suite) => SUITES.test(suite))) {
    const consequence = "connections need TLS 1.3";
    warnings.push(`"cipher_suites" of "${name}" has no suite of TLS 1.2 that the runtime offers: ${consequence}`);
  }
  return warnings;
}
