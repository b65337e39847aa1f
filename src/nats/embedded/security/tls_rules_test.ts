import assert from "node:assert/strict";
import type { TlsInfo } from "../../../ports/network.ts";
import { tlsFault } from "./tls_rules.ts";

const peer = { subject: "CN=x", dnsNames: [], emails: [], uris: [], keyDigest: "ab" };
const session = (version: string, cipher: string): TlsInfo => ({ version, cipher });

Deno.test("tlsFault: only pinned keys pass, and nobody without a certificate", () => {
  const rules = { pinnedKeys: ["ab", "cd"] };
  assert.equal(tlsFault({ ...session("TLSv1.3", ""), peer }, rules), undefined);
  assert.match(tlsFault({ ...session("TLSv1.3", ""), peer: { ...peer, keyDigest: "ee" } }, rules)!, /ee is not pinned/);
  assert.match(tlsFault(session("TLSv1.3", ""), rules)!, /no certificate/);
  assert.match(tlsFault(undefined, rules)!, /no certificate/);
  assert.equal(tlsFault(session("TLSv1.3", ""), {}), undefined);
});

Deno.test("tlsFault: a list of suites holds for TLS 1.2", () => {
  const rules = { cipherSuites: ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"] };
  const fault = (version: string, cipher: string) => tlsFault(session(version, cipher), rules);
  assert.equal(fault("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), undefined);
  assert.equal(fault("TLSv1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"), undefined);
  assert.match(fault("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")!, /AES_128_GCM_SHA256 is not listed/);
  assert.equal(fault("TLSv1.3", "TLS_AES_128_GCM_SHA256"), undefined);
});
